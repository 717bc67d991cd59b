//! D3: `TlsListener` under clients that are slow, silent, wrong or gone, and at shutdown.

mod log;
mod pki;
mod server;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsAcceptor, TlsListener, TlsStream};
use tracing::Level;

use crate::log::Log;
use crate::server::Calls;

const GET: &str = "GET / HTTP/1.1\nHost: a.test\n\n";

fn app() -> Router {
    server::echo(&Calls::default()).layer(MisdirectedLayer::new().close_http1(false))
}

async fn get_once(addr: SocketAddr) -> u16 {
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    wire::exchange(&mut io, GET).await.status
}

#[tokio::test]
async fn d3_a_herd_that_says_nothing_delays_nobody() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    // None of the herd leaves by itself while the test runs.
    let acceptor = acceptor.handshake_timeout(Duration::from_secs(3600));
    let addr = server::tls(app(), acceptor).await;
    let mut herd = Vec::new();
    for _ in 0..300 {
        herd.push(TcpStream::connect(addr).await.unwrap());
    }
    // Would wait for an hour behind a herd that is served in order.
    assert_eq!(get_once(addr).await, 200);
}

#[tokio::test]
async fn d3_the_oldest_handshake_ends_when_there_are_too_many() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]))
        .handshake_timeout(Duration::from_secs(3600))
        .max_pending_handshakes(8);
    let addr = server::tls(app(), acceptor).await;
    let mut herd = Vec::new();
    for _ in 0..40 {
        herd.push(TcpStream::connect(addr).await.unwrap());
    }
    assert_eq!(get_once(addr).await, 200);
    // At most 8 of the herd are left; the 32 that came first are gone, and are told so by a close.
    for mut tcp in herd.drain(..32) {
        assert!(wire::closes(&mut tcp).await);
    }
}

#[tokio::test]
async fn d3_places_are_given_back_and_the_bound_is_exact() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]))
        .handshake_timeout(Duration::from_secs(3600))
        .max_pending_handshakes(2);
    let begin = || {
        let (near, far) = tokio::io::duplex(1 << 16);
        (tokio::spawn(acceptor.accept(near)), far)
    };
    let (first, first_client) = begin();
    // Handshakes that are over take no place, so the first is not pushed out by them.
    for _ in 0..5 {
        let (quick, client) = begin();
        assert!(completes(quick, client).await);
    }
    // Two fit.
    let (second, _second_client) = begin();
    assert!(completes(first, first_client).await);
    // A third one ends the oldest of two, and that one alone.
    let (third, third_client) = begin();
    let (fourth, fourth_client) = begin();
    let evicted = second.await.unwrap().unwrap_err();
    assert_eq!(evicted.kind(), std::io::ErrorKind::Other);
    assert!(
        evicted.to_string().contains("this is the oldest"),
        "{evicted}"
    );
    assert!(completes(third, third_client).await);
    assert!(completes(fourth, fourth_client).await);
}

#[tokio::test]
async fn d3_a_handshake_that_is_over_holds_nothing_even_if_its_future_is_kept() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"])).max_pending_handshakes(2);
    let (near, older_client) = tokio::io::duplex(1 << 16);
    let older = tokio::spawn(acceptor.accept(near));
    tokio::task::yield_now().await;
    let (near, mut far) = tokio::io::duplex(1 << 16);
    far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut handshake = std::pin::pin!(acceptor.accept(near));
    handshake.as_mut().await.unwrap_err();
    // If it still held its place, a third one would end the oldest.
    let (near, _third_client) = tokio::io::duplex(1 << 16);
    let _third = tokio::spawn(acceptor.accept(near));
    tokio::task::yield_now().await;
    assert!(completes(older, older_client).await, "its place");
    // The alert, and then the end: the transport is closed.
    let mut alert = Vec::new();
    let closes = far.read_to_end(&mut alert);
    let closes = tokio::time::timeout(wire::PATIENCE, closes).await;
    closes.expect("its transport").unwrap();
    assert_eq!(alert.first(), Some(&21));
    // Polling again is the caller's mistake, and no reason to panic.
    let again = std::future::poll_fn(|context| Poll::Ready(handshake.as_mut().poll(context)));
    assert!(again.await.is_pending());
}

