//! Load and faults on loopback: many connections, many requests, and clients that are silent, wrong or gone.
//! Every test prints in one line what it did and measured.
//!
//! The server is this program, started again (see `process`), so that its memory, tasks and file
//! descriptors are its own. `cargo test --test load` runs modest numbers; the full ones, for a release build:
//!
//! ```sh
//! LOAD=full cargo test --release --test load -- --nocapture --test-threads=1
//! ```
#![cfg(target_os = "linux")] // the server is watched through /proc

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../bypass/relay.rs"]
#[allow(dead_code, reason = "what changes QUIC has no part here")]
mod relay;
#[path = "../server/mod.rs"]
mod server;
#[path = "../wire/mod.rs"]
mod wire;

mod client;
mod hello;
mod messages;
mod process;
mod serving;
mod site;

mod datagrams;
mod descriptors;
mod garbage;
mod half_open;
mod idle;
mod quic;
mod vanish;
mod verdicts;

/// How much of something: `full` with `LOAD=full`.
fn number(short: usize, full: usize) -> usize {
    match std::env::var("LOAD").as_deref() {
        Err(_) | Ok("short") => short,
        Ok("full") => full,
        Ok(other) => panic!("LOAD is \"full\" or \"short\", and not {other:?}"),
    }
}

/// Lets this process have so many file descriptors. False, with a reason printed, where it may not.
fn may_open(descriptors: usize) -> bool {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let enough = limit >= descriptors as u64;
    if !enough {
        eprintln!("skipped: the hard limit of file descriptors is {limit}, and not {descriptors}");
    }
    enough
}
