//! Instructions per request: what callgrind counted with the layer, less what it counted without. The
//! harness of that benchmark is not ours, so that its results are read where it left them.

use std::path::Path;

use serde_json::Value;

use crate::cases::{self, NAMES};
use crate::results::{self, Bound, Row};

const WHAT: &str = "Instructions that the layer adds to a request with three fields besides `Host`, over a \
service that does nothing, counted by callgrind. The connection is for `www.example.com`; its certificate has \
10 names, and the server 10 virtual hosts where it has any; with a thousand and ten thousand the note says \
what it was.";

/// Keeps the rows as the other benchmarks do, where there are any.
pub(super) fn collect() {
    let all: Vec<_> = cases::all().collect();
    let counted: Option<Vec<_>> = (0..all.len()).map(added).collect();
    let Some(counted) = counted else { return };
    let mut rows = Vec::new();
    let mut grown = Vec::new();
    for (sizes, counts) in all.chunks(NAMES.len()).zip(counted.chunks(NAMES.len())) {
        let (version, case, _) = sizes[0];
        let [ten, thousand, ten_thousand] = counts[..] else {
            unreachable!("as many as there are numbers of names")
        };
        grown.extend([thousand / ten, ten_thousand / ten]);
        rows.push(Row {
            case: format!("{version:?}, {}", case.what),
            value: ten,
            unit: "instructions".into(),
            target: Some(Bound::AtMost(case.aim.into())),
            limit: Some(Bound::AtMost(case.limit.into())),
            note: format!("{thousand} and {ten_thousand} at a thousand and ten thousand names"),
            ..Row::default()
        });
    }
    let most = grown.iter().copied().fold(1.0, f64::max);
    let row = Row {
        case: "a thousand or ten thousand names for ten, on average".into(),
        value: grown.iter().sum::<f64>() / grown.len() as f64,
        unit: "ratio".into(),
        note: format!("{most:.3} at most, by the chance of hashing"),
        ..Row::default()
    };
    rows.push(row.exact(Bound::AtMost(1.05)));
    results::write("requests", WHAT, &rows);
}

/// What the layer adds in the case with this number; `None` where it has not been counted.
fn added(number: usize) -> Option<f64> {
    Some(counted("with", number)? - counted("without", number)?)
}

fn counted(function: &str, number: usize) -> Option<f64> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gungraun");
    let summary = format!("tower-misdirected/requests/layer/{function}.case_{number}/summary.json");
    let summary = std::fs::read(directory.join(summary)).ok()?;
    let summary: Value = serde_json::from_slice(&summary).ok()?;
    let total = summary.pointer("/profiles/0/data/total/metrics/Ir/values/new")?;
    total.as_f64()
}
