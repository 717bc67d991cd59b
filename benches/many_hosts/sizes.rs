//! Bytes and time that many virtual hosts take, and many names of a certificate.

use std::alloc::System;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tower_misdirected::CertificateNames;

use crate::hosts;
use crate::results::{self, Bound, Row};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes for a virtual host with a name of 22 octets.
const MOST_BYTES: Bound = Bound::AtMost(200.0);

/// The time is the shortest of so many.
const TIMES: usize = 5;

pub fn of_hosts(number: usize, configs: &[Arc<ServerConfig>]) -> [Row; 2] {
    let build = || {
        hosts::builder(number, &configs[0], configs)
            .build()
            .unwrap()
    };
    let (bytes, time) = measure(build);
    let what = match configs.len() {
        1 => "1 configuration".to_owned(),
        many => format!("{many} configurations"),
    };
    rows(
        &format!("{} hosts, {what}", results::number(number as f64)),
        number,
        bytes,
        time,
    )
}

pub fn of_a_certificate(number: usize) -> [Row; 2] {
    let names: Vec<_> = (0..number).map(hosts::name).collect();
    let (bytes, time) = measure(|| CertificateNames::from_sans(&names, []));
    rows(
        &format!("a certificate of {number} names"),
        number,
        bytes,
        time,
    )
}

fn rows(what: &str, number: usize, bytes: isize, time: Duration) -> [Row; 2] {
    let size = Row {
        case: format!("{what}: each takes"),
        value: bytes as f64 / number as f64,
        unit: "bytes".into(),
        ..Row::default()
    };
    let built = Row {
        case: format!("{what}: built in"),
        value: time.as_secs_f64() * 1e3,
        unit: "ms".into(),
        note: format!("the shortest of {TIMES} times"),
        ..Row::default()
    };
    [size.exact(MOST_BYTES), built]
}

/// Returns the bytes that stay, and the time.
fn measure<T>(build: impl Fn() -> T) -> (isize, Duration) {
    let mut time = Duration::MAX;
    let mut bytes = 0;
    for _ in 0..TIMES {
        let before = live();
        let begun = Instant::now();
        let built = build();
        time = time.min(begun.elapsed());
        bytes = live() - before;
        drop(built);
    }
    (bytes, time)
}

fn live() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}
