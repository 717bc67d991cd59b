//! axum-server: the acceptor with `RustlsConfig`, its hot reload, its time limit and its shutdown.

mod pki;
mod server;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio::net::TcpStream;
use tower_misdirected::{MisdirectedLayer, TlsAcceptor, VirtualHosts};

use crate::server::Calls;

fn app() -> Router {
    server::echo(&Calls::default()).layer(MisdirectedLayer::new().json().close_http1(false))
}

async fn serve(acceptor: TlsAcceptor) -> (SocketAddr, Handle<SocketAddr>) {
    let handle = Handle::new();
    let server = axum_server::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .acceptor(acceptor)
        .handle(handle.clone())
        .serve(app().into_make_service());
    tokio::spawn(server);
    (handle.listening().await.unwrap(), handle)
}

async fn get<IO>(io: &mut IO, host: &str) -> u16
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
    wire::exchange(io, &request).await.status
}

#[tokio::test]
async fn a_configuration_without_alpn_serves_both_versions() {
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.alpn_protocols.clear();
    let (addr, _) = serve(TlsAcceptor::new(Arc::new(config))).await;
    let io = wire::connect(addr, pki::client(&["h2", "http/1.1"]), Some("a.test")).await;
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let answer = wire::send2(&wire::http2(io).await, wire::get2(Some("a.test"), &[])).await;
    assert_eq!(answer.status(), 200);
    for offered in [&["http/1.1"][..], &[]] {
        let mut io = wire::connect(addr, pki::client(offered), Some("a.test")).await;
        assert_eq!(get(&mut io, "a.test").await, 200, "{offered:?}");
    }
}

#[tokio::test]
async fn d5_connections_are_judged_by_what_they_presented_across_a_reload() {
    let config = RustlsConfig::from_config(pki::server(&["a.test", "old.test"]));
    let (addr, _) = serve(TlsAcceptor::from(config.clone())).await;
    let connect = || wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test"));
    let connect2 = || wire::connect(addr, pki::client(&["h2"]), Some("a.test"));

    let mut old = connect().await;
    let old2 = wire::http2(connect2().await).await;
    assert_eq!(get(&mut old, "a.test").await, 200);
    assert_eq!(get(&mut old, "old.test").await, 200);
    assert_eq!(get(&mut old, "new.test").await, 421);

    config.reload_from_config(pki::server(&["a.test", "new.test"]));
    let mut new = connect().await;
    let new2 = wire::http2(connect2().await).await;
    for (host, by_old, by_new) in [
        ("a.test", 200, 200),
        ("old.test", 200, 421),
        ("new.test", 421, 200),
        ("c.test", 421, 421),
    ] {
        assert_eq!(get(&mut old, host).await, by_old, "{host}");
        assert_eq!(get(&mut new, host).await, by_new, "{host}");
        let answer = wire::send2(&old2, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), by_old, "{host}");
        let answer = wire::send2(&new2, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), by_new, "{host}");
    }
}

#[tokio::test]
async fn b6_virtual_hosts_choose_the_configuration_and_keep_hosts_apart() {
    let names = ["a.test", "b.test", "admin.test"];
    let leaf = pki::leaf(&names);
    let shared = Arc::new(leaf.server_config());
    let hosts = VirtualHosts::builder()
        .host("a.test", shared.clone())
        .host("b.test", shared)
        .host("admin.test", Arc::new(leaf.mutual_tls_config()))
        .build()
        .unwrap();
    let (addr, _) = serve(TlsAcceptor::from(hosts)).await;
    let client = pki::client_with_certificate(&[], &pki::leaf(&["client.test"]));
    let mut open = wire::connect(addr, client.clone(), Some("a.test")).await;
    let mut admin = wire::connect(addr, client, Some("admin.test")).await;
    for (host, by_open, by_admin) in [
        ("a.test", 200, 421),
        ("b.test", 200, 421),
        ("admin.test", 421, 200),
    ] {
        assert_eq!(get(&mut open, host).await, by_open, "{host}");
        assert_eq!(get(&mut admin, host).await, by_admin, "{host}");
    }
}

#[tokio::test]
async fn silent_clients_delay_nobody_and_are_dropped() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let (addr, _) = serve(acceptor.handshake_timeout(Duration::from_millis(100))).await;
    let mut silent = TcpStream::connect(addr).await.unwrap();
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    assert_eq!(get(&mut io, "a.test").await, 200);
    assert!(wire::closes(&mut silent).await);
}

#[tokio::test]
async fn graceful_shutdown_ends_the_server() {
    let (addr, handle) = serve(TlsAcceptor::new(pki::server(&["a.test"]))).await;
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    assert_eq!(get(&mut io, "a.test").await, 200);
    handle.graceful_shutdown(None);
    assert!(wire::closes(&mut io).await);
    assert!(TcpStream::connect(addr).await.is_err());
}
