//! The instructions that a whole server spends on a request, with its check and without: axum with the layer, and other
//! servers with what they have or what is recommended for them.
//!
//! callgrind counts while h2load sends requests over TLS on loopback. Each server has to show that it checks, or that
//! it does not, before anything is counted.

mod cores;
mod counted;
mod load;
mod names;
mod ours;
mod peers;
#[path = "../../tests/pki/mod.rs"]
mod pki;
#[path = "../../tests/ports/mod.rs"]
mod ports;
mod program;
mod rates;
#[path = "../results/mod.rs"]
mod results;
mod server;
#[path = "../../tests/wire/mod.rs"]
mod wire;

use std::io;
use std::time::Duration;

use self::counted::Counted;
use self::load::{Load, Protocol};
use self::ours::Axum;
use self::peers::Configured;
use self::program::Program;
use self::results::{Bound, Row, number};

/// The target for a server with the layer around its router.
const TARGET: Bound = Bound::AtMost(1.01);
/// What fails: a little above what is measured, because the target is missed.
const LIMITS: [Bound; 2] = [Bound::AtMost(1.025), Bound::AtMost(1.015)];

/// One request after the other on one connection, so that every request costs the same. With several under way, it
/// would depend on the machine how many of them a server reads and answers at once.
const LOAD: Load = Load {
    connections: 1,
    streams: 1,
    pinned: false,
};

/// Requests that a new process gets before any that count.
const WARM_UP: u32 = 300;

struct Plan {
    counts: usize,
    /// Requests in the shorter and in the longer of two runs, whose difference counts. The beginning and the end of a
    /// connection cancel out.
    requests: [u32; 2],
    /// Also measures what helps to explain the numbers.
    all: bool,
    rates: rates::Plan,
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "serve") {
        return ours::serve(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    let (counts, requests, rounds, run) = match results::is_short() {
        true => (3, [100, 400], 3, Duration::from_millis(300)),
        false => (7, [200, 800], 11, Duration::from_millis(1000)),
    };
    let plan = Plan {
        counts,
        requests,
        all: !results::is_short(),
        rates: rates::Plan { rounds, run },
    };
    let what = format!(
        "Instructions of the whole server process for a request with the check, divided by those without. The server \
         answers a few bytes over TLS 1.3 on loopback. h2load sends one request after the other on one connection. \
         callgrind counts {counts} times. The least counts, because other work of the machine only adds to \
         them; in small print the quartiles."
    );
    println!("{what}");
    let mut rows = Vec::new();
    match load::version() {
        Ok(version) => {
            println!("by {version}");
            rows.extend(count_all(&plan));
            rows.extend(rates::compare(&plan.rates));
        }
        Err(why) => rows.push(Row::skipped("all", format!("h2load: {why}"))),
    }
    for row in &rows {
        println!("{row}");
    }
    results::write("end_to_end", &what, &rows);
}

/// A server with its check and without.
struct Compared {
    name: String,
    /// Describes the check.
    check: &'static str,
    kind: Kind,
    counts: Result<[Counts; 2], String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The layer, around the router.
    Around,
    /// Another form of ours.
    Ours,
    /// A layer that does nothing.
    Empty,
    Peer,
}

/// Instructions for a request, by protocol.
type Counts = [Count; 2];

#[derive(Clone, Default)]
struct Count {
    /// What the least counts give. Other work of the machine makes a server wait oftener, which only adds instructions.
    least: f64,
    /// What each pair of counts gives, in ascending order.
    all: Vec<f64>,
}

fn count_all(plan: &Plan) -> Vec<Row> {
    if let Err(why) = counted::version() {
        return vec![Row::skipped("instructions", format!("valgrind: {why}"))];
    }
    let mut all = Vec::new();
    let plain = counts(&Axum::NoLayer, plan);
    for (name, form, kind) in [
        ("axum, layer around the router", Axum::Around, Kind::Around),
        ("axum, `Router::layer`", Axum::Layer, Kind::Ours),
        ("axum, empty layer around", Axum::EmptyAround, Kind::Empty),
        ("axum, empty `Router::layer`", Axum::EmptyLayer, Kind::Empty),
    ] {
        if kind == Kind::Empty && !plan.all {
            continue;
        }
        all.push(Compared {
            name: name.into(),
            check: "",
            kind,
            counts: both(counts(&form, plan), plain.clone()),
        });
    }
    for peer in peers::ALL.iter().filter(|peer| plan.all || !peer.is_slow) {
        let counts = |checks| counts(&Configured { peer, checks }, plan);
        let version = peer.version().map_err(|why| why.to_string());
        all.push(Compared {
            name: version.clone().unwrap_or(peer.name.into()),
            check: peer.check,
            kind: Kind::Peer,
            counts: version.and_then(|_| both(counts(true), counts(false))),
        });
    }
    let protocols = Protocol::BOTH.into_iter().enumerate();
    protocols
        .flat_map(|(at, protocol)| rows(&all, at, protocol))
        .collect()
}

fn both<T>(with: Result<T, String>, without: Result<T, String>) -> Result<[T; 2], String> {
    Ok([with?, without?])
}

fn counts(program: &dyn Program, plan: &Plan) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let counted = Counted::start(program).map_err(|why| why.to_string())?;
    for (protocol, counts) in Protocol::BOTH.into_iter().zip(&mut counts) {
        let expected = (200, if program.checks() { 421 } else { 200 });
        let statuses = load::statuses(&counted.server, protocol);
        if statuses != expected {
            return Err(format!("answers {statuses:?} in place of {expected:?}"));
        }
        load::run(&counted.server, protocol, LOAD, WARM_UP);
        *counts = count(&counted, protocol, plan).map_err(|why| why.to_string())?;
    }
    Ok(counts)
}

