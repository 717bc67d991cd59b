//! One part of the report. Its table is written in `main`, its bars in `picture`.

use crate::results::Row;

/// What one benchmark found.
pub struct Section {
    pub heading: &'static str,
    /// What it measured.
    pub what: String,
    pub rows: Vec<Row>,
}
