//! What is left of a server's requests per second when it refuses misdirected requests: axum with the
//! layer, and other servers with what they have or what is recommended for them.
//!
//! Each server runs twice at once, with the check and without, and h2load asks them by turns, so that
//! whatever else the machine does meets both. A server is made to show that it does check, and that
//! without the check it does not, before anything is counted.

mod cores;
mod load;
mod names;
mod ours;
mod pair;
mod peers;
#[path = "../../tests/pki/mod.rs"]
mod pki;
#[path = "../results/mod.rs"]
mod results;
mod server;
#[path = "../../tests/wire/mod.rs"]
mod wire;

use std::time::Duration;

use self::load::{Protocol, Sample};
use self::pair::Pair;
use self::results::{Bound, Row};
use self::server::Server;

/// What the layer has to leave.
const TARGET: Bound = Bound::AtLeast(0.97);

struct Plan {
    rounds: usize,
    run: Duration,
    /// Less than this, in three quarters of the rounds, is no noise.
    limit: Bound,
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "serve") {
        return ours::serve(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    let plan = match results::is_short() {
        true => Plan {
            rounds: 5,
            run: Duration::from_millis(300),
            limit: Bound::AtLeast(0.8),
        },
        false => Plan {
            rounds: 11,
            run: Duration::from_millis(1000),
            limit: Bound::AtLeast(0.9),
        },
    };
    let what = format!(
        "Requests with the check divided by those without it, on loopback over TLS 1.3, per second and \
         per second of the server's CPU time: medians and quartiles of {} pairs of runs, one after the \
         other, of {} ms each and of new processes, by h2load with {} connections. Each server has one thread{}.",
        plan.rounds,
        plan.run.as_millis(),
        load::CONNECTIONS,
        match cores::can_pin() {
            true => " on one core, h2load runs on another",
            false => "",
        },
    );
    println!("{what}");
    let rows = match load::version() {
        Ok(version) => {
            println!("by {version}");
            measure(&plan)
        }
        Err(why) => {
            println!("skipped: h2load: {why}");
            vec![Row::skipped("all", format!("h2load: {why}"))]
        }
    };
    results::write("end_to_end", &what, &rows);
}

fn measure(plan: &Plan) -> Vec<Row> {
    let mut rows = compare("axum with the layer", &ours::OVER_NOTHING, plan);
    for row in rows.iter_mut().filter(|row| !row.is_skipped()) {
        row.target = Some(TARGET);
        // On a machine that does other things too, the other number says nothing.
        row.limit = row.case.ends_with("CPU").then_some(plan.limit);
    }
    let empty = "axum with the layer, for one that does nothing";
    rows.extend(compare(empty, &ours::OVER_EMPTY, plan));
    for peer in peers::ALL {
        rows.extend(match peer.version() {
            Ok(version) => {
                let mut rows = compare(&version, peer, plan);
                for row in rows.iter_mut().filter(|row| !row.is_skipped()) {
                    row.note = format!("{}; {}", peer.check, row.note);
                }
                rows
            }
            Err(why) => {
                println!("{}: skipped: {why}", peer.name);
                vec![Row::skipped(peer.name, why.to_string())]
            }
        });
    }
    rows
}

fn compare(name: &str, pair: &dyn Pair, plan: &Plan) -> Vec<Row> {
    let rows = match samples(pair, plan) {
        Ok(samples) => {
            let cases = Protocol::BOTH.map(|protocol| format!("{name}, {protocol}"));
            let rows = cases.iter().zip(&samples);
            rows.flat_map(|(case, pairs)| ratios(case, pairs)).collect()
        }
        Err(why) => vec![Row::skipped(name, why)],
    };
    for row in &rows {
        println!("{row}");
    }
    rows
}

/// With the check and without.
type Samples = Vec<(Sample, Sample)>;

/// Both protocols' samples.
fn samples(pair: &dyn Pair, plan: &Plan) -> Result<[Samples; 2], String> {
    let mut samples = [Samples::new(), Samples::new()];
    let mut requests = [0; 2];
    for round in 0..plan.rounds {
        // New processes each time: how memory happens to be laid out is worth more than a check.
        let start = |checks| pair.start(checks).map_err(|error| error.to_string());
        let (on, off) = (start(true)?, start(false)?);
        for ((protocol, samples), requests) in Protocol::BOTH
            .into_iter()
            .zip(&mut samples)
            .zip(&mut requests)
        {
            if round == 0 {
                unlike(&on, &off, protocol)?;
                *requests = load::requests_in(plan.run, &off, protocol);
            }
            let run = |server| load::run(server, protocol, *requests);
            load::run(&on, protocol, load::WARM_UP);
            load::run(&off, protocol, load::WARM_UP);
            samples.push(match round % 2 {
                0 => (run(&on), run(&off)),
                _ => {
                    let without = run(&off);
                    (run(&on), without)
                }
            });
        }
    }
    Ok(samples)
}

/// Whether one of them checks and the other does not: else there is nothing to measure.
fn unlike(on: &Server, off: &Server, protocol: Protocol) -> Result<(), String> {
    for (server, expected) in [(on, (200, 421)), (off, (200, 200))] {
        let statuses = load::statuses(server, protocol);
        if statuses != expected {
            return Err(format!("answers {statuses:?} in place of {expected:?}"));
        }
    }
    Ok(())
}

fn ratios(case: &str, pairs: &Samples) -> Vec<Row> {
    let row = |unit: &str, value: fn(&Sample) -> Option<f64>| {
        let values = pairs
            .iter()
            .map(|(with, without)| Some((value(with)?, value(without)?)));
        let values: Vec<_> = values.collect::<Option<_>>()?;
        let [low, median, high] = quartiles(values.iter().map(|(with, without)| with / without));
        let [_, plain, _] = quartiles(values.iter().map(|(_, without)| *without));
        Some(Row {
            case: format!("{case}, per {unit}"),
            value: median,
            unit: "ratio".into(),
            spread: Some((low, high)),
            note: format!("{plain:.0} without the check"),
            ..Row::default()
        })
    };
    let rate = row("second", |sample| Some(sample.rate));
    let cpu = row("second of CPU", |sample| sample.per_cpu);
    rate.into_iter().chain(cpu).collect()
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 4, last / 2, last - last / 4].map(|at| values[at])
}
