//! What one replacement of the virtual hosts costs that ends 10,000 idle HTTP/2 connections: the call itself, the time
//! until all clients are told, the processor time, and the memory before, during and after.
//!
//! Connections are made in memory, to hyper's server. The same replacement is also measured beside 10,000 connections
//! that it does not concern.

#[path = "../tests/pki/mod.rs"]
mod pki;
mod results;
#[path = "../tests/wire/mod.rs"]
mod wire;

use std::alloc::System;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ServerConfig};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use tower_misdirected::{TlsAcceptor, VirtualHosts};

use self::results::{Bound, Row};
use self::wire::frames::{GOAWAY, Raw};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NAME: &str = "www.bench.test";

type Connection = Raw<TlsStream<DuplexStream>>;

fn main() {
    let connections = if results::is_short() { 1_000 } else { 10_000 };
    let what = format!(
        "{connections} idle HTTP/2 connections in memory, to hyper's server on two threads, which one replacement of the \
         virtual hosts makes outdated. Clients close when they are told."
    );
    println!("{what}");
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    let rows = runtime.block_on(measure(connections));
    for row in &rows {
        println!("{row}");
    }
    results::write("draining", &what, &rows);
}

async fn measure(connections: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for (case, spread) in [
        ("`drain(Duration::ZERO)`", Duration::ZERO),
        ("`drain(Duration::from_secs(1))`", Duration::from_secs(1)),
    ] {
        rows.extend(end(connections, case, spread).await);
    }
    rows.push(not_concerned(connections).await);
    rows
}

fn config() -> Arc<ServerConfig> {
    let mut config = pki::leaf(&[NAME, "other.bench.test"]).server_config();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(config)
}

fn client() -> Arc<ClientConfig> {
    let mut client = pki::client(&["h2"]);
    client.resumption = rustls::client::Resumption::disabled();
    Arc::new(client)
}

/// An idle connection to hyper's server.
async fn connect(acceptor: &TlsAcceptor, client: &Arc<ClientConfig>) -> Connection {
    let (near, far) = tokio::io::duplex(1 << 12);
    let near = wire::handshake(near, client.clone(), Some(NAME));
    let (near, far) = tokio::join!(near, acceptor.accept(far));
    let far = TokioIo::new(far.unwrap());
    tokio::spawn(async move {
        let answer = service_fn(|_: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(far, answer).await;
    });
    let mut connection = Raw::begin(near.unwrap()).await;
    connection.ping().await;
    connection
}

async fn end(connections: usize, case: &str, spread: Duration) -> [Row; 4] {
    let hosts: VirtualHosts = VirtualHosts::builder()
        .host(NAME, config())
        .build()
        .unwrap();
    let acceptor = TlsAcceptor::from(hosts.clone()).drain(spread);
    let client = client();
    drop(connect(&acceptor, &client).await);
    let before = live();
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let mut connection = connect(&acceptor, &client).await;
        clients.spawn(async move {
            connection.until(GOAWAY).await;
        });
    }
    let open = live();
    let (replaced, processor) = (Instant::now(), processor_time());
    let next = VirtualHosts::builder().host(NAME, config());
    hosts.replace(next).unwrap();
    let call = replaced.elapsed();
    // A client that is told drops its connection.
    clients.join_all().await;
    let told = replaced.elapsed();
    let processor = processor_time() - processor;
    // The server's tasks end when they see that their clients have gone.
    for _ in 0..100 {
        if live() <= before + (open - before) / 100 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let row = |what: &str, value: f64, unit: &str, note: String| Row {
        group: case.into(),
        case: what.into(),
        value,
        unit: unit.into(),
        note,
        ..Row::default()
    };
    let each = (open - before) as f64 / connections as f64;
    [
        row(
            "`replace` returns after",
            milliseconds(call),
            "ms",
            String::new(),
        ),
        row(
            "all clients are told after",
            milliseconds(told),
            "ms",
            String::new(),
        ),
        row(
            "processor time, clients included",
            milliseconds(processor),
            "ms",
            String::new(),
        ),
        Row {
            limit: Some(Bound::AtMost(1.0)),
            ..row(
                "memory that is left when they have gone",
                100.0 * (live() - before).max(0) as f64 / (open - before) as f64,
                "%",
                format!("of {each:.0} bytes for each connection while it was open, both ends"),
            )
        },
    ]
}

/// How much longer a replacement takes beside many connections that it does not concern than beside one.
async fn not_concerned(connections: usize) -> Row {
    let kept = config();
    let next = || {
        let hosts = VirtualHosts::builder().host(NAME, kept.clone());
        hosts.host("other.bench.test", config())
    };
    let hosts: VirtualHosts = next().build().unwrap();
    let acceptor = TlsAcceptor::from(hosts.clone());
    let replace = || {
        let mut times: Vec<_> = (0..101)
            .map(|_| {
                let next = next();
                let begun = Instant::now();
                hosts.replace(next).unwrap();
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[50]
    };
    let client = client();
    let mut open = vec![connect(&acceptor, &client).await];
    let alone = replace();
    for _ in 1..connections {
        open.push(connect(&acceptor, &client).await);
    }
    let beside = replace();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Row {
        group: "Other hosts".into(),
        case: "`replace` beside connections that it does not concern".into(),
        value: micros(beside) / micros(alone),
        unit: "ratio".into(),
        note: format!(
            "{:.1} µs, and {:.1} µs beside one",
            micros(beside),
            micros(alone)
        ),
        ..Row::default()
    }
}

fn live() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

/// User and system time of this process.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    // Linux counts a hundred in a second for every program.
    Duration::from_millis(10 * ticks)
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}
