//! What the pages of the guide show and list agrees with the crate: the questions, the answers on the wire, and the
//! reasons for a refusal. `tests/rules.rs` reads the pages that name tests.

mod pki;
mod server;
mod wire;

#[path = "guide/answers.rs"]
mod answers;
#[path = "guide/pictures.rs"]
mod pictures;
#[path = "guide/questions.rs"]
mod questions;
#[path = "guide/reasons.rs"]
mod reasons;

use std::fs;
use std::path::Path;

/// A file of this repository.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of each row of the tables in `text`, with the head.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter_map(|line| {
        line.trim_start_matches("//! ")
            .strip_prefix("| ")?
            .strip_suffix(" |")
    });
    rows.map(|row| row.split(" | ").collect())
}
