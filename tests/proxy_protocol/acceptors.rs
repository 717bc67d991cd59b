//! D6: every kind of acceptor reads the header, also in axum-server.

use std::net::SocketAddr;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tower_misdirected::{Peers, TlsAcceptor, VirtualHosts};

use crate::header::{CLIENT, V1, tcp4};
use crate::listener::{app, connect, get};
use crate::{pki, server};

/// An acceptor of each kind: one chooses the configuration before the ClientHello, the others after it.
fn acceptors() -> [TlsAcceptor; 4] {
    let config = pki::server(&["a.test"]);
    let hosts = VirtualHosts::builder().host("a.test", config.clone());
    let shared = config.clone();
    [
        TlsAcceptor::new(config.clone()),
        TlsAcceptor::from_fn(move || shared.clone()),
        TlsAcceptor::from(hosts.build().unwrap()),
        TlsAcceptor::from(RustlsConfig::from_config(config)),
    ]
}

async fn check(addr: SocketAddr) {
    for header in [V1, &tcp4(&[])] {
        let (mut io, own) = connect(addr, header, Some("a.test")).await.unwrap();
        let answer = get(&mut io, "a.test").await;
        assert_eq!(answer.body, format!("{CLIENT} {own} {addr}"));
        assert_eq!(get(&mut io, "b.test").await.status, 421);
    }
    assert!(connect(addr, b"", Some("a.test")).await.is_err());
    assert!(
        connect(addr, &[V1, V1].concat(), Some("a.test"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn d6_every_kind_of_acceptor_reads_the_header() {
    for acceptor in acceptors() {
        check(server::tls(app(), acceptor.proxy_protocol(Peers::any())).await).await;
    }
}

#[tokio::test]
async fn d6_axum_server_reads_the_header() {
    for acceptor in acceptors() {
        let handle = Handle::new();
        let loopback = Peers::new(["127.0.0.0/8"]).unwrap();
        let server = axum_server::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .acceptor(acceptor.proxy_protocol(loopback))
            .handle(handle.clone())
            .serve(app().into_make_service());
        tokio::spawn(server);
        check(handle.listening().await.unwrap()).await;
    }
}
