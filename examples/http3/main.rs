//! A server for HTTP/1.1, HTTP/2 and HTTP/3 with one port number and one router. Clients discover HTTP/3 by `Alt-Svc`
//! (RFC 7838).
//!
//! ```sh
//! cargo run --example http3
//! ```

mod bridge;
#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::ALT_SVC;
use quinn::Endpoint;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, QuicTls, TlsAcceptor, TlsListener,
};

use crate::common::Result;

/// The time within which all clients of outdated connections are told to reconnect. The default of
/// `TlsAcceptor::drain`.
const DRAIN: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    common::arguments("http3", 0..=0);
    common::run(serve()).await
}

async fn serve() -> Result<()> {
    // One acceptor for both, so that both serve the same certificate, or the same virtual hosts.
    let tls = TlsAcceptor::new(server_config()?);
    let quic = QuicTls::<QuicServerConfig>::new(tls.clone())?;
    let quic = quinn::ServerConfig::with_crypto(Arc::new(quic));
    let (tcp, endpoint) = bind(quic).await?;
    let addr = endpoint.local_addr()?;

    let alt_svc = HeaderValue::try_from(format!("h3=\":{}\"; ma=86400", addr.port()))?;
    let app = Router::new()
        .fallback(|authority: EffectiveAuthority| async move {
            format!("hello from {}\n", authority.host())
        })
        .layer(SetResponseHeaderLayer::overriding(ALT_SVC, alt_svc))
        .layer(MisdirectedLayer::new().json());

    let shutdown = CancellationToken::new();
    let on_ctrl_c = shutdown.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        on_ctrl_c.cancel();
    });
    println!("listening on https://{addr}");

    let make_service = app
        .clone()
        .into_make_service_with_connect_info::<ConnectionInfo>();
    let http3 = tokio::spawn(bridge::serve(endpoint, app, Some(DRAIN), shutdown.clone()));
    axum::serve(TlsListener::from_tcp(tcp, tls), make_service)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await?;
    http3.await?;
    Ok(())
}

/// Binds TCP and UDP sockets with the same port number. The system chooses a port that is free for TCP, which is nearly
/// always free for UDP too.
async fn bind(quic: quinn::ServerConfig) -> Result<(TcpListener, Endpoint)> {
    let mut attempts = 0..10;
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        match Endpoint::server(quic.clone(), tcp.local_addr()?) {
            Ok(endpoint) => return Ok((tcp, endpoint)),
            Err(error) if attempts.next().is_none() => return Err(error.into()),
            Err(_) => {}
        }
    }
}

fn server_config() -> Result<Arc<ServerConfig>> {
    let names = ["app.localhost", "api.localhost"].map(String::from);
    let key = rcgen::generate_simple_self_signed(names)?;
    let private_key = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private_key)?;
    // Clients offer only `h3` over QUIC, and the other protocols over TCP.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), b"h3".to_vec()];
    Ok(Arc::new(config))
}
