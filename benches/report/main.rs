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

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use self::results::{Bound, Row};
use self::section::Section;

/// The benchmarks, each with its heading.
const SECTIONS: [(&str, &str); 5] = [
    ("requests", "A request"),
    ("handshakes", "A handshake"),
    ("connections", "An idle connection"),
    ("draining", "A replacement that ends idle connections"),
    ("end_to_end", "A server under load"),
];

fn main() -> ExitCode {
    requests::collect();
    let sections = SECTIONS.into_iter().filter_map(|(name, heading)| {
        let (what, rows) = results::read(name)?;
        Some(Section {
            heading,
            what,
            rows,
        })
    });
    let sections: Vec<_> = sections.collect();
    let tables = tables(&sections);
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

fn tables(sections: &[Section]) -> String {
    let mut text = machine::table();
    for section in sections {
        let Section {
            heading,
            what,
            rows,
        } = section;
        write!(text, "\n# {heading}\n\n{what}\n\n").unwrap();
        text.push_str("| case | measured | aim | |\n|---|---|---|---|\n");
        for row in rows {
            let case = &row.case;
            if row.is_skipped() {
                writeln!(text, "| {case} | not measured | | {} |", row.note).unwrap();
                continue;
            }
            let aim = row.target.map(|target| aim(target, row.value));
            let aim = aim.unwrap_or_default();
            writeln!(
                text,
                "| {case} | {} | {aim} | {} |",
                measured(row),
                row.note
            )
            .unwrap();
        }
    }
    text
}

fn measured(row: &Row) -> String {
    let number = |value: f64| match row.unit.as_str() {
        "ratio" => format!("{value:.3}"),
        _ => format!("{value:.0}"),
    };
    let mut text = number(row.value);
    if row.unit != "ratio" {
        write!(text, " {}", row.unit).unwrap();
    }
    if let Some((low, high)) = row.spread {
        write!(text, " ({} to {})", number(low), number(high)).unwrap();
    }
    text
}

fn aim(target: Bound, value: f64) -> String {
    let aim = match target {
        Bound::AtMost(bound) => format!("≤ {bound}"),
        Bound::AtLeast(bound) => format!("≥ {bound}"),
    };
    match target.holds(value) {
        true => aim,
        false => format!("{aim}: **missed**"),
    }
}
