//! D3: `TlsListener` under clients that are slow, silent, wrong or gone, and at shutdown.

mod pki;
mod server;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsAcceptor, TlsListener};
use tracing_subscriber::fmt::MakeWriter;

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
async fn a_tapped_listener_has_the_same_connect_info() {
    let listener = TlsListener::bind("127.0.0.1:0", pki::server(&["a.test"]))
        .await
        .unwrap();
    let addr = listener.local_addr().unwrap();
    let listener = listener.tap_io(|stream| assert!(stream.connection_info().is_tls()));
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
async fn a_plaintext_listener_has_connect_info_too() {
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
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let addr = server::tls(app(), pki::server(&["a.test"])).await;
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = tcp.read_to_end(&mut Vec::new()).await;

    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let failures: Vec<_> = lines
        .lines()
        .filter(|line| line.contains("handshake failed"))
        .collect();
    assert_eq!(failures.len(), 1, "{lines}");
    assert!(
        failures[0].contains("DEBUG tower_misdirected"),
        "{}",
        failures[0]
    );
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
