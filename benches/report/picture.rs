//! Some of the results as bars: narrow enough for a phone, and in colours that can be read on light paper and on dark.

use std::fmt::Write;

use crate::results::{Bound, Row};
use crate::section::Section;

/// The tables that are drawn, as the benchmark and the heading of the table, and what their bars mean.
const DRAWN: [(&str, &str, &str); 4] = [
    ("requests", "HTTP/1.1", "instructions added"),
    ("handshakes", "TLS 1.3", "% of instructions added"),
    (
        "end_to_end",
        "Instructions, HTTP/1.1",
        "% of instructions added",
    ),
    (
        "end_to_end",
        "Instructions, HTTP/2",
        "% of instructions added",
    ),
];

const WIDTH: f64 = 380.0;
const BARS_TO: f64 = 310.0;
const LINE: f64 = 17.0;

const MET: &str = "#3f8fd0";
const MISSED: &str = "#d9534f";
const NO_TARGET: &str = "#8c8c8c";

const LEGEND: [(&str, &str); 3] = [
    (MET, "meets its target, the upright line"),
    (MISSED, "misses its target"),
    (NO_TARGET, "has no target"),
];

/// An SVG that takes the colour of its text from the page around it. It has no empty line, which in
/// Markdown would end it, before the one after it.
pub(super) fn draw(sections: &[Section]) -> String {
    let mut body = String::new();
    let mut y = 0.0;
    for (colour, meaning) in LEGEND {
        y += LINE;
        bar(&mut body, (0.0, y), 13.0, colour);
        text(&mut body, (20.0, y), "normal", meaning);
    }
    for section in sections {
        for (group, rows) in section.groups() {
            let drawn = DRAWN
                .iter()
                .find(|drawn| (drawn.0, drawn.1) == (section.name, group));
            let Some((.., meaning)) = drawn else { continue };
            let bars: Vec<_> = rows.iter().filter_map(Bar::of).collect();
            y += 2.0 * LINE;
            let heading = group.trim_start_matches("Instructions, ");
            let heading = format!("{}, {heading}: {meaning}", section.heading);
            text(&mut body, (0.0, y), "bold", &heading);
            let most = bars.iter().map(Bar::most).fold(f64::MIN_POSITIVE, f64::max);
            for bar in &bars {
                y += 2.0 * LINE;
                bar.draw(&mut body, y, most);
            }
        }
    }
    let height = y + LINE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" \
         style=\"max-width: 30rem\" role=\"img\" aria-label=\"Some of the numbers below as bars\" font-size=\"12\" \
         fill=\"currentColor\">\n{body}</svg>\n\n"
    )
}

/// A row as a length: what a thing costs.
struct Bar<'a> {
    row: &'a Row,
    value: f64,
    target: Option<f64>,
    label: String,
}

impl<'a> Bar<'a> {
    fn of(row: &'a Row) -> Option<Self> {
        let (scale, unit): (fn(f64) -> f64, _) = match row.unit.as_str() {
            "skipped" => return None,
            // Two numbers of this crate and others, and not what one of them adds.
            "ratio" if row.case.contains("least of the others") => return None,
            // Noise is no length.
            "ratio" if row.spread.is_some_and(|(low, high)| high - low > 0.1) => return None,
            "ratio" => (|value| (value - 1.0) * 100.0, " %"),
            _ => (|value| value, ""),
        };
        let value = scale(row.value);
        let target = row.target.map(|target| match target {
            Bound::AtMost(bound) | Bound::AtLeast(bound) => scale(bound),
        });
        let label = match unit {
            "" => format!("{value:.0}"),
            // No minus before a zero.
            unit => format!("{:.1}{unit}", (value * 10.0).round() / 10.0 + 0.0),
        };
        Some(Self {
            row,
            value,
            target,
            label,
        })
    }

    /// How far its drawing reaches.
    fn most(&self) -> f64 {
        self.value.max(self.target.unwrap_or(0.0))
    }

    /// Draws the name of the case and the bar below it.
    fn draw(&self, body: &mut String, y: f64, most: f64) {
        let x = |value: f64| BARS_TO * value.clamp(0.0, most) / most;
        let colour = match self.row.target {
            None => NO_TARGET,
            Some(target) if target.holds(self.row.value) => MET,
            Some(_) => MISSED,
        };
        let case = self.row.case.replace('`', "");
        text(body, (0.0, y - LINE + 3.0), "normal", &case);
        let width = x(self.value).max(1.0);
        bar(body, (0.0, y), width, colour);
        let mut end = width;
        if let Some(target) = self.target {
            line(body, x(target), y);
            end = end.max(x(target));
        }
        text(body, (end + 6.0, y), "normal", &self.label);
    }
}

fn bar(body: &mut String, (x, y): (f64, f64), width: f64, colour: &str) {
    let top = y - 10.0;
    writeln!(
        body,
        "<rect x=\"{x}\" y=\"{top}\" width=\"{width:.1}\" height=\"12\" fill=\"{colour}\"></rect>"
    )
    .unwrap();
}

fn text(body: &mut String, (x, y): (f64, f64), weight: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y}\" font-weight=\"{weight}\">{text}</text>"
    )
    .unwrap();
}

/// An upright line across the bar of this line.
fn line(body: &mut String, x: f64, y: f64) {
    let (from, to) = (y - 12.0, y + 4.0);
    writeln!(
        body,
        "<line x1=\"{x:.1}\" y1=\"{from}\" x2=\"{x:.1}\" y2=\"{to}\" stroke=\"currentColor\" stroke-width=\"2\"></line>"
    )
    .unwrap();
}
