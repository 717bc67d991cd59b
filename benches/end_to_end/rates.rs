//! Requests per second with the layer and without, by turns, so that whatever else the machine does meets both. The
//! numbers are too noisy to hold them to anything, which is why `main` counts instructions.

use std::io;
use std::time::Duration;

use crate::load::{self, Load, Protocol};
use crate::ours::Axum;
use crate::results::Row;
use crate::server::Server;

const LOAD: Load = Load {
    connections: 16,
    streams: 8,
    pinned: true,
};

/// Requests that a new process gets before any that count.
const WARM_UP: u32 = 2_000;

pub struct Plan {
    pub rounds: usize,
    pub run: Duration,
}

pub fn compare(plan: &Plan) -> Vec<Row> {
    let rows = Protocol::BOTH.map(|protocol| {
        let case = format!("axum, around the router, {protocol}");
        match samples(protocol, plan) {
            Ok(samples) => row(case, &samples),
            Err(why) => Row::skipped(case, why.to_string()),
        }
    });
    rows.into()
}

/// Requests per second with the layer and without.
fn samples(protocol: Protocol, plan: &Plan) -> io::Result<Vec<(f64, f64)>> {
    let [with, without] = [Axum::Around, Axum::NoLayer].map(|form| Server::start(&form));
    let (with, without) = (with?, without?);
    let warm = [&with, &without].map(|server| load::run(server, protocol, LOAD, WARM_UP));
    let requests = (warm[1] * plan.run.as_secs_f64()) as u32;
    let run = |server| load::run(server, protocol, LOAD, requests);
    let samples = (0..plan.rounds).map(|round| match round % 2 {
        0 => (run(&with), run(&without)),
        _ => {
            let without = run(&without);
            (run(&with), without)
        }
    });
    Ok(samples.collect())
}

fn row(case: String, samples: &[(f64, f64)]) -> Row {
    let [low, median, high] = quartiles(samples.iter().map(|(with, without)| with / without));
    let [_, plain, _] = quartiles(samples.iter().map(|(_, without)| *without));
    Row {
        group: "Requests per second, noisy".into(),
        case,
        value: median,
        unit: "ratio".into(),
        spread: Some((low, high)),
        note: format!("{plain:.0} without the layer"),
        ..Row::default()
    }
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 4, last / 2, last - last / 4].map(|at| values[at])
}
