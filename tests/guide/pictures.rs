//! The pictures of the guide are shown as pictures.

use super::read;

/// Markdown reads an SVG as text if it follows a paragraph without an empty line between, or has an empty line itself.
#[test]
fn every_picture_is_a_block_of_its_own() {
    let pages = read("src/guide/mod.rs");
    let lines: Vec<_> = pages.lines().collect();
    let include = |line: &str| {
        let file = line.strip_prefix("#[doc = include_str!(\"")?;
        Some(file.strip_suffix("\")]")?.to_owned())
    };
    let mut pictures = 0;
    for pair in lines.windows(2) {
        let Some(picture) = include(pair[1]).filter(|file| file.ends_with(".svg")) else {
            continue;
        };
        pictures += 1;
        let before = match include(pair[0]) {
            Some(file) => read(&format!("src/guide/{file}")).ends_with("\n\n"),
            None => pair[0] == "///",
        };
        assert!(before, "no empty line before {picture}");
        let svg = read(&format!("src/guide/{picture}"));
        assert!(
            svg.starts_with("<svg ") && !svg.trim_end().contains("\n\n"),
            "{picture}"
        );
    }
    assert_eq!(pictures, 3);
}
