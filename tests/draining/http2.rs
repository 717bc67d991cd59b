//! HTTP/2 over `TlsListener` and axum: who gets a GOAWAY, and what becomes of the streams under way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower_misdirected::{TlsAcceptor, VirtualHosts, VirtualHostsBuilder};

use crate::application::{self, LARGE, Tap, config, hosts};
use crate::wire::frames::{
    CONTINUATION, DATA, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, Raw, SETTINGS,
    WINDOW_UPDATE,
};
use crate::{pki, server, wire};

type Connection = Raw<TlsStream<TcpStream>>;

struct Server {
    hosts: VirtualHosts,
    addr: SocketAddr,
    tap: Tap,
}

impl Server {
    /// A server that tells its idle connections at once.
    async fn start(hosts: VirtualHostsBuilder) -> Self {
        Self::start_with(hosts, |acceptor| acceptor.drain(Duration::ZERO)).await
    }

    async fn start_with(
        hosts: VirtualHostsBuilder,
        set: impl FnOnce(TlsAcceptor) -> TlsAcceptor,
    ) -> Self {
        let hosts = hosts.build().unwrap();
        let (app, tap) = application::app();
        let addr = server::tls(app, set(TlsAcceptor::from(hosts.clone()))).await;
        Self { hosts, addr, tap }
    }

    async fn connect(&self, sni: &str) -> Connection {
        self.connect_as(Some(sni)).await
    }

    async fn connect_as(&self, sni: Option<&str>) -> Connection {
        Raw::begin(wire::connect(self.addr, pki::client(&["h2"]), sni).await).await
    }

    fn replace(&self, hosts: VirtualHostsBuilder) {
        self.hosts.replace(hosts).unwrap();
    }
}

/// Waits for the GOAWAY, and checks that it is the graceful one and that no second one follows.
async fn is_told(connection: &mut Connection) {
    let goaway = connection.until(GOAWAY).await;
    assert_eq!(goaway, Frame::graceful_goaway());
    is_told_no_more(connection).await;
}

async fn is_told_no_more(connection: &mut Connection) {
    for _ in 0..3 {
        connection.ping().await;
    }
    assert_eq!(connection.goaways(), 1);
}

async fn is_told_nothing(connection: &mut Connection) {
    for _ in 0..3 {
        connection.ping().await;
    }
    assert_eq!(connection.goaways(), 0);
}

#[tokio::test]
async fn w2_an_idle_connection_is_told_at_once_and_once() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let mut idle = server.connect("a.test").await;
    let mut other = server.connect("admin.test").await;
    for (connection, host) in [(&mut idle, "a.test"), (&mut other, "admin.test")] {
        assert_eq!(connection.get(host, "/").await, (true, b"hello".into()));
        connection.ping().await;
    }
    server.replace(hosts(&config(), &admin));
    is_told(&mut idle).await;
    is_told_nothing(&mut other).await;
    // Another replacement is no reason to say it again.
    server.replace(hosts(&config(), &admin));
    is_told_no_more(&mut idle).await;
    // It does not end anything: who takes no notice is answered 421.
    let (ok, body) = idle.get("a.test", "/").await;
    assert!(
        !ok && body.starts_with(b"{\"error\":\"misdirected"),
        "{body:?}"
    );
    is_told_no_more(&mut idle).await;
}

#[tokio::test]
async fn w2_a_connection_that_has_never_been_used_is_told_too() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let mut idle = server.connect("a.test").await;
    server.replace(hosts(&config(), &admin));
    is_told(&mut idle).await;
}

#[tokio::test]
async fn w2_a_connection_that_begins_outdated_is_told_after_its_settings() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let io = wire::connect(server.addr, pki::client(&["h2"]), Some("a.test")).await;
    server.replace(hosts(&config(), &admin));
    // `begin` asserts that the first frame is SETTINGS.
    let mut connection = Raw::begin(io).await;
    is_told(&mut connection).await;
}

/// Whether the busy connections that `until` waits for are told before the answer, and the 421 comes whole.
#[tokio::test]
async fn w2_the_goaway_comes_before_the_421_however_long_idle_connections_wait() {
    let [a, admin] = [config(), config()];
    let long = Duration::from_secs(100_000);
    let server = Server::start_with(hosts(&a, &admin), |acceptor| acceptor.drain(long)).await;
    let mut connection = server.connect("a.test").await;
    assert!(connection.get("a.test", "/").await.0);
    server.replace(hosts(&config(), &admin));
    let (ok, body) = connection.get("a.test", "/").await;
    assert!(!ok && body.starts_with(b"{\"error\":"), "{body:?}");
    let kinds: Vec<_> = connection.seen.iter().map(|frame| frame.kind).collect();
    let goaway = kinds.iter().position(|&kind| kind == GOAWAY).unwrap();
    let last_head = kinds.iter().rposition(|&kind| kind == HEADERS).unwrap();
    assert!(goaway < last_head, "{kinds:?}");
    is_told_no_more(&mut connection).await;
}

