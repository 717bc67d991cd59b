//! C6a: what a client sends cannot make the log long. Every event has a bounded length, and every value that is not a
//! host or an address is from a fixed set.

mod log;
mod pki;
mod server;
mod wire;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use http::{HeaderValue, Method, Request, Response};
use proptest::prelude::*;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt, service_fn};
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, MisdirectedLayer, TlsAcceptor, VirtualHosts,
};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::server::Calls;

/// How many octets of an event a client may choose.
const CHOSEN: usize = 512;

/// How many octets an event may have in all. The names of a certificate are at most three of these.
const EVENT: usize = 1300 + 3 * LONGEST;

/// The longest DNS name.
const LONGEST: usize = 253;

/// A DNS name with 253 octets.
fn longest_name() -> String {
    let label = "x".repeat(63);
    let name = format!("{label}.{label}.{label}.{}", "y".repeat(61));
    assert_eq!(name.len(), LONGEST);
    name
}

/// One event, its fields in the form in which `tracing_subscriber::fmt` writes them.
#[derive(Clone, Default)]
struct Event(Vec<(&'static str, String)>);

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl Event {
    fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|field| field.0 == name);
        field.map(|(_, value)| &**value)
    }

    /// Asserts that the event is short, and that the client chose little of it.
    #[track_caller]
    fn assert_bounded(&self) {
        let octets = |(name, value): &(&str, String)| name.len() + value.len() + 2;
        let all: usize = self.0.iter().map(octets).sum();
        assert!(all <= EVENT, "{all} octets");
        let is_ours = |name: &str| {
            let fixed = [
                "certificate.names",
                "client.address",
                "client.port",
                "connection.outdated",
                "connection.virtual_host",
                "error.type",
                "http.request.method",
                "http.response.status_code",
                "message",
                "network.peer.address",
                "network.peer.port",
                "network.protocol.version",
                "report_only",
                "request.virtual_host",
                "retry_can_help",
            ];
            fixed.contains(&name)
        };
        let chosen = self.0.iter().filter(|(name, _)| !is_ours(name));
        let chosen: usize = chosen.map(|(_, value)| value.trim_matches('"').len()).sum();
        assert!(chosen <= CHOSEN, "{chosen} octets");
        let printable = |octet: u8| octet == b' ' || octet.is_ascii_graphic();
        for (name, value) in &self.0 {
            assert!(value.bytes().all(printable), "{name}={value}");
        }
        if let Some(method) = self.get("http.request.method") {
            let known = [
                "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
                "QUERY", "_OTHER",
            ];
            assert!(known.contains(&method.trim_matches('"')), "{method}");
        }
    }
}

/// The events of this crate on this thread.
struct Log {
    events: Arc<Mutex<Vec<Event>>>,
    _guard: DefaultGuard,
}

struct Recorder(Arc<Mutex<Vec<Event>>>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Recorder {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("tower_misdirected") {
            let mut fields = Event::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields);
        }
    }
}

impl Log {
    fn start() -> Self {
        let events = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Recorder(Arc::clone(&events)));
        let _guard = log::subscribe(subscriber);
        Self { events, _guard }
    }

    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    /// Returns the only event.
    #[track_caller]
    fn one(&self) -> Event {
        let events = self.take();
        assert_eq!(events.len(), 1);
        events[0].clone()
    }
}

/// A server for `a.test`, which reports a hostile request in every way there is.
async fn serve() -> SocketAddr {
    let layer = MisdirectedLayer::new()
        .on_verdict(|verdict| assert!(format!("{verdict:?}").len() <= EVENT))
        .responder(|refusal| {
            assert!(format!("{refusal:?}").len() <= EVENT);
            http::Response::new(axum::body::Body::empty())
        });
    let router: Router = server::echo(&Calls::default()).layer(layer);
    server::tls(router, pki::server(&["a.test"])).await
}

