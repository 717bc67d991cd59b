//! `TlsListener` offers HTTP/2 and HTTP/1.1 under a configuration that names no protocol, and changes nothing else.

mod pki;
mod server;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{HandshakeKind, ServerConfig};
use tower_misdirected::{MisdirectedLayer, TlsAcceptor, TlsListener, VirtualHosts};

use crate::server::Calls;

/// A configuration that names these protocols.
fn config(names: &[&str], alpn: &[&str]) -> Arc<ServerConfig> {
    let mut config = pki::leaf(names).server_config();
    config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    Arc::new(config)
}

async fn serve(tls: impl Into<TlsAcceptor>) -> SocketAddr {
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    server::tls(app, tls).await
}

/// The protocol that a client gets, or `None` if there is no handshake.
async fn negotiated(addr: SocketAddr, offered: &[&str], sni: &str) -> Option<Option<String>> {
    let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
    let io = wire::handshake(tcp, pki::client(offered), Some(sni))
        .await
        .ok()?;
    let alpn = io.get_ref().1.alpn_protocol();
    Some(alpn.map(|alpn| String::from_utf8(alpn.to_vec()).unwrap()))
}

#[tokio::test]
async fn a_configuration_without_alpn_serves_both_versions_by_what_the_client_offers() {
    let shared = config(&["a.test"], &[]);
    let addr = serve(shared.clone()).await;
    for offered in [&["h2", "http/1.1"][..], &["http/1.1", "h2"], &["h2"]] {
        let io = wire::connect(addr, pki::client(offered), Some("a.test")).await;
        assert_eq!(
            io.get_ref().1.alpn_protocol(),
            Some(&b"h2"[..]),
            "{offered:?}"
        );
        let answer = wire::send2(&wire::http2(io).await, wire::get2(Some("a.test"), &[])).await;
        assert_eq!(answer.status(), 200);
    }
    for (offered, alpn) in [(&["http/1.1"][..], Some(&b"http/1.1"[..])), (&[], None)] {
        let mut io = wire::connect(addr, pki::client(offered), Some("a.test")).await;
        assert_eq!(io.get_ref().1.alpn_protocol(), alpn);
        let answer = wire::exchange(&mut io, "GET / HTTP/1.1\nHost: a.test\n\n").await;
        assert_eq!(answer.status, 200);
    }
    // RFC 7301 §3.2, as with a configuration that names both.
    assert_eq!(negotiated(addr, &["imap"], "a.test").await, None);
    assert!(
        shared.alpn_protocols.is_empty(),
        "the shared one is as it was"
    );
}

#[tokio::test]
async fn a_configuration_that_names_protocols_is_left_alone() {
    let addr = serve(config(&["a.test"], &["http/1.1"])).await;
    let both = &["h2", "http/1.1"];
    let http1 = Some(Some("http/1.1".to_owned()));
    assert_eq!(negotiated(addr, both, "a.test").await, http1);
    assert_eq!(negotiated(addr, &["h2"], "a.test").await, None);

    let addr = serve(config(&["a.test"], &["x"])).await;
    assert_eq!(negotiated(addr, both, "a.test").await, None);
    // Nothing else is offered in place of `h3`, which stays because an empty list would accept anything.
    let addr = serve(config(&["a.test"], &["h3"])).await;
    assert_eq!(negotiated(addr, both, "a.test").await, None);
}

#[tokio::test]
async fn each_virtual_host_is_asked_for_its_own_protocols() {
    let hosts = VirtualHosts::builder()
        .host("none.test", config(&["none.test"], &[]))
        .host("http1.test", config(&["http1.test"], &["http/1.1"]))
        .build()
        .unwrap();
    let addr = serve(hosts).await;
    for (sni, alpn) in [("none.test", "h2"), ("http1.test", "http/1.1")] {
        let found = negotiated(addr, &["h2", "http/1.1"], sni).await;
        assert_eq!(found, Some(Some(alpn.to_owned())), "{sni}");
    }
}

#[tokio::test]
async fn a_current_configuration_is_asked_too() {
    let current = config(&["a.test"], &[]);
    let addr = serve(TlsAcceptor::from_fn(move || current.clone())).await;
    let found = negotiated(addr, &["h2"], "a.test").await;
    assert_eq!(found, Some(Some("h2".to_owned())));
}

#[tokio::test]
async fn an_acceptor_alone_offers_nothing_even_if_a_listener_was_made_of_its_clone() {
    let acceptor = TlsAcceptor::new(config(&["a.test"], &[]));
    let _listener = TlsListener::bind("127.0.0.1:0", acceptor.clone())
        .await
        .unwrap();
    let (near, far) = tokio::io::duplex(1 << 16);
    let client = wire::handshake(far, pki::client(&["h2", "http/1.1"]), Some("a.test"));
    let (server, client) = tokio::join!(acceptor.accept(near), client);
    assert_eq!(server.unwrap().connection_info().alpn(), None);
    assert_eq!(client.unwrap().get_ref().1.alpn_protocol(), None);
}

/// D10: the identity of a configuration is its `Arc`, whatever is offered under it.
#[tokio::test]
async fn d10_hosts_of_one_configuration_without_alpn_share_connections_and_sessions() {
    let shared = config(&["a.test", "b.test"], &[]);
    let hosts = VirtualHosts::builder()
        .host("a.test", shared.clone())
        .host("b.test", shared);
    let addr = serve(hosts.build().unwrap()).await;
    let client = Arc::new(pki::client(&["h2"]));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let io = wire::connect(addr, client.clone(), Some("a.test")).await;
        let found = io.get_ref().1.handshake_kind().unwrap();
        assert_eq!(found, kind);
        let client = wire::http2(io).await;
        for host in ["a.test", "b.test"] {
            let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
            assert_eq!(answer.status(), 200, "{host}");
        }
    }
}
