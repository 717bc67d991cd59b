//! What the other benchmarks found, as one report: tables, a picture, and whether every number that can
//! be held to something is. With `--docs` it becomes part of the guide.

#[path = "../requests/cases.rs"]
mod cases;
mod machine;
mod picture;
mod requests;
#[path = "../results/mod.rs"]
mod results;
mod section;
mod tables;

use std::path::Path;
use std::process::ExitCode;

use self::results::{Bound, Row};
use self::section::Section;

/// The benchmarks, each with its heading.
const SECTIONS: [(&str, &str); 6] = [
    ("requests", "A request"),
    ("handshakes", "A handshake"),
    ("end_to_end", "A whole server"),
    ("many_hosts", "Many virtual hosts"),
    ("connections", "An idle connection"),
    ("draining", "A replacement that ends idle connections"),
];

fn main() -> ExitCode {
    requests::collect();
    let sections = SECTIONS.into_iter();
    let sections: Vec<_> = sections
        .filter_map(|(name, heading)| Section::read(name, heading))
        .collect();
    let tables = tables::write(&sections);
    let picture = picture::draw(&sections);
    let directory = results::directory();
    std::fs::write(directory.join("report.md"), &tables).unwrap();
    std::fs::write(directory.join("report.svg"), &picture).unwrap();
    if std::env::args().any(|argument| argument == "--docs") {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide");
        std::fs::write(guide.join("speed_results.md"), &tables).unwrap();
        std::fs::write(guide.join("speed.svg"), &picture).unwrap();
    }
    println!("{tables}");
    let failed: Vec<_> = sections
        .iter()
        .flat_map(|section| &section.rows)
        .filter(|row| !passes(row))
        .collect();
    for row in &failed {
        eprintln!("MISSED: {row}");
    }
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Whether the limit holds; where there is a spread, for any of what is in it.
fn passes(row: &Row) -> bool {
    let Some(limit) = row.limit else {
        return true;
    };
    let best = match (limit, row.spread) {
        (Bound::AtMost(_), Some((low, _))) => low,
        (Bound::AtLeast(_), Some((_, high))) => high,
        (_, None) => row.value,
    };
    limit.holds(best)
}
