//! The pages `guide::rules` and `guide::promises` agree with the tests: every rule that is cited anywhere is on the
//! page of rules, every rule there has a test that cites it, and every test that a page names exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The page `guide::rules`, which has a picture between its two files.
const PAGE: [&str; 2] = ["src/guide/rules_authority.md", "src/guide/rules.md"];

/// Where rules may be cited. The package on crates.io has no `benches` and no `fuzz`.
const PLACES: [&str; 9] = [
    "CHANGELOG.md",
    "README.md",
    "benches",
    "examples",
    "fuzz/README.md",
    "fuzz/fuzz_targets",
    "fuzz/oracle",
    "src",
    "tests",
];

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The number of a rule at the beginning of `text`, in capitals, and the text after it: one of `letters`,
/// one or two digits without a leading zero, and perhaps a small letter.
fn leading_rule<'a>(text: &'a str, letters: &str) -> Option<(String, &'a str)> {
    let number = text.strip_prefix(|letter| letters.contains(letter))?;
    let after = number.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let digits = number.len() - after.len();
    if number.starts_with('0') || !(1..=2).contains(&digits) {
        return None;
    }
    let part = after.starts_with(|part: char| part.is_ascii_lowercase());
    let (rule, rest) = text.split_at(1 + digits + usize::from(part));
    Some((
        rule[..1 + digits].to_uppercase() + &rule[1 + digits..],
        rest,
    ))
}

/// The rules that a line cites.
///
/// In comments, strings and prose a citation is a word of its own: `B5`, and `C6a` for a part of a rule. A
/// percent sign belongs to the word after it. So RFC 9110, h2, H3, 0xB5, `\xB5`, U+00B5 and %B5 cite nothing.
///
/// In the name of a function a citation is a prefix: `b6_b7_each_level` cites two.
fn cited(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '%'));
    let mut rules = Vec::new();
    let mut after_fn = false;
    for mut word in words.filter(|word| !word.is_empty()) {
        if let Some((rule, "")) = leading_rule(word, "ABCDW") {
            rules.push(rule);
        }
        while let (true, Some((rule, rest))) = (after_fn, leading_rule(word, "abcdw")) {
            let Some(rest) = rest.strip_prefix('_') else {
                break;
            };
            rules.push(rule);
            word = rest;
        }
        after_fn = word == "fn";
    }
    rules
}

#[test]
fn citations_are_told_from_what_looks_like_them() {
    for (line, rules) in [
        ("/// C1, C2: `Host` (A1–A9), RFC 9110 §7.4", "C1 C2 A1 A9"),
        ("//! B10. And C6a, of W2.", "B10 C6a W2"),
        ("assert_eq!(status, 421, \"B9\");", "B9"),
        ("async fn b6_b7_each_level_refuses() {", "B6 B7"),
        ("fn c6a_an_unknown_method() {}", "C6a"),
        ("h2, h3, HTTP/2, H3, E5, TLS13_AES_128", ""),
        ("0xA1 \\xB5 U+00C1 %C3%BC A01 B123 A1B2C3 C6ab xA1 A1_", ""),
        ("a1 let b2_c = c3(); fn b2() {} fn ab1_x() {}", ""),
    ] {
        assert_eq!(cited(line).join(" "), rules, "{line}");
    }
}

/// A test that a page names.
#[derive(Debug)]
struct Named {
    file: String,
    function: String,
}

impl Named {
    /// Reads what follows `- Test: ` in a line.
    fn read(text: &str) -> Self {
        let names: Vec<_> = text.split('`').collect();
        let ["", file, ", ", function, ""] = names[..] else {
            panic!("no file and function: {text}");
        };
        Self {
            file: file.to_owned(),
            function: function.to_owned(),
        }
    }

    /// The lines of the test, if it exists.
    fn lines(&self) -> Option<String> {
        let in_tests = self.file.starts_with("tests/") && self.file.ends_with(".rs");
        let text = fs::read_to_string(path(&self.file))
            .ok()
            .filter(|_| in_tests);
        test(&text?, &self.function)
    }
}

