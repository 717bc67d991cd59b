//! Every page of the guide has one question, which is also in the guide's list of links.

use crate::read;

/// The pages that `guide/mod.rs` declares, with the question at the top of each.
fn pages(module: &str) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let mut top = None;
    for line in module.lines() {
        let file = line.strip_prefix("#[doc = include_str!(\"");
        let file = file.and_then(|line| line.strip_suffix("\")]"));
        if let Some(name) = file.filter(|name| name.ends_with(".md")) {
            top = top.or_else(|| {
                read(&format!("src/guide/{name}"))
                    .lines()
                    .next()
                    .map(str::to_owned)
            });
        } else if let Some(text) = line.strip_prefix("/// ") {
            top = top.or_else(|| Some(text.to_owned()));
        } else if let Some(name) = line.strip_prefix("pub mod ") {
            let name = name.trim_end_matches(" {}").to_owned();
            let top = top.take().unwrap_or_default();
            let question = top.strip_prefix("# ").filter(|top| top.ends_with('?'));
            let question =
                question.unwrap_or_else(|| panic!("{name} begins with no question: {top}"));
            pages.push((name, question.to_owned()));
        }
    }
    pages
}

#[test]
fn the_list_of_the_guide_has_the_question_of_every_page() {
    let module = read("src/guide/mod.rs");
    let mut list: Vec<_> = module
        .lines()
        .filter_map(|line| {
            let link = line.strip_prefix("//! - [")?.strip_suffix(')')?;
            let (question, name) = link.split_once("](")?;
            Some((name.to_owned(), question.to_owned()))
        })
        .collect();
    list.sort();
    let mut pages = pages(&module);
    pages.sort();
    assert_eq!(list, pages);
    assert!(list.len() >= 17, "only {} pages were found", list.len());
}
