//! Draining needs nothing from the program that serves: every way to serve HTTP/2 has it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{ConnectionInfo, TlsAcceptor, TlsListener, VirtualHosts};

use crate::application::{app, config, hosts};
use crate::wire::frames::{Frame, GOAWAY, Raw};
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