fn count(counted: &Counted, protocol: Protocol, plan: &Plan) -> io::Result<Count> {
    let during = |requests| {
        counted.during(|| {
            load::run(&counted.server, protocol, LOAD, requests);
        })
    };
    let [few, many] = plan.requests;
    let each = |difference: f64| difference / f64::from(many - few);
    let pairs = (0..plan.counts).map(|_| Ok((during(few)?, during(many)?)));
    let pairs = pairs.collect::<io::Result<Vec<_>>>()?;
    let least = |counts: fn(&(f64, f64)) -> f64| pairs.iter().map(counts).fold(f64::MAX, f64::min);
    let mut all: Vec<_> = pairs.iter().map(|(few, many)| each(many - few)).collect();
    all.sort_by(f64::total_cmp);
    Ok(Count {
        least: each(least(|pair| pair.1) - least(|pair| pair.0)),
        all,
    })
}

/// The rows for the protocol at this place in `Protocol::BOTH`.
fn rows(all: &[Compared], at: usize, protocol: Protocol) -> Vec<Row> {
    let group = format!("Instructions, {protocol}");
    let row = |compared: &Compared| match &compared.counts {
        Err(why) => Row::skipped(&compared.name, why),
        Ok(counts) => {
            let [with, without] = [&counts[0][at], &counts[1][at]];
            let [added, plain] = [added(counts, at), without.least];
            let is_target = compared.kind == Kind::Around;
            let mut note = format!("{} added to {}", number(added), number(plain));
            if !compared.check.is_empty() {
                note = format!("{}: {note}", compared.check);
            }
            Row {
                case: compared.name.clone(),
                value: with.least / plain,
                unit: "ratio".into(),
                target: is_target.then_some(TARGET),
                limit: is_target.then_some(LIMITS[at]),
                spread: Some(spread(with, without)),
                note,
                ..Row::default()
            }
        }
    };
    let mut rows: Vec<_> = all.iter().map(row).collect();
    rows.extend(for_the_least(all, at));
    for row in &mut rows {
        row.group = group.clone();
    }
    rows
}

/// What the layer adds, divided by the least that the check of another server adds, of the checks that can be measured.
fn for_the_least(all: &[Compared], at: usize) -> Option<Row> {
    let added_by = |kind| {
        let all = all.iter().filter(move |compared| compared.kind == kind);
        all.filter_map(|compared| Some((added(compared.counts.as_ref().ok()?, at), compared)))
    };
    let (ours, _) = added_by(Kind::Around).next()?;
    let measured = added_by(Kind::Peer).filter(|(_, peer)| is_measured(peer, at));
    let (least, peer) = measured.min_by(|(one, _), (other, _)| one.total_cmp(other))?;
    Some(Row {
        case: "added around the router, for the least of the others".into(),
        value: ours / least,
        unit: "ratio".into(),
        target: Some(Bound::AtMost(1.0)),
        note: format!("{}, and {} by {}", number(ours), number(least), peer.name),
        ..Row::default()
    })
}

fn added([with, without]: &[Counts; 2], at: usize) -> f64 {
    with[at].least - without[at].least
}

/// Returns whether the check costs more than the counts of the server vary by. In servers with many instructions for a
/// request, it does not.
fn is_measured(compared: &Compared, at: usize) -> bool {
    compared
        .counts
        .as_ref()
        .is_ok_and(|[with, without]| spread(&with[at], &without[at]).0 > 1.0)
}

/// The quartiles of one divided by those of the other.
fn spread(with: &Count, without: &Count) -> (f64, f64) {
    let [with, without] = [with, without].map(Count::quartiles);
    (with.0 / without.1, with.1 / without.0)
}

impl Count {
    fn quartiles(&self) -> (f64, f64) {
        let last = self.all.len() - 1;
        (self.all[last / 4], self.all[last - last / 4])
    }
}
