//! The results as tables of three narrow columns, which fit on a phone. What else there is to say about a number stands
//! in small print below its case.

use std::fmt::Write;

use crate::machine;
use crate::results::{Bound, Row, number};
use crate::section::Section;

pub(super) fn write(sections: &[Section]) -> String {
    let mut text = machine::table();
    for section in sections {
        write!(text, "\n## {}\n\n{}\n", section.heading, section.what).unwrap();
        for (group, rows) in section.groups() {
            let group = if group.is_empty() { "case" } else { group };
            write!(text, "\n| {group} | measured | target |\n|---|---|---|\n").unwrap();
            for row in rows {
                line(&mut text, row);
            }
        }
    }
    text
}

fn line(text: &mut String, row: &Row) {
    let case = &row.case;
    if row.is_skipped() {
        writeln!(
            text,
            "| {case}<br><small>{}</small> | not measured | |",
            row.note
        )
        .unwrap();
        return;
    }
    let spread = row.spread.map(|(low, high)| {
        let [low, high] = [low, high].map(|value| plain(row, value));
        format!("{low} to {high}")
    });
    let notes = spread
        .into_iter()
        .chain((!row.note.is_empty()).then(|| row.note.clone()));
    let notes = notes.collect::<Vec<_>>().join("; ");
    let notes = match notes.is_empty() {
        true => notes,
        false => format!("<br><small>{notes}</small>"),
    };
    let target = row.target.map(|target| aim(target, row));
    let target = target.unwrap_or_default();
    writeln!(text, "| {case}{notes} | {} | {target} |", measured(row)).unwrap();
}

fn measured(row: &Row) -> String {
    let value = plain(row, row.value);
    match row.unit.as_str() {
        // The text above the table says that it counts instructions.
        "ratio" | "instructions" => value,
        unit => format!("{value} {unit}"),
    }
}

fn plain(row: &Row, value: f64) -> String {
    match row.unit.as_str() {
        "ratio" => format!("{value:.3}"),
        _ => number(value),
    }
}

fn aim(target: Bound, row: &Row) -> String {
    let bound = |bound| match row.unit.as_str() {
        "ratio" => format!("{bound}"),
        _ => number(bound),
    };
    let aim = match target {
        Bound::AtMost(most) => format!("≤ {}", bound(most)),
        Bound::AtLeast(least) => format!("≥ {}", bound(least)),
    };
    match target.holds(row.value) {
        true => aim,
        false => format!("{aim} **missed**"),
    }
}