#[tokio::test]
async fn c6a_a_method_of_300_000_octets_is_a_short_event_over_http1() {
    let log = Log::start();
    let addr = serve().await;
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    let method = "M".repeat(300_000);
    let request = format!("{method} / HTTP/1.1\nHost: c.test\n\n");
    assert_eq!(wire::exchange(&mut io, &request).await.status, 421);
    let event = log.one();
    event.assert_bounded();
    assert_eq!(event.get("http.request.method"), Some("\"_OTHER\""));
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = &(payload.len() as u32).to_be_bytes()[1..];
    [length, &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn c6a_an_indexed_method_of_4_000_octets_is_a_short_event_over_http2() {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const END_STREAM_AND_HEADERS: u8 = 0x5;
    const REQUESTS: usize = 50;
    let log = Log::start();
    let addr = serve().await;
    let mut io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;

    // RFC 7541 §6: `:method` and `:authority` as literals that enter the dynamic table, `:scheme` and `:path` from
    // the static table. The length 4,000 is 127 and 3,873 in seven bits an octet.
    let mut first = vec![0x42, 0x7f, 0xa1, 0x1e];
    first.extend([b'M'; 4000]);
    first.extend([0x87, 0x84, 0x41, 6]);
    first.extend(b"c.test");
    // Both from the dynamic table.
    let other = [0xbf, 0x87, 0x84, 0xbe];
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    sent.extend(frame(HEADERS, END_STREAM_AND_HEADERS, 1, &first));
    for number in 1..REQUESTS as u32 {
        let small = frame(HEADERS, END_STREAM_AND_HEADERS, 2 * number + 1, &other);
        assert_eq!(small.len(), 13);
        sent.extend(small);
    }
    io.write_all(&sent).await.unwrap();

    let mut answers = 0;
    while answers < REQUESTS {
        let mut header = [0; 9];
        let read = tokio::time::timeout(wire::PATIENCE, io.read_exact(&mut header));
        read.await.expect("an answer in time").unwrap();
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        io.read_exact(&mut vec![0; length as usize]).await.unwrap();
        answers += usize::from(header[3] == HEADERS);
    }
    let events = log.take();
    assert_eq!(events.len(), REQUESTS);
    for event in events {
        event.assert_bounded();
        assert_eq!(event.get("http.request.method"), Some("\"_OTHER\""));
        assert_eq!(event.get("server.address"), Some("c.test"));
    }
}

#[tokio::test]
async fn c6a_the_longest_names_are_within_the_bound() {
    let log = Log::start();
    let long = longest_name();
    let other = long.replace('x', "z");
    let hosts = VirtualHosts::builder().host("a.test", pki::server(&["a.test"]));
    let hosts = hosts.default_to("a.test").build().unwrap();
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let addr = server::tls(app, hosts).await;
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some(&long)).await;
    let request = format!("QUERY / HTTP/1.1\nHost: {other}:65535\n\n");
    assert_eq!(wire::exchange(&mut io, &request).await.status, 421);
    let event = log.one();
    event.assert_bounded();
    assert_eq!(event.get("http.request.method"), Some("\"QUERY\""));
    assert_eq!(event.get("server.address"), Some(&*other));
    let quoted = format!("{long:?}");
    assert_eq!(event.get("tls.client.server_name"), Some(&*quoted));
}

#[tokio::test]
async fn c6a_a_server_name_that_is_refused_is_a_short_event_over_tcp_and_quic() {
    let log = Log::start();
    let long = longest_name();
    let hosts = || {
        let hosts = VirtualHosts::builder().host("a.test", pki::server(&["a.test"]));
        hosts.build().unwrap()
    };
    let addr = server::tls(Router::new(), hosts()).await;
    let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
    let refused = wire::handshake(tcp, pki::client(&[]), Some(&long)).await;
    assert!(refused.is_err());
    let event = log.one();
    event.assert_bounded();
    assert!(event.get("error").unwrap().contains(&long), "it is whole");

    let mut config = pki::leaf(&["a.test"]).server_config();
    config.alpn_protocols = vec![b"h3".to_vec()];
    let hosts = VirtualHosts::builder().host("a.test", Arc::new(config));
    let addr = server::quic(Router::new(), hosts.build().unwrap()).await;
    let endpoint = wire::http3::quic_client();
    let refused = wire::http3::connect_quic(&endpoint, addr, pki::client(&[]), Some(&long)).await;
    assert!(refused.is_err());
    let event = log.one();
    event.assert_bounded();
    assert!(event.get("error").unwrap().contains(&long), "it is whole");
}

#[tokio::test]
async fn c6a_a_client_certificate_that_is_refused_is_a_short_event() {
    // rustls quotes every purpose of a certificate that is not for clients.
    let purpose = |n| ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 99_999, n]);
    let mut params = CertificateParams::new(vec![String::from("client.test")]).unwrap();
    params.extended_key_usages = (0..2000).map(purpose).collect();
    let stranger = pki::sign_by(&pki::OTHER_CA, params);
    let server = pki::leaf(&["a.test"]).mutual_tls_config();

    let log = Log::start();
    let (client, io) = tokio::io::duplex(1 << 20);
    let config = pki::client_with_certificate(&[], &stranger);
    let (_, refused) = tokio::join!(
        async {
            let Ok(mut io) = wire::handshake(client, config, Some("a.test")).await else {
                return;
            };
            let _ = io.read_u8().await;
        },
        TlsAcceptor::new(Arc::new(server)).accept(io),
    );
    // The error itself is that of rustls, for the caller to look into.
    let error = refused.err().unwrap().to_string();
    assert!(error.len() > 10_000, "{error}");
    let event = log.one();
    event.assert_bounded();
    let start = event.get("error").unwrap().strip_suffix("...").unwrap();
    assert!(error.starts_with(start), "{start}");
}

