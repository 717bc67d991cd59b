//! Instructions per request: what callgrind counted with the layer, less what it counted without. The
//! harness of that benchmark is not ours, so that its results are read where it left them.

use std::path::Path;

use http::Version;
use serde_json::Value;

use crate::cases::{self, NAMES};
use crate::results::{self, Bound, Row, number};

const WHAT: &str = "Instructions that the layer adds to a request, counted by callgrind. The request has three fields \
besides `Host`, and the service below the layer does nothing. The connection is for `www.example.com`. The certificate \
has 10 names, and a server with virtual hosts has 10 of them. The small print has the same with 1,000 and with 10,000.";

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
            group: protocol(version).into(),
            case: case.what.into(),
            value: ten,
            unit: "instructions".into(),
            target: Some(Bound::AtMost(case.aim.into())),
            limit: Some(Bound::AtMost(case.limit.into())),
            note: format!(
                "with 1,000 names {}, with 10,000 {}",
                number(thousand),
                number(ten_thousand)
            ),
            ..Row::default()
        });
    }
    let most = grown.iter().copied().fold(1.0, f64::max);
    let row = Row {
        group: "More names".into(),
        case: "1,000 or 10,000 names in place of 10, on average".into(),
        value: grown.iter().sum::<f64>() / grown.len() as f64,
        unit: "ratio".into(),
        note: format!("{most:.3} at most, because names meet by chance in a hash table"),
        ..Row::default()
    };
    rows.push(row.exact(Bound::AtMost(1.05)));
    results::write("requests", WHAT, &rows);
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
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