/// The rules on the page, each a heading such as `### B5. Certificate`, and the lines `- Test: …` below it.
fn page() -> BTreeMap<String, Vec<Named>> {
    let mut rules = BTreeMap::new();
    let mut current = None;
    let files = PAGE.map(|file| fs::read_to_string(path(file)).unwrap());
    for line in files.iter().flat_map(|text| text.lines()) {
        if let Some(heading) = line.strip_prefix("### ") {
            let rule = leading_rule(heading, "ABCDW");
            let (rule, title) = rule.unwrap_or_else(|| panic!("no rule: {line}"));
            assert!(title.starts_with(". "), "no title: {line}");
            assert!(
                rules.insert(rule.clone(), Vec::new()).is_none(),
                "{rule} twice"
            );
            current = Some(rule);
        }
        if let Some(test) = line.strip_prefix("- Test: ") {
            let rule = current.as_ref().expect("a heading before the first test");
            rules.get_mut(rule).unwrap().push(Named::read(test));
        }
    }
    rules
}

/// All files below a path that are text; none where there is no such path.
fn files(path: &Path, found: &mut Vec<(PathBuf, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        found.push((path.to_owned(), text));
    }
}

#[test]
fn every_rule_that_is_cited_is_on_the_page() {
    let page = page();
    let mut found = Vec::new();
    for place in PLACES {
        files(&path(place), &mut found);
    }
    let mut unknown = Vec::new();
    let mut citations = 0;
    for (file, text) in found {
        // Its examples are no citations.
        if file == path("tests/rules.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for rule in cited(line) {
                citations += 1;
                if !page.contains_key(&rule) {
                    unknown.push(format!("{}:{}: {rule}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "not in {PAGE:?}: {unknown:#?}");
    assert!(citations > 200, "only {citations} citations were found");
}

/// The lines of a test, from its documentation to the brace that closes it.
fn test(text: &str, function: &str) -> Option<String> {
    let lines: Vec<_> = text.lines().collect();
    let signature = format!("fn {function}(");
    let at = lines.iter().position(|line| line.contains(&signature))?;
    let blank = |line: &&str| line.trim().is_empty();
    let begin = lines[..at].iter().rposition(blank).map_or(0, |at| at + 1);
    let is_test = |line: &&str| line.trim().starts_with("#[") && line.contains("test");
    lines[begin..at].iter().find(|line| is_test(line))?;
    let indent = lines[at].len() - lines[at].trim_start().len();
    let close = format!("{}}}", &lines[at][..indent]);
    let length = lines[at..].iter().position(|line| **line == close)?;
    Some(lines[begin..=at + length].join("\n"))
}

#[test]
fn every_rule_on_the_page_has_a_test_that_cites_it() {
    let page = page();
    assert!(page.len() >= 31, "only {} rules were found", page.len());
    let mut missing = Vec::new();
    for (rule, tests) in page {
        let mut is_cited = false;
        for named in tests {
            match named.lines() {
                Some(test) => is_cited |= test.lines().flat_map(cited).any(|cited| cited == rule),
                None => missing.push(format!("{rule}: no test {named:?}")),
            }
        }
        if !is_cited {
            missing.push(format!("{rule}: no test that the page names cites it"));
        }
    }
    assert!(missing.is_empty(), "{PAGE:?}: {missing:#?}");
}

#[test]
fn every_promise_names_tests_that_exist() {
    let page = fs::read_to_string(path("src/guide/promises.md")).unwrap();
    let mut promises = 0;
    let mut tests_of_last = 1;
    let mut missing = Vec::new();
    for line in page.lines() {
        if line.starts_with("- ") {
            assert_ne!(tests_of_last, 0, "no test before: {line}");
            promises += 1;
            tests_of_last = 0;
        }
        if let Some(test) = line.strip_prefix("  - Test: ") {
            let named = Named::read(test);
            tests_of_last += 1;
            if named.lines().is_none() {
                missing.push(named);
            }
        }
    }
    assert_ne!(tests_of_last, 0, "no test for the last promise");
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(promises >= 20, "only {promises} promises were found");
}
