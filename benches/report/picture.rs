//! The results as bars, in colours that can be read on light paper and on dark.

use std::fmt::Write;

use crate::results::{Bound, Row};
use crate::section::Section;

const WIDTH: f64 = 760.0;
const BARS_FROM: f64 = 420.0;
const BARS_TO: f64 = 670.0;
const LINE: f64 = 20.0;

const OURS: &str = "#3f8fd0";
const OTHERS: &str = "#8c8c8c";
const MISSED: &str = "#d9534f";

/// An SVG that takes the colour of its text from the page around it. It has no empty line, which in
/// Markdown would end it, before the one after it.
pub(super) fn draw(sections: &[Section]) -> String {
    let mut body = String::new();
    let mut y = 0.0;
    for section in sections {
        let bars: Vec<_> = section.rows.iter().filter_map(Bar::of).collect();
        let Some(first) = bars.first() else { continue };
        y += 1.5 * LINE;
        let heading = format!("{}: {}", section.heading, first.meaning);
        text(&mut body, (0.0, y), "start", "bold", &heading);
        let most = bars.iter().map(Bar::most).fold(f64::MIN_POSITIVE, f64::max);
        for bar in &bars {
            y += LINE;
            bar.draw(&mut body, y, most);
        }
    }
    let height = y + LINE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" role=\"img\" \
         aria-label=\"The tables below as bars\" font-size=\"12\" fill=\"currentColor\">\n{body}</svg>\n\n"
    )
}

/// A row as a length: what a thing costs, or what is lost by it.
struct Bar<'a> {
    row: &'a Row,
    meaning: &'static str,
    value: f64,
    target: Option<f64>,
    spread: Option<(f64, f64)>,
    label: String,
}

impl<'a> Bar<'a> {
    fn of(row: &'a Row) -> Option<Self> {
        let added = |value| (value - 1.0) * 100.0;
        let lost = |value| (1.0 - value) * 100.0;
        let (scale, meaning): (fn(f64) -> f64, _) = match (row.unit.as_str(), row.spread) {
            ("skipped", _) => return None,
            ("ratio", None) => (added, "% added"),
            ("ratio", Some(_)) => (lost, "% lost"),
            ("bytes", _) => (|value| value, "bytes added"),
            _ => (|value| value, "instructions"),
        };
        let value = scale(row.value);
        let target = row.target.map(|target| match target {
            Bound::AtMost(bound) | Bound::AtLeast(bound) => scale(bound),
        });
        let label = match row.unit.as_str() {
            "ratio" => format!("{value:.1} %"),
            _ => format!("{value:.0}"),
        };
        Some(Self {
            row,
            meaning,
            value,
            target,
            spread: row.spread.map(|(low, high)| (scale(low), scale(high))),
            label,
        })
    }

    /// How far its drawing reaches.
    fn most(&self) -> f64 {
        self.value.max(self.target.unwrap_or(0.0))
    }

    fn draw(&self, body: &mut String, y: f64, most: f64) {
        let x = |value: f64| BARS_FROM + (BARS_TO - BARS_FROM) * value.clamp(0.0, most) / most;
        let colour = match self.row.target {
            None => OTHERS,
            Some(target) if target.holds(self.row.value) => OURS,
            Some(_) => MISSED,
        };
        let (top, height, width) = (y - 11.0, 13.0, (x(self.value) - BARS_FROM).max(1.0));
        text(body, (BARS_FROM - 8.0, y), "end", "normal", &self.row.case);
        writeln!(
            body,
            "<rect x=\"{BARS_FROM}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"></rect>"
        )
        .unwrap();
        if let Some((low, high)) = self.spread {
            line(body, (x(low), y - 4.5), (x(high), y - 4.5), "1");
        }
        if let Some(target) = self.target {
            line(body, (x(target), y - 13.0), (x(target), y + 4.0), "2");
        }
        text(body, (BARS_TO + 8.0, y), "start", "normal", &self.label);
    }
}

fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, weight: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        body,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\">{text}</text>"
    )
    .unwrap();
}

fn line(body: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), width: &str) {
    writeln!(
        body,
        "<line x1=\"{x1:.1}\" y1=\"{y1}\" x2=\"{x2:.1}\" y2=\"{y2}\" stroke=\"currentColor\" stroke-width=\"{width}\"></line>"
    )
    .unwrap();
}
