//! What a benchmark found, as lines to read and as `target/speed/*.tsv` for the report. What is measured,
//! and how, is each benchmark's own.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::fmt::{self, Write};
use std::path::PathBuf;

/// A number that may be missed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "<={bound}"),
            Self::AtLeast(bound) => write!(f, ">={bound}"),
        }
    }
}

impl std::str::FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_| format!("no number: {text:?}"));
        match text.split_at_checked(2) {
            Some(("<=", bound)) => number(bound).map(Self::AtMost),
            Some((">=", bound)) => number(bound).map(Self::AtLeast),
            _ => Err(format!("neither <= nor >=: {text:?}")),
        }
    }
}

/// One number, with what it should be.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The heading of the table that the row is in, if a benchmark has several tables.
    pub group: String,
    pub case: String,
    pub value: f64,
    /// `ratio`, `instructions`, `bytes`, or `skipped` where there is no value and `note` says why.
    pub unit: String,
    /// What is aimed at. A miss is shown.
    pub target: Option<Bound>,
    /// What ends the run with a failure: the target itself where the number is exact, and a bound outside
    /// of all noise where it is not.
    pub limit: Option<Bound>,
    /// The quartiles, where the value is the median of many.
    pub spread: Option<(f64, f64)>,
    pub note: String,
}

const HEAD: &str = "group\tcase\tvalue\tunit\ttarget\tlimit\tlow\thigh\tnote";

impl Row {
    pub fn skipped(case: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            case: case.into(),
            unit: "skipped".into(),
            note: why.into(),
            ..Self::default()
        }
    }

    /// A number that is the same in every run, so that to miss the target is to fail.
    pub fn exact(mut self, target: Bound) -> Self {
        self.target = Some(target);
        self.limit = Some(target);
        self
    }

    pub fn is_skipped(&self) -> bool {
        self.unit == "skipped"
    }

    fn to_line(&self) -> String {
        let bound = |bound: Option<Bound>| bound.map(|bound| bound.to_string()).unwrap_or_default();
        let (low, high) = match self.spread {
            Some((low, high)) => (low.to_string(), high.to_string()),
            None => Default::default(),
        };
        let fields = [
            self.group.clone(),
            self.case.clone(),
            self.value.to_string(),
            self.unit.clone(),
            bound(self.target),
            bound(self.limit),
            low,
            high,
            self.note.clone(),
        ];
        fields.join("\t")
    }

    fn from_line(line: &str) -> Result<Self, String> {
        let fields: Vec<_> = line.split('\t').collect();
        let [group, case, value, unit, target, limit, low, high, note] = fields[..] else {
            return Err(format!("not nine fields: {line:?}"));
        };
        let number = |text: &str| text.parse().map_err(|_| format!("no number: {text:?}"));
        let bound = |text: &str| (!text.is_empty()).then(|| text.parse()).transpose();
        Ok(Self {
            group: group.into(),
            case: case.into(),
            value: number(value)?,
            unit: unit.into(),
            target: bound(target)?,
            limit: bound(limit)?,
            spread: match low.is_empty() {
                true => None,
                false => Some((number(low)?, number(high)?)),
            },
            note: note.into(),
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}: ", self.group)?;
        }
        write!(f, "{}: ", self.case)?;
        if self.is_skipped() {
            return write!(f, "skipped: {}", self.note);
        }
        match self.unit.as_str() {
            "ratio" => write!(f, "{:.4}", self.value)?,
            unit => write!(f, "{:.0} {unit}", self.value)?,
        }
        if let Some((low, high)) = self.spread {
            write!(f, " (quartiles {low:.4} to {high:.4})")?;
        }
        if let Some(target) = self.target {
            let verdict = if target.holds(self.value) {
                "met"
            } else {
                "MISSED"
            };
            write!(f, ", target {target} {verdict}")?;
        }
        if !self.note.is_empty() {
            write!(f, "; {}", self.note)?;
        }
        Ok(())
    }
}

/// Writes a number without decimals, and with commas between thousands.
pub fn number(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value <= -0.5 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Where results are, whichever directory a benchmark was started in.
pub fn directory() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/speed");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Keeps the rows, and what was measured, for the report.
pub fn write(name: &str, what: &str, rows: &[Row]) {
    let mut text = format!("# {what}\n{HEAD}\n");
    for row in rows {
        writeln!(text, "{}", row.to_line()).unwrap();
    }
    std::fs::write(directory().join(format!("{name}.tsv")), text).unwrap();
}

/// What was measured, and the rows; `None` where the benchmark has not run.
pub fn read(name: &str) -> Option<(String, Vec<Row>)> {
    let path = directory().join(format!("{name}.tsv"));
    let text = std::fs::read_to_string(&path).ok()?;
    let (what, rows): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('#'));
    assert_eq!(rows.first(), Some(&HEAD), "{}", path.display());
    let what = what.iter().map(|line| line.trim_start_matches(['#', ' ']));
    let rows = rows[1..].iter().map(|line| Row::from_line(line).unwrap());
    Some((what.collect::<Vec<_>>().join("\n"), rows.collect()))
}

/// Whether the short form was asked for, which is quicker and rougher.
pub fn is_short() -> bool {
    std::env::args().any(|argument| argument == "short")
}
