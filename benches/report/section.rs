//! One part of the report. Its tables are written in `tables`, its bars in `picture`.

use crate::results::{self, Row};

/// What one benchmark found.
pub struct Section {
    /// The name of the benchmark.
    pub name: &'static str,
    pub heading: &'static str,
    /// What it measured.
    pub what: String,
    pub rows: Vec<Row>,
}

impl Section {
    /// Reads what a benchmark has left, if it has run.
    pub fn read(name: &'static str, heading: &'static str) -> Option<Self> {
        let (what, mut rows) = results::read(name)?;
        // What stands before the first comma of a handshake is the version of TLS.
        if name == "handshakes" {
            for row in rows.iter_mut().filter(|row| row.group.is_empty()) {
                if let Some((version, case)) = row.case.split_once(", ") {
                    (row.group, row.case) = (version.to_owned(), case.to_owned());
                }
            }
        }
        Some(Self {
            name,
            heading,
            what,
            rows,
        })
    }

    /// Returns the rows of each table, with its heading.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &[Row])> {
        let groups = self.rows.chunk_by(|one, next| one.group == next.group);
        groups.map(|rows| (rows[0].group.as_str(), rows))
    }
}