/// Over TCP, whoever else listens to failures.
#[tokio::test]
async fn c6_a_failed_handshake_is_logged_with_its_client_and_its_virtual_host() {
    let hosts = VirtualHosts::builder().virtual_host(
        "staff",
        ["admin.test", "*.admin.test"],
        Arc::new(pki::leaf(&["*.admin.test"]).mutual_tls_config()),
    );
    let quiet = TlsAcceptor::from(hosts.build().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let watched = quiet.clone().on_handshake_failure(move |failure| {
        let virtual_host = failure.virtual_host().map(|host| host.id().to_owned());
        let server_name = failure.server_name().map(str::to_owned);
        sink.lock().unwrap().push((virtual_host, server_name));
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    for acceptor in [quiet, watched] {
        for (server_name, virtual_host) in [("x.admin.test", Some("\"staff\"")), ("b.test", None)] {
            let log = Log::start();
            let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
            let client = tcp.local_addr().unwrap();
            let (io, _) = listener.accept().await.unwrap();
            let (_, refused) = tokio::join!(
                async {
                    if let Ok(mut io) =
                        wire::handshake(tcp, pki::client(&[]), Some(server_name)).await
                    {
                        let _ = io.read_u8().await;
                    }
                },
                acceptor.accept(io),
            );
            assert!(refused.is_err());
            let event = log.one();
            event.assert_bounded();
            for side in ["client", "network.peer"] {
                let (ip, port) = (format!("{side}.address"), format!("{side}.port"));
                assert_eq!(
                    event.get(&ip),
                    Some(&*client.ip().to_string()),
                    "{server_name}"
                );
                assert_eq!(event.get(&port), Some(&*client.port().to_string()));
            }
            assert_eq!(event.get("connection.virtual_host"), virtual_host);
        }
    }
    let named = (Some("staff".to_owned()), Some("x.admin.test".to_owned()));
    assert_eq!(*seen.lock().unwrap(), [named, (None, None)]);
}

/// A ClientHello with these octets as its server name, in one record.
fn client_hello(server_name: &[u8]) -> Vec<u8> {
    let with_length = |octets: &[u8]| [&(octets.len() as u16).to_be_bytes(), octets].concat();
    let extension =
        |number: u16, content: &[u8]| [&number.to_be_bytes()[..], &with_length(content)].concat();
    let name = [&[0], &with_length(server_name)[..]].concat();
    let extensions = [
        extension(0, &with_length(&name)),
        extension(10, &with_length(&[0, 29])),
        extension(13, &with_length(&[4, 3, 8, 4])),
        extension(43, &[2, 3, 4]),
    ];
    let hello = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &with_length(&[0x13, 1]),
        &[1, 0],
        &with_length(&extensions.concat()),
    ]
    .concat();
    let hello = [&[1, 0][..], &with_length(&hello)].concat();
    [&[22, 3, 1][..], &with_length(&hello)].concat()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

/// Names as clients send them: proper, long and broken ones.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "([a-zA-Z0-9_-]{1,63}\\.){0,4}[a-zA-Z]{1,63}\\.?(:[0-9]{0,6})?"
            .prop_map(String::into_bytes),
        any::<std::net::IpAddr>().prop_map(|ip| ip.to_string().into_bytes()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]:443").into_bytes()),
        any::<String>().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..3000),
    ]
}