#[tokio::test]
async fn d3_a_handshake_that_went_on_in_another_task_is_ended_there() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]))
        .handshake_timeout(Duration::from_secs(3600))
        .max_pending_handshakes(1);
    let (near, _client) = tokio::io::duplex(1 << 16);
    let mut oldest = Box::pin(acceptor.accept(near));
    let begun = std::future::poll_fn(|context| Poll::Ready(oldest.as_mut().poll(context)));
    assert!(begun.await.is_pending());
    let oldest = tokio::spawn(oldest);
    tokio::task::yield_now().await;
    let (near, _other_client) = tokio::io::duplex(1 << 16);
    let _newer = tokio::spawn(acceptor.accept(near));
    let ended = tokio::time::timeout(wire::PATIENCE, oldest).await;
    ended.expect("it is told").unwrap().unwrap_err();
}

/// Whether a handshake that the server has begun comes to its end.
async fn completes(
    server: JoinHandle<std::io::Result<TlsStream<DuplexStream>>>,
    client: DuplexStream,
) -> bool {
    let client = wire::handshake(client, pki::client(&[]), None);
    let (client, server) = tokio::join!(client, server);
    client.is_ok() && server.unwrap().is_ok()
}

#[tokio::test(start_paused = true)]
async fn d3_the_time_limit_is_ten_seconds_or_what_was_asked_for() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let three = Duration::from_secs(3);
    for (acceptor, limit) in [
        (acceptor.clone(), Duration::from_secs(10)),
        (acceptor.handshake_timeout(three), three),
    ] {
        for first_flight in [false, true] {
            let (near, mut far) = tokio::io::duplex(1 << 16);
            if first_flight {
                // A whole ClientHello, and then silence: the limit is for all of the handshake.
                far.write_all(&client_hello()).await.unwrap();
            }
            let begin = tokio::time::Instant::now();
            let error = acceptor.accept(near).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
            assert_eq!(begin.elapsed().as_secs(), limit.as_secs());
        }
    }
}

/// What a client says first.
fn client_hello() -> Vec<u8> {
    let name = "a.test".try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::new(pki::client(&[])), name);
    let mut hello = Vec::new();
    client.unwrap().write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn d3_a_handshake_that_panics_costs_nobody_else_anything() {
    #[derive(Debug)]
    struct Panics(Arc<CertifiedKey>);

    impl ResolvesServerCert for Panics {
        fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            assert_ne!(
                hello.server_name(),
                Some("panic.test"),
                "a bug of the resolver's"
            );
            Some(self.0.clone())
        }
    }

    let resolver = Panics(pki::leaf(&["a.test"]).certified_key());
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.cert_resolver = Arc::new(resolver);
    let addr = server::tls(app(), Arc::new(config)).await;
    for _ in 0..3 {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let failed = wire::handshake(tcp, pki::client(&[]), Some("panic.test")).await;
        assert!(failed.is_err());
        assert_eq!(get_once(addr).await, 200);
    }
}

#[tokio::test]
async fn d3_a_handshake_has_a_time_limit() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let acceptor = acceptor.handshake_timeout(Duration::from_millis(50));
    let addr = server::tls(app(), acceptor).await;
    let mut silent = TcpStream::connect(addr).await.unwrap();
    // Drips: what has arrived does not extend the limit.
    let mut slow = TcpStream::connect(addr).await.unwrap();
    slow.write_all(&[0x16, 3, 1]).await.unwrap();
    assert!(wire::closes(&mut silent).await);
    assert!(wire::closes(&mut slow).await);
}

