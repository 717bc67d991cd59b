//! What the tests and the server's process tell each other, a line of JSON each.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How to serve.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Settings {
    pub front: Front,
    pub handshake_timeout: Duration,
    pub max_pending_handshakes: usize,
    /// The process's limit of file descriptors; without one, as many as it may have.
    pub descriptors: Option<u64>,
    /// Whether an HTTP/1 connection closes after a refusal.
    pub close_http1: bool,
    /// After how many verdicts, each time, the virtual hosts are replaced by equal ones, and their
    /// certificates renewed.
    pub renew_every: Option<u64>,
}

/// What accepts over TCP.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Front {
    /// `TlsListener` under `axum::serve`.
    Axum,
    /// `TlsAcceptor` in a loop over hyper.
    Hyper,
}

pub const FRONTS: [Front; 2] = [Front::Axum, Front::Hyper];

impl Default for Settings {
    /// Nothing ends by itself.
    fn default() -> Self {
        Self {
            front: Front::Axum,
            handshake_timeout: Duration::from_secs(3600),
            max_pending_handshakes: 4096,
            descriptors: None,
            close_http1: false,
            renew_every: None,
        }
    }
}

/// What a client needs to know of a server that has just begun.
#[derive(Debug, Deserialize, Serialize)]
pub struct Ready {
    pub tcp: SocketAddr,
    pub quic: SocketAddr,
    /// A client's certificate that its virtual hosts accept, and the key.
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

/// Answered with [`Counts`].
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Command {
    Count,
    /// Open files until there are so many descriptors left.
    Hoard {
        spare: usize,
    },
}

/// What the server has counted since it began, and what it holds at present.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    /// Verdicts, as the layer's callback was told, by their outcome.
    pub verdicts: BTreeMap<Cow<'static, str>, u64>,
    /// Requests that reached the handler, and those that left it, cut off or not.
    pub entered: u64,
    pub left: u64,
    /// Events that the crate logged.
    pub refused: u64,
    pub accept_errors: u64,
    pub handshakes_timed_out: u64,
    pub handshakes_evicted: u64,
    pub handshakes_failed: u64,
    pub renewals: u64,
    pub panics: u64,
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Live allocations.
    pub allocations: usize,
}

impl Counts {
    pub fn judged(&self) -> u64 {
        self.verdicts.values().sum()
    }
}
