//! What an idle connection holds in memory beyond what it holds with plain tokio-rustls, to the byte,
//! and of what that consists.
//!
//! Connections are made in memory, by a client that is then reduced to its end of the pipe. An allocator
//! counts the bytes that are still held; what the operating system adds for a socket is the same for both
//! and not among them.

mod in_memory;
#[path = "../tests/pki/mod.rs"]
mod pki;
mod results;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use allocation_counter::measure;
use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, DuplexStream, ReadBuf};
use tower_misdirected::{ConnectionInfo, TlsAcceptor, TlsStream, VirtualHosts};

use self::results::{Bound, Row};

const TARGET: Bound = Bound::AtMost(264.0);

/// Until what is made once has been made.
const WARM_UP: usize = 10;

fn main() {
    let connections = if results::is_short() { 1_000 } else { 10_000 };
    let what = format!(
        "Bytes held on the heap by an idle connection beyond those that it holds with \
         tokio_rustls::TlsAcceptor and the same configuration. Mean of {connections} connections in \
         memory, all open at once, counted by the allocator. The copy of the configuration that each \
         handshake has, and the recorder in it, are gone when the handshake is complete."
    );
    println!("{what}");
    let runtime = in_memory::runtime();
    let _entered = runtime.enter();
    let mut rows = Vec::new();
    for version in [("TLS 1.3", &TLS13), ("TLS 1.2", &TLS12)] {
        for sans in [1, 1_000] {
            rows.extend(compare(version, sans, connections));
        }
    }
    rows.push(growth(&rows));
    for row in &rows {
        println!("{row}");
    }
    results::write("connections", &what, &rows);
}

fn compare(
    (version, supported): (&str, &'static SupportedProtocolVersion),
    sans: usize,
    connections: usize,
) -> [Row; 2] {
    let names: Vec<_> = (1..sans).map(|n| format!("h{n}.bench.test")).collect();
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.push(in_memory::NAME);
    let mut config = pki::leaf(&names).server_config();
    // A store grows in leaps, and belongs to no connection.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let config = Arc::new(config);
    let sans = match sans {
        1 => "1 name".to_owned(),
        sans => format!("{sans} names"),
    };
    let mut client = pki::client_of(&["h2"], &[supported], pki::provider());
    client.resumption = Resumption::disabled();
    let client = Arc::new(client);

    let plain = tokio_rustls::TlsAcceptor::from(config.clone());
    let plain = held(connections, &client, |io| plain.accept(io));
    let fixed = TlsAcceptor::new(config.clone());
    let hosts = VirtualHosts::builder().host(in_memory::NAME, config);
    let hosts = TlsAcceptor::from(hosts.build().unwrap());
    [("one configuration", fixed), ("virtual hosts", hosts)].map(|(server, acceptor)| {
        let ours = held(connections, &client, |io| acceptor.accept(io));
        Row {
            group: version.into(),
            case: format!("{server}, certificate of {sans}"),
            value: ours - plain,
            unit: "bytes".into(),
            note: parts(ours - plain),
            ..Row::default()
        }
        .exact(TARGET)
    })
}

/// What each of a thousand names adds to a connection: nothing.
fn growth(rows: &[Row]) -> Row {
    // Two servers for each certificate, one certificate after the other.
    let growth = rows
        .chunks(4)
        .flat_map(|rows| [rows[2].value - rows[0].value, rows[3].value - rows[1].value]);
    Row {
        group: "Both".into(),
        case: "a thousand names in place of one".into(),
        value: growth.fold(0.0, f64::max),
        unit: "bytes".into(),
        ..Row::default()
    }
    .exact(Bound::AtMost(1.0))
}

/// The bytes that each of so many connections holds, with the client's end of its pipe.
fn held<S, F>(
    connections: usize,
    client: &Arc<ClientConfig>,
    accept: impl Fn(DuplexStream) -> F,
) -> f64
where
    S: AsyncRead + Unpin,
    F: Future<Output = io::Result<S>>,
{
    let connect = || {
        let (client, mut server) = in_memory::handshake(client, &accept);
        wait_for_the_client(&mut server);
        (client.into_inner().0, Box::new(server))
    };
    for _ in 0..WARM_UP {
        drop(connect());
    }
    let mut open = Vec::with_capacity(connections);
    let counted = measure(|| open.extend((0..connections).map(|_| connect())));
    assert_eq!(open.len(), connections);
    counted.bytes_current as f64 / connections as f64
}

/// Reads once, as a server does whose client sends nothing. Under virtual hosts, an HTTP/2 connection then waits to become
/// outdated.
fn wait_for_the_client(server: &mut (impl AsyncRead + Unpin)) {
    let mut context = Context::from_waker(Waker::noop());
    let mut space = [0];
    let read = Pin::new(server).poll_read(&mut context, &mut ReadBuf::new(&mut space));
    assert!(read.is_pending());
}

/// Of what `extra` consists, as far as its parts can be made one by one.
fn parts(extra: f64) -> String {
    let mut info = None;
    let facts = measure(|| {
        let facts = ConnectionInfo::tls()
            .server_name(in_memory::NAME)
            .alpn("h2");
        info = Some(facts.build());
    });
    drop(info);
    let facts = facts.bytes_current as f64;
    // On the heap where the stream is.
    let handle = size_of::<TlsStream<()>>() - size_of::<tokio_rustls::server::TlsStream<()>>();
    let rest = (extra - facts - handle as f64).round() as i64;
    format!("{facts} ConnectionInfo, {handle} its handle in the stream, {rest} all else")
}