#[tokio::test]
async fn d3_failed_handshakes_cost_nobody_else_anything() {
    let addr = server::tls(app(), pki::server(&["a.test"])).await;
    let mut open = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x15\x03\x01\x00\x02\x02\x28",
        &[0; 64],
        b"",
    ] {
        let mut tcp = TcpStream::connect(addr).await.unwrap();
        tcp.write_all(garbage).await.unwrap();
        tcp.shutdown().await.unwrap();
        // An alert perhaps, and the end.
        let _ = tcp.read_to_end(&mut Vec::new()).await;
        assert_eq!(get_once(addr).await, 200, "{garbage:?}");
    }
    // A client that shares no protocol, and one that goes away in the middle.
    let tcp = TcpStream::connect(addr).await.unwrap();
    let alien = pki::client(&["imap"]);
    assert!(wire::handshake(tcp, alien, Some("a.test")).await.is_err());
    drop(TcpStream::connect(addr).await.unwrap());

    assert_eq!(wire::exchange(&mut open, GET).await.status, 200);
}

#[tokio::test]
async fn d3_a_client_hello_in_single_octets_is_read_like_any_other() {
    let addr = server::tls(app(), pki::server(&["a.test"])).await;
    let tcp = TcpStream::connect(addr).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let (near, far) = tokio::io::duplex(1 << 16);
    // Everything the client says passes through here, an octet a write.
    tokio::spawn(async move {
        let (mut from_client, mut to_client) = tokio::io::split(far);
        let (mut from_server, mut to_server) = tcp.into_split();
        let up = async {
            while let Ok(octet) = from_client.read_u8().await {
                to_server.write_all(&[octet]).await.unwrap();
            }
        };
        tokio::join!(up, tokio::io::copy(&mut from_server, &mut to_client))
    });
    let mut io = wire::handshake(near, pki::client(&["http/1.1"]), Some("a.test"))
        .await
        .unwrap();
    let answer = wire::exchange(&mut io, GET).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn graceful_shutdown_finishes_requests_and_ends() {
    let (started, entered) = oneshot::channel();
    let (finish, wait) = oneshot::channel::<()>();
    let once = Arc::new(Mutex::new(Some((started, wait))));
    let handler = get(move || async move {
        let (started, wait) = once.lock().unwrap().take().unwrap();
        started.send(()).unwrap();
        wait.await.unwrap();
        "finished"
    });
    let app = Router::new()
        .route("/", handler)
        .layer(MisdirectedLayer::new());

    let listener = TlsListener::bind("127.0.0.1:0", pki::server(&["a.test"]))
        .await
        .unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(
        listener,
        app.into_make_service_with_connect_info::<ConnectionInfo>(),
    );
    let server = server.with_graceful_shutdown(async { stopped.await.unwrap() });
    let server = tokio::spawn(server.into_future());

    let mut pending = TcpStream::connect(addr).await.unwrap();
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    let request = tokio::spawn(async move { wire::exchange(&mut io, GET).await });
    entered.await.unwrap();
    stop.send(()).unwrap();

    // A handshake that has not finished ends with the listener, which takes no connection any more.
    assert!(wire::closes(&mut pending).await);
    assert!(TcpStream::connect(addr).await.is_err());
    finish.send(()).unwrap();
    assert_eq!(request.await.unwrap().body, "finished");
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn d5_a_tapped_listener_has_the_same_connect_info() {
    let listener = TlsListener::bind("127.0.0.1:0", pki::server(&["a.test"]))
        .await
        .unwrap();
    let addr = listener.local_addr().unwrap();
    let listener = listener.tap_io(|stream| {
        assert!(stream.connection_info().is_tls());
        let (tcp, _) = stream.get_ref();
        assert!(tcp.nodelay().unwrap());
    });
    let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    assert_eq!(get_once(addr).await, 200);
}

#[tokio::test]
async fn without_connect_info_the_server_fails_closed() {
    let listener = TlsListener::bind("127.0.0.1:0", pki::server(&["a.test"]))
        .await
        .unwrap();
    let addr = listener.local_addr().unwrap();
    // B2: `into_make_service` is the mistake.
    tokio::spawn(async {
        axum::serve(listener, app().into_make_service())
            .await
            .unwrap()
    });
    assert_eq!(get_once(addr).await, 500);
}

#[tokio::test]
async fn d5_a_plaintext_listener_has_connect_info_too() {
    let handler = get(|info: ConnectionInfo| async move { format!("{:?}", info.peer_addr()) });
    let app = Router::new()
        .route("/", handler)
        .layer(MisdirectedLayer::new());
    let addr = server::plaintext(app).await;
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let answer = wire::exchange(&mut tcp, GET).await;
    assert_eq!(
        answer.body,
        format!("{:?}", Some(tcp.local_addr().unwrap()))
    );

    // B3 over a real connection: `https` has no place on it.
    let request = "GET https://a.test/ HTTP/1.1\nHost: a.test\n\n";
    assert_eq!(wire::exchange(&mut tcp, request).await.status, 421);
}

#[tokio::test]
async fn a_failed_handshake_is_logged_at_debug() {
    let log = Log::start(Level::DEBUG);
    let addr = server::tls(app(), pki::server(&["a.test"])).await;
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = tcp.read_to_end(&mut Vec::new()).await;

    let failures = log.lines("handshake failed");
    assert_eq!(failures.len(), 1, "{}", log.text());
    assert!(
        failures[0].contains("DEBUG tower_misdirected"),
        "{}",
        failures[0]
    );
}

/// rustls would accept early data, and nothing between it and hyper would ever read it: the request would
/// never be answered.
#[tokio::test]
async fn no_early_data_is_asked_for() {
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.max_early_data_size = 16384;
    let config = Arc::new(config);
    let offered = async |accept: &dyn Fn(DuplexStream)| {
        let mut client = pki::client(&["http/1.1"]);
        client.enable_early_data = true;
        let client = Arc::new(client);
        let (near, far) = tokio::io::duplex(1 << 16);
        accept(far);
        let mut io = wire::handshake(near, client.clone(), Some("a.test"))
            .await
            .unwrap();
        // The session's ticket comes before this.
        assert_eq!(io.read_u8().await.unwrap(), b'.');
        let name = "a.test".try_into().unwrap();
        let mut next = rustls::ClientConnection::new(client, name).unwrap();
        next.early_data().is_some()
    };
    let ours = TlsAcceptor::new(config.clone());
    let ours = |io| drop(tokio::spawn(greet(ours.accept(io))));
    let plain = tokio_rustls::TlsAcceptor::from(config);
    let plain = |io| drop(tokio::spawn(greet(plain.accept(io))));
    assert!(!offered(&ours).await);
    assert!(offered(&plain).await, "the client is ready for it");
}

/// Sends one octet over a connection and keeps it open.
async fn greet<IO: AsyncWrite + Unpin>(handshake: impl Future<Output = std::io::Result<IO>>) {
    let mut io = handshake.await.unwrap();
    io.write_all(b".").await.unwrap();
    io.flush().await.unwrap();
    std::future::pending().await
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_named_with_the_fix() {
    let tls = TlsAcceptor::from(pki::server(&["a.test"]));
    let first = TlsListener::bind("127.0.0.1:0", tls.clone()).await.unwrap();
    let taken = first.local_addr().unwrap();

    let error = TlsListener::bind(taken, tls.clone()).await.unwrap_err();
    let text = format!("cannot listen on {taken}: the address is in use; ");
    assert!(error.to_string().starts_with(&text), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(error.addr(), Some(taken));
    let error = std::io::Error::from(error);
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&text), "{error}");

    let error = TlsListener::bind("127.0.0.1", tls.clone()).await;
    let error = error.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot listen on \"127.0.0.1\": "),
        "{text}"
    );
    assert!(text.contains("give an IP address and a port"), "{text}");
    assert_eq!(error.addr(), None);
    let error = TlsListener::bind(&[][..], tls.clone()).await.unwrap_err();
    assert!(
        error.to_string().contains("on []: the list is empty; "),
        "{error}"
    );

    // The first address that can be bound.
    let addrs = [taken, SocketAddr::from(([127, 0, 0, 1], 0))];
    let second = TlsListener::bind(&addrs[..], tls).await.unwrap();
    assert_ne!(second.local_addr().unwrap(), taken);
}
