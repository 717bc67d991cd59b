//! Reading the table under "Compared" in README.md. What the cells should be is not here.

use std::fs;

/// The rows of the table, split into cells. The first row is the head, without the line below it.
fn rows() -> Vec<Vec<String>> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let lines = readme.lines().skip_while(|line| *line != "## Compared");
    let lines = lines.skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|'));
    let mut rows: Vec<Vec<_>> = lines
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect();
    assert!(rows.len() > 2, "README.md has a table under `## Compared`");
    rows.remove(1);
    let head = rows[0].len();
    for row in &rows {
        assert_eq!(row.len(), head, "cells of {row:?}");
    }
    rows
}

/// The servers in the head of the table.
pub fn servers() -> Vec<String> {
    rows()[0].split_off(1)
}

/// What the table states for this server: what each row is about, and the cell.
pub fn column(server: &str) -> Vec<(String, String)> {
    let rows = rows();
    let column = rows[0].iter().skip(1).position(|name| name == server);
    let column = 1 + column.unwrap_or_else(|| panic!("README.md has no column {server}"));
    let rows = rows.iter().skip(1);
    rows.map(|row| (row[0].clone(), row[column].clone()))
        .collect()
}