#[tokio::test]
async fn w2_a_download_and_an_upload_under_way_complete() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let mut connection = server.connect("a.test").await;
    let upload = connection.request("POST", "a.test", "/length", 0).await;
    connection
        .send(Frame::new(DATA, 0, upload, [1; 10_000]))
        .await;
    let download = connection
        .request("GET", "a.test", "/large", END_STREAM)
        .await;
    // The windows are full then, and the download waits for the client.
    let mut received = 0;
    while received < 65_535 {
        received += connection.until(DATA).await.payload.len();
    }
    server.replace(hosts(&config(), &admin));
    connection.until(GOAWAY).await;
    connection.give_back(download, received).await;
    let (_, rest) = connection.answer(download).await;
    assert_eq!(received + rest.len(), LARGE);
    connection
        .send(Frame::new(DATA, 0, upload, [2; 10_000]))
        .await;
    connection
        .send(Frame::new(DATA, END_STREAM, upload, []))
        .await;
    assert_eq!(connection.answer(upload).await, (true, b"20000".into()));
    is_told_no_more(&mut connection).await;
}

#[tokio::test]
async fn w2_server_sent_events_go_on() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let mut connection = server.connect("a.test").await;
    let events = connection
        .request("GET", "a.test", "/events", END_STREAM)
        .await;
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        server.tap.send(event.into()).await.unwrap();
        assert_eq!(connection.until(DATA).await.payload, event.as_bytes());
        if event.contains('1') {
            server.replace(hosts(&config(), &admin));
            connection.until(GOAWAY).await;
        }
    }
    drop(server.tap);
    assert_eq!(connection.answer(events).await.1, b"");
    is_told_no_more(&mut connection).await;
}

#[tokio::test]
async fn w2_a_web_socket_over_http2_goes_on() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let mut connection = server.connect("a.test").await;
    let tunnel = connection.connect_protocol("a.test", "/echo").await;
    assert_eq!(connection.until(HEADERS).await.flags & END_STREAM, 0);
    for message in ["one", "two", "three"] {
        connection.send(Frame::new(DATA, 0, tunnel, message)).await;
        assert_eq!(connection.until(DATA).await.payload, message.as_bytes());
        if message == "one" {
            server.replace(hosts(&config(), &admin));
            connection.until(GOAWAY).await;
        }
    }
    connection
        .send(Frame::new(DATA, END_STREAM, tunnel, []))
        .await;
    assert_eq!(connection.answer(tunnel).await.1, b"");
    is_told_no_more(&mut connection).await;
}

#[tokio::test]
async fn w3_a_refused_coalesced_request_ends_nothing() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let mut connection = server.connect("a.test").await;
    assert!(!connection.get("admin.test", "/").await.0);
    is_told_nothing(&mut connection).await;
    // Nor does it when what the refused host has changes.
    server.replace(hosts(&a, &config()));
    assert!(!connection.get("admin.test", "/").await.0);
    assert!(connection.get("b.test", "/").await.0);
    is_told_nothing(&mut connection).await;
}

#[derive(Debug)]
struct Renewed(std::sync::RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap().clone())
    }
}

#[tokio::test]
async fn w3_a_renewal_inside_a_configuration_ends_nothing() {
    let certificate = || pki::leaf(&["a.test", "b.test"]).certified_key();
    let renewed = Arc::new(Renewed(std::sync::RwLock::new(certificate())));
    let mut a = ServerConfig::clone(&config());
    a.cert_resolver = renewed.clone();
    let (a, admin) = (Arc::new(a), config());
    let server = Server::start(hosts(&a, &admin)).await;
    let mut connection = server.connect("a.test").await;
    *renewed.0.write().unwrap() = certificate();
    server.replace(hosts(&a, &config()));
    assert!(connection.get("a.test", "/").await.0);
    is_told_nothing(&mut connection).await;
}