fn method() -> impl Strategy<Value = Method> {
    let token = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}|[!-~&&[A-Z]]{200,3000}";
    prop_oneof![
        proptest::sample::select(
            &[
                "GET", "get", "HEAD", "PATCH", "QUERY", "PROPFIND", "CONNECT"
            ][..]
        )
        .prop_map(|method| method.parse().unwrap()),
        token.prop_map(|method| Method::from_bytes(method.as_bytes()).unwrap()),
    ]
}

proptest! {
    #[test]
    fn c6a_no_request_makes_a_long_event(
        (method, host, server_name) in (method(), name(), name()),
        (with_info, report_only, long_field) in any::<(bool, bool, bool)>(),
    ) {
        let Ok(host) = HeaderValue::from_bytes(&host) else {
            return Ok(());
        };
        let server_name = String::from_utf8_lossy(&server_name);
        let connection = ConnectionInfo::tls()
            .server_name(&*server_name)
            .certificate_names(CertificateNames::from_sans(["a.test"], []))
            .peer_addr("[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().unwrap())
            .build();
        let mut request = Request::get("/").header("host", host).body(()).unwrap();
        *request.method_mut() = method;
        if with_info {
            request.extensions_mut().insert(connection);
        }
        if long_field {
            request.headers_mut().append("x-long", HeaderValue::from_bytes(&[b'x'; 9000]).unwrap());
        }
        let layer = MisdirectedLayer::new()
            .coalescing(Coalescing::Never)
            .report_only(report_only)
            .on_verdict(|verdict| {
                let text = format!("{verdict:?}");
                assert!(text.len() <= EVENT, "{text}");
                assert!(verdict.method_name().len() <= 7);
                let name = verdict.method_name();
                assert!(name == "_OTHER" || name == verdict.method().as_str());
            })
            .responder(|refusal| {
                let text = format!("{refusal:?}");
                assert!(text.len() <= EVENT, "{text}");
                Response::new(String::new())
            });
        let inner = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let log = Log::start();
        let Ok(_) = block_on(layer.layer(inner).oneshot(request));
        for event in log.take() {
            event.assert_bounded();
        }
    }

    #[test]
    fn c6a_no_server_name_makes_a_long_event(server_name in name()) {
        let log = Log::start();
        let refused = block_on(async {
            let hosts = VirtualHosts::builder().host("a.test", SERVER.clone()).build();
            let (mut client, io) = tokio::io::duplex(1 << 16);
            client.write_all(&client_hello(&server_name)).await.unwrap();
            TlsAcceptor::from(hosts.unwrap()).accept(io).await
        });
        let error = refused.err().unwrap();
        prop_assert!(format!("{error:?}").len() <= CHOSEN, "{error:?}");
        log.one().assert_bounded();
    }
}

static SERVER: std::sync::LazyLock<Arc<rustls::ServerConfig>> =
    std::sync::LazyLock::new(|| pki::server(&["a.test"]));

/// This is about the tests: each hears its own events, whatever the others do.
#[test]
fn an_event_is_heard_if_another_thread_was_the_first_to_reach_it() {
    let log = Log::start();
    let event = || tracing::info!(target: "tower_misdirected", "reached");
    std::thread::spawn(event).join().unwrap();
    assert_eq!(log.take().len(), 0);
    event();
    log.one();
}
