//! Draining needs nothing from the program that serves: every way to serve HTTP/2 has it.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::serve::ListenerExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tower::ServiceBuilder;
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{ConnectionInfo, TlsAcceptor, TlsListener, VirtualHosts};

use crate::application::{app, config, hosts};
use crate::wire::frames::{ACK, DATA, END_STREAM, Frame, GOAWAY, PING, Raw};
use crate::{pki, server, wire};

fn virtual_hosts() -> (VirtualHosts, TlsAcceptor) {
    let [a, admin] = [config(), config()];
    let virtual_hosts = hosts(&a, &admin).build().unwrap();
    let acceptor = TlsAcceptor::from(virtual_hosts.clone()).drain(Duration::ZERO);
    (virtual_hosts, acceptor)
}

/// A connection is idle, is told, completes what is under way, and its client's next request succeeds.
async fn is_drained(hosts: VirtualHosts, addr: SocketAddr) {
    let connect = async || {
        let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
        Raw::begin(io).await
    };
    let mut old = connect().await;
    assert!(old.get("a.test", "/").await.0);
    let [a, admin] = [config(), config()];
    hosts
        .replace(crate::application::hosts(&a, &admin))
        .unwrap();
    assert_eq!(old.until(GOAWAY).await, Frame::graceful_goaway());
    assert!(!old.get("a.test", "/").await.0);
    assert_eq!(old.goaways(), 1);
    assert!(connect().await.get("a.test", "/").await.0);
}

#[tokio::test]
async fn w2_axum_serve() {
    let (hosts, acceptor) = virtual_hosts();
    let addr = server::tls(app().0, acceptor).await;
    is_drained(hosts, addr).await;
}

/// RFC 9113 §6.8: the last stream of a later GOAWAY must not be higher.
#[tokio::test]
async fn w2_a_server_that_has_sent_goaway_itself_sends_no_other() {
    for changed_when_idle in [true, false] {
        let (hosts, acceptor) = virtual_hosts();
        let listener = TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (app, tap) = app();
        let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
        let (shut_down, shutdown) = tokio::sync::oneshot::channel();
        let server = axum::serve(listener, app);
        let server = server.with_graceful_shutdown(async { shutdown.await.unwrap() });
        let server = tokio::spawn(server.into_future());
        let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
        let mut connection = Raw::begin(io).await;
        let events = connection
            .request("GET", "a.test", "/events", END_STREAM)
            .await;
        tap.send("1".into()).await.unwrap();
        connection.until(DATA).await;

        shut_down.send(()).unwrap();
        assert_eq!(connection.until(GOAWAY).await, Frame::graceful_goaway());
        let ping = connection.until(PING).await;
        connection
            .send(Frame::new(PING, ACK, 0, ping.payload))
            .await;
        let last = connection.until(GOAWAY).await;
        assert_eq!(last.payload[..4], events.to_be_bytes());

        let [a, admin] = [config(), config()];
        let next = crate::application::hosts(&a, &admin);
        hosts.replace(next).unwrap();
        if changed_when_idle {
            connection.ping().await;
        }
        tap.send("2".into()).await.unwrap();
        assert_eq!(connection.until(DATA).await.payload, b"2");
        drop(tap);
        assert_eq!(connection.answer(events).await.1, b"");
        assert_eq!(connection.goaways(), 2);
        drop(connection);
        server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn w2_axum_serve_with_a_tapped_listener() {
    let (hosts, acceptor) = virtual_hosts();
    let listener = TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app()
        .0
        .into_make_service_with_connect_info::<ConnectionInfo>();
    let listener = listener.tap_io(|_| {});
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    is_drained(hosts, addr).await;
}

#[tokio::test]
async fn w2_axum_server() {
    let (hosts, acceptor) = virtual_hosts();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = axum_server::from_tcp(listener).unwrap().acceptor(acceptor);
    tokio::spawn(async { server.serve(app().0.into_make_service()).await.unwrap() });
    is_drained(hosts, addr).await;
}

#[tokio::test]
async fn w2_a_loop_of_ones_own() {
    let (hosts, acceptor) = virtual_hosts();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let handshake = acceptor.accept(tcp);
            tokio::spawn(async move {
                let Ok(stream) = handshake.await else { return };
                let service = ServiceBuilder::new()
                    .layer(AddExtensionLayer::new(stream.connection_info().clone()))
                    .service(app().0);
                let _ = Builder::new(TokioExecutor::new())
                    .http2_only()
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            });
        }
    });
    is_drained(hosts, addr).await;
}

/// As with another TLS stack: the stream is tokio-rustls's, and the info is built by hand.
async fn serve_foreign(hosts: VirtualHosts, tcp: TcpStream) {
    let start = LazyConfigAcceptor::new(Acceptor::default(), tcp)
        .await
        .unwrap();
    let server_name = start.client_hello().server_name().map(str::to_owned);
    let selection = hosts.select(server_name.as_deref()).unwrap();
    let stream = start.into_stream(selection.config().clone()).await.unwrap();
    let info = ConnectionInfo::tls().selection(selection).build();
    let service = ServiceBuilder::new()
        .layer(AddExtensionLayer::new(info.clone()))
        .service(app().0);
    let service = TowerToHyperService::new(service);
    let builder = Builder::new(TokioExecutor::new());
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = info.outdated() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[tokio::test]
async fn w4_a_loop_whose_stream_is_not_ours() {
    let [a, admin] = [config(), config()];
    let hosts = hosts(&a, &admin).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let accepting = hosts.clone();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(serve_foreign(accepting.clone(), tcp));
        }
    });
    let connect = |alpn, sni| wire::connect(addr, pki::client(&[alpn]), Some(sni));
    let mut old1 = connect("http/1.1", "a.test").await;
    let mut old2 = Raw::begin(connect("h2", "a.test").await).await;
    let mut other = Raw::begin(connect("h2", "admin.test").await).await;
    let get = "GET / HTTP/1.1\nHost: a.test\n\n";
    assert_eq!(wire::exchange(&mut old1, get).await.status, 200);
    assert!(old2.get("a.test", "/").await.0);

    let next = crate::application::hosts(&config(), &admin);
    hosts.replace(next).unwrap();
    assert!(wire::closes(&mut old1).await);
    assert_eq!(old2.until(GOAWAY).await, Frame::graceful_goaway());
    assert!(other.get("admin.test", "/").await.0);
    assert_eq!(other.goaways(), 0);
    let mut new = Raw::begin(connect("h2", "a.test").await).await;
    assert!(new.get("a.test", "/").await.0);
}
