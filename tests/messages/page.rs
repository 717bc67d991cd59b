//! The page `guide::errors`: its tables list every text, in the section where the text belongs, and no others.

use std::fs;
use std::path::Path;

use crate::{ALL, HOSTILE};

const LOG: &str = "In the log";

/// A row of a table.
#[derive(Debug)]
struct Row {
    section: String,
    /// The text, in which `…` stands for any other text.
    text: String,
    cells: Vec<String>,
}

fn rows() -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/errors.md");
    let page = fs::read_to_string(page).unwrap();
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
        }
        // The first cell of a head is not code.
        if !line.starts_with("| `") {
            continue;
        }
        let cells: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let (text, cells) = (code(cells[0]), &cells[1..]);
        rows.push(Row {
            section: section.clone(),
            text,
            cells: cells.iter().map(ToString::to_string).collect(),
        });
    }
    assert!(rows.len() > 60, "only {} rows were found", rows.len());
    rows
}

/// Reads a code span (CommonMark §6.1).
fn code(span: &str) -> String {
    let (delimiter, text) = span.split_at(span.find(|c| c != '`').unwrap());
    let text = text
        .strip_suffix(delimiter)
        .unwrap_or_else(|| panic!("no end: {span}"));
    let mut runs = text.split(|c| c != '`');
    assert!(runs.all(|run| run != delimiter), "it ends early: {span}");
    // A text that begins or ends with a backtick is padded.
    let padded = text
        .strip_prefix(' ')
        .and_then(|text| text.strip_suffix(' '));
    padded.unwrap_or(text).to_owned()
}

impl Row {
    fn is_of(&self, section: &str, text: &str) -> bool {
        let mut parts = self.text.split('…');
        let begin = parts.next().unwrap();
        let Some(mut rest) = text.strip_prefix(begin) else {
            return false;
        };
        let mut parts: Vec<_> = parts.collect();
        let Some(end) = parts.pop() else {
            return self.section == section && rest.is_empty();
        };
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        self.section == section && rest.ends_with(end)
    }
}

/// Every text must have a row, and every row must be the first one that fits a text.
fn compare<'a>(texts: impl Iterator<Item = (&'a str, &'a str)>, rows: &[Row]) {
    let mut used = vec![false; rows.len()];
    let mut missing = Vec::new();
    for (section, text) in texts {
        match rows.iter().position(|row| row.is_of(section, text)) {
            Some(row) => used[row] = true,
            None => missing.push(format!("{section}: {text}")),
        }
    }
    let stale = rows.iter().zip(used).filter(|(_, used)| !used);
    let stale: Vec<_> = stale.map(|(row, _)| &row.text).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "not on the page: {missing:#?}, only on the page: {stale:#?}"
    );
}

#[test]
fn the_page_has_every_error_and_no_other() {
    let rows: Vec<_> = rows()
        .into_iter()
        .filter(|row| row.section != LOG)
        .collect();
    let messages = ALL.0.0.iter();
    let messages = messages.filter(|message| message.section != HOSTILE);
    let texts = messages.map(|message| (message.section, &*message.text));
    compare(texts, &rows);
}

#[test]
fn the_page_has_every_event_with_its_level_and_fields() {
    let rows: Vec<_> = rows()
        .into_iter()
        .filter(|row| row.section == LOG)
        .collect();
    compare(ALL.1.iter().map(|event| (LOG, event.message())), &rows);
    for event in &ALL.1 {
        let row = rows
            .iter()
            .find(|row| row.is_of(LOG, event.message()))
            .unwrap();
        let [level, fields, ..] = &row.cells[..] else {
            panic!("{row:?}");
        };
        assert_eq!(*level, format!("`{}`", event.level), "{row:?}");
        // A link in place of the names.
        if !fields.contains("](") {
            let names: Vec<_> = event.names.iter().map(|name| format!("`{name}`")).collect();
            assert_eq!(*fields, names.join(", "), "{row:?}");
        }
    }
}
