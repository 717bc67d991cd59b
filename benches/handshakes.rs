//! What recording a handshake costs the server: instructions from accepting a connection to dropping it,
//! through our acceptor and through plain tokio-rustls with the same configuration.
//!
//! callgrind counts them, and only on the server's side: this program runs itself under it, once for each
//! case. Instructions of the kernel are not among them.

mod in_memory;
#[path = "../tests/pki/mod.rs"]
mod pki;
mod results;

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::server::Acceptor;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use tokio::io::DuplexStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tower_misdirected::{TlsAcceptor, VirtualHosts};

use self::results::{Bound, Row};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a handshake should cost, and what fails: a little more than is measured.
const TARGET: [Bound; 2] = [Bound::AtMost(1.005), Bound::AtMost(1.007)];
/// The same for the handshake that costs least. What ours adds is the same for every handshake, a third of it the time
/// limit.
const TARGET_RESUMED_1_2: [Bound; 2] = [Bound::AtMost(1.02), Bound::AtMost(1.031)];

const VERSIONS: [&str; 2] = ["TLS 1.3", "TLS 1.2"];
const KINDS: [&str; 2] = ["full", "resumed"];

/// Servers of ours, each with what it is compared with. tokio-rustls has one way for one configuration and
/// another where the ClientHello chooses.
const SERVERS: [(&str, &str); 3] = [
    ("one configuration", PLAIN),
    ("10 virtual hosts", LAZY),
    ("1000 virtual hosts", LAZY),
];
const PLAIN: &str = "TlsAcceptor";
const LAZY: &str = "LazyConfigAcceptor";
const PLAIN_IN_TIME: &str = "TlsAcceptor with a time limit";
const LAZY_IN_TIME: &str = "LazyConfigAcceptor with a time limit";

/// As tokio-rustls's documentation advises, or a client that says nothing is never done.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Enough to have every cache filled: rustls keeps 256 sessions.
const WARM_UP: usize = 300;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "count") {
        let [version, kind, server, count] = &arguments[at + 1..at + 5] else {
            panic!("count VERSION KIND SERVER COUNT");
        };
        return count_handshakes(version, kind, server, count.parse().unwrap());
    }
    // Few handshakes would differ by when the allocator fetches memory.
    let count = if results::is_short() { 30 } else { 50 };
    let what = format!(
        "Instructions on the server's side of a handshake, from accept to drop, divided by those of plain \
         tokio-rustls with the same configuration (ECDSA P-256, X25519, ring) and without a time limit: its \
         `TlsAcceptor`, and for virtual hosts its `LazyConfigAcceptor`, which can choose the configuration. \
         In the notes: divided by those of the same in `tokio::time::timeout`, which ours has built in. \
         Counted by callgrind over {count} handshakes in memory, with mimalloc; the client and the kernel \
         are not counted."
    );
    println!("{what}");
    let rows = match Command::new("valgrind").arg("--version").output() {
        Ok(_) => compare(count),
        Err(why) => {
            println!("skipped: valgrind: {why}");
            vec![Row::skipped("all", format!("valgrind: {why}"))]
        }
    };
    results::write("handshakes", &what, &rows);
}

fn compare(count: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for version in VERSIONS {
        for kind in KINDS {
            let count = |server| instructions(version, kind, server, count);
            let plain = [PLAIN, PLAIN_IN_TIME].map(count);
            let lazy = [LAZY, LAZY_IN_TIME].map(count);
            for (server, baseline) in SERVERS {
                let [plain, in_time] = if baseline == LAZY { lazy } else { plain };
                let ours = count(server);
                let row = Row {
                    case: format!("{version}, {kind}, {server}"),
                    value: ours / plain,
                    unit: "ratio".into(),
                    note: format!(
                        "{ours:.0} / {plain:.0} instructions; {:.4} of those with a time limit",
                        ours / in_time,
                    ),
                    ..Row::default()
                };
                let [target, limit] = match (version, kind) {
                    ("TLS 1.2", "resumed") => TARGET_RESUMED_1_2,
                    _ => TARGET,
                };
                let mut row = row.exact(target);
                row.limit = Some(limit);
                println!("{row}");
                rows.push(row);
            }
        }
    }
    rows
}

/// Instructions for one handshake.
fn instructions(version: &str, kind: &str, server: &str, count: usize) -> f64 {
    let name = format!("{version} {kind} {server}").replace(' ', "-");
    let out = results::directory().join(format!("callgrind.{name}.out"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*handshakes::counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["count", version, kind, server, &count.to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let total = total(&out);
    assert!(total > 0.0, "callgrind has counted nothing: {errors}");
    total / count as f64
}

fn total(out: &Path) -> f64 {
    let text = std::fs::read_to_string(out).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.expect("callgrind's total").trim().parse().unwrap()
}

/// The part that runs under callgrind.
fn count_handshakes(version: &str, kind: &str, server: &str, count: usize) {
    let runtime = in_memory::runtime();
    let _entered = runtime.enter();
    let config = pki::server(&[in_memory::NAME]);
    let plain = tokio_rustls::TlsAcceptor::from(config.clone());
    let lazy = async |io| {
        let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
        start.into_stream(config.clone()).await
    };
    let repeat = Repeat {
        client: client(version, kind),
        kind,
        count,
    };
    match server {
        PLAIN => repeat.with(|io| plain.accept(io)),
        LAZY => repeat.with(lazy),
        PLAIN_IN_TIME => repeat.with(async |io| timeout(TIME_LIMIT, plain.accept(io)).await?),
        LAZY_IN_TIME => repeat.with(async |io| timeout(TIME_LIMIT, lazy(io)).await?),
        _ => {
            let ours = ours(server, config);
            repeat.with(|io| ours.accept(io));
        }
    }
}

fn client(version: &str, kind: &str) -> Arc<ClientConfig> {
    let version = match version {
        "TLS 1.3" => &TLS13,
        _ => &TLS12,
    };
    let mut client = pki::client_of(&["h2"], &[version], pki::provider());
    if kind == "full" {
        client.resumption = Resumption::disabled();
    }
    Arc::new(client)
}

fn ours(server: &str, config: Arc<ServerConfig>) -> TlsAcceptor {
    let Some((hosts, _)) = server.split_once(" virtual hosts") else {
        return TlsAcceptor::new(config);
    };
    let mut builder = VirtualHosts::builder().host(in_memory::NAME, config.clone());
    for n in 1..hosts.parse().unwrap() {
        builder = builder.host(format!("h{n}.bench.test"), config.clone());
    }
    builder.build().unwrap().into()
}

struct Repeat<'a> {
    client: Arc<ClientConfig>,
    kind: &'a str,
    count: usize,
}

impl Repeat<'_> {
    fn with<S, F>(&self, accept: impl Fn(DuplexStream) -> F)
    where
        F: Future<Output = io::Result<S>>,
    {
        for _ in 0..WARM_UP {
            drop(in_memory::handshake(&self.client, &accept));
        }
        let expected = match self.kind {
            "full" => HandshakeKind::Full,
            _ => HandshakeKind::Resumed,
        };
        for _ in 0..self.count {
            let accept = |io| Counted(counted(|| Box::pin(accept(io))));
            let (client, server) = in_memory::handshake(&self.client, accept);
            counted(|| drop(server));
            assert_eq!(client.get_ref().1.handshake_kind(), Some(expected));
        }
    }
}

/// callgrind counts what happens in here, by this function's name.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

struct Counted<F>(Pin<Box<F>>);

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        counted(|| self.0.as_mut().poll(context))
    }
}