/// Each case: what serves before, what serves after, and whom the client connects to.
#[tokio::test]
async fn w2_w3_the_entry_that_matches_decides() {
    let [one, two] = [config(), config()];
    let new = VirtualHosts::builder;
    let with = |names: &[(&str, &Arc<ServerConfig>)]| {
        let hosts = names.iter().fold(new(), |hosts, (name, config)| {
            hosts.host(*name, (*config).clone())
        });
        hosts.host("kept.test", one.clone())
    };
    let a = Some("a.test");
    let x = Some("x.w.test");
    let cases = [
        (
            "the same",
            a,
            with(&[("a.test", &one)]),
            with(&[("a.test", &one)]),
            false,
        ),
        (
            "another",
            a,
            with(&[("a.test", &one)]),
            with(&[("a.test", &two)]),
            true,
        ),
        ("gone", a, with(&[("a.test", &one)]), with(&[]), true),
        (
            "gone, and the default has another",
            a,
            with(&[("a.test", &one)]),
            with(&[]).default(two.clone()),
            true,
        ),
        (
            "gone, and the default has the same",
            a,
            with(&[("a.test", &one)]),
            with(&[]).default(one.clone()),
            false,
        ),
        (
            "another id and the same configuration",
            a,
            with(&[("a.test", &one)]),
            with(&[]).virtual_host("renamed", ["a.test"], one.clone()),
            false,
        ),
        (
            "a wildcard's",
            x,
            with(&[("*.w.test", &one)]),
            with(&[("*.w.test", &two)]),
            true,
        ),
        (
            "a name before the wildcard",
            x,
            with(&[("*.w.test", &one)]),
            with(&[("*.w.test", &one), ("x.w.test", &two)]),
            true,
        ),
        (
            "a name before the wildcard, with the same",
            x,
            with(&[("*.w.test", &one)]),
            with(&[("*.w.test", &two), ("x.w.test", &one)]),
            false,
        ),
        (
            "another name before the wildcard",
            x,
            with(&[("*.w.test", &one)]),
            with(&[("*.w.test", &one), ("y.w.test", &two)]),
            false,
        ),
        (
            "a wildcard before the default",
            x,
            with(&[]).default(one.clone()),
            with(&[("*.w.test", &two)]).default(one.clone()),
            true,
        ),
        (
            "no longer a wildcard before the default",
            x,
            with(&[("*.w.test", &one)]).default(two.clone()),
            with(&[]).default(two.clone()),
            true,
        ),
        (
            "another default",
            x,
            with(&[]).default(one.clone()),
            with(&[]).default(two.clone()),
            true,
        ),
        (
            "another default for others",
            a,
            with(&[("a.test", &one)]).default(one.clone()),
            with(&[("a.test", &one)]).default(two.clone()),
            false,
        ),
        (
            "another default, without a server name",
            None,
            with(&[]).default(one.clone()),
            with(&[]).default(two.clone()),
            true,
        ),
        (
            "the address, without a server name",
            None,
            with(&[("127.0.0.1", &one)]),
            with(&[("127.0.0.1", &two)]),
            true,
        ),
        (
            "the address before the default",
            None,
            with(&[]).default(one.clone()),
            with(&[("127.0.0.1", &two)]).default(one.clone()),
            true,
        ),
        (
            "another address",
            None,
            with(&[]).default(one.clone()),
            with(&[("127.0.0.2", &two)]).default(one.clone()),
            false,
        ),
    ];
    for (case, sni, before, after, ends) in cases {
        let server = Server::start(before.clone()).await;
        let mut connection = server.connect_as(sni).await;
        connection.ping().await;
        server.replace(after.clone());
        match ends {
            true => is_told(&mut connection).await,
            false => {
                is_told_nothing(&mut connection).await;
                // The other way round it would have been told, or not, likewise.
                server.replace(before);
                is_told_nothing(&mut connection).await;
            }
        }
        println!("{case}");
    }
}

#[tokio::test]
async fn w2_turned_off_nothing_is_sent() {
    let [a, admin] = [config(), config()];
    let server = Server::start_with(hosts(&a, &admin), |acceptor| acceptor.drain(None)).await;
    let mut connection = server.connect("a.test").await;
    connection.ping().await;
    server.replace(hosts(&config(), &admin));
    assert!(!connection.get("a.test", "/").await.0);
    is_told_nothing(&mut connection).await;
}

/// Over HTTP/1.1, whatever ALPN says, every octet is the server's own.
#[tokio::test]
async fn w2_http1_is_left_alone() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    for alpn in [&["http/1.1"][..], &["h2"], &[]] {
        server.replace(hosts(&a, &admin));
        let mut io = wire::connect(server.addr, pki::client(alpn), Some("a.test")).await;
        let request = "GET / HTTP/1.1\nHost: a.test\n\n";
        assert_eq!(wire::exchange(&mut io, request).await.body, "hello");
        server.replace(hosts(&config(), &admin));
        let answer = wire::exchange(&mut io, request).await;
        assert_eq!(answer.status, 421);
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(wire::closes(&mut io).await);
    }
}

/// HTTP/2 that ALPN has not agreed on is left alone.
#[tokio::test]
async fn w2_http2_without_alpn_is_left_alone() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    for alpn in [&[][..], &["http/1.1"]] {
        server.replace(hosts(&a, &admin));
        let io = wire::connect(server.addr, pki::client(alpn), Some("a.test")).await;
        let mut connection = Raw::begin(io).await;
        connection.ping().await;
        server.replace(hosts(&config(), &admin));
        is_told_nothing(&mut connection).await;
    }
}

/// Every kind of frame is one that the server would have sent anyway, but for the GOAWAY.
#[tokio::test]
async fn w2_nothing_else_is_inserted() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let mut connection = server.connect("a.test").await;
    assert!(connection.get("a.test", "/large").await.0);
    server.replace(hosts(&config(), &admin));
    is_told(&mut connection).await;
    for frame in &connection.seen {
        let usual = [
            DATA,
            HEADERS,
            RST_STREAM,
            SETTINGS,
            PING,
            GOAWAY,
            WINDOW_UPDATE,
            CONTINUATION,
        ];
        assert!(usual.contains(&frame.kind), "{frame:?}");
    }
}
