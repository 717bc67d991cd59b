//! Nothing needs a crypto provider for the process if the configurations were made with a provider of their own. rustls
//! looks for one where it is asked to, and panics if a program has two and has not chosen. One test, because what the
//! process has is shared.

mod pki;
mod program;
mod server;
mod wire;

use std::net::SocketAddr;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use tower_misdirected::{CertificateFiles, MisdirectedLayer, TlsAcceptor, VirtualHosts};

use crate::program::Directory;
use crate::server::Calls;
use crate::wire::http3::{connect_quic, get3, http3, quic_client};

fn app() -> Router {
    server::echo(&Calls::default()).layer(MisdirectedLayer::new())
}

async fn get2(addr: SocketAddr, alpn: &str) -> u16 {
    let leaf = pki::leaf(&["client.test"]);
    let client = pki::client_with_certificate(&[alpn], &leaf);
    let io = wire::connect(addr, client, Some("a.test")).await;
    let answer = wire::send2(&wire::http2(io).await, wire::get2(Some("a.test"), &[])).await;
    answer.status().as_u16()
}

#[tokio::test]
async fn no_part_looks_for_the_provider_of_the_process() {
    let leaf = pki::leaf(&["a.test"]);
    let mut config = leaf.server_config();
    config.alpn_protocols.push(b"h3".to_vec());
    let config = std::sync::Arc::new(config);
    let hosts = VirtualHosts::builder()
        .host("a.test", leaf.mutual_tls_config().into())
        .default(config.clone())
        .build()
        .unwrap();
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["a.test"]);
    let (chain, key) = (directory.path("chain.pem"), directory.path("key.pem"));
    let files = CertificateFiles::open_with_provider(chain, key, pki::provider()).unwrap();
    assert!(!files.reload().unwrap());

    for tls in [
        TlsAcceptor::new(config.clone()),
        TlsAcceptor::from(hosts),
        files.server_config().unwrap().into(),
    ] {
        assert_eq!(get2(server::tls(app(), tls).await, "h2").await, 200);
    }

    let axum_server = RustlsConfig::from_config(config.clone());
    axum_server.reload_from_config(config.clone());
    let handle = Handle::new();
    let server = axum_server::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .acceptor(TlsAcceptor::from(axum_server))
        .handle(handle.clone())
        .serve(app().into_make_service());
    tokio::spawn(server);
    assert_eq!(get2(handle.listening().await.unwrap(), "h2").await, 200);

    let addr = server::quic(app(), config).await;
    let endpoint = quic_client();
    let quic = connect_quic(&endpoint, addr, pki::client(&[]), Some("a.test")).await;
    let answer = get3(&http3(quic.unwrap()).await, "a.test").await;
    assert_eq!(answer.status(), 200);

    // rustls keeps what it finds, so whoever looked would have left it there.
    assert!(CryptoProvider::get_default().is_none());
    drop(ServerConfig::builder());
    assert!(CryptoProvider::get_default().is_some());
}
