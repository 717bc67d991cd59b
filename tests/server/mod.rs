//! Servers under test, on loopback.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use quinn::Endpoint;
use quinn::crypto::rustls::QuicServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_misdirected::{ConnectionInfo, EffectiveAuthority, QuicTls, TlsAcceptor, TlsListener};

#[path = "../../examples/http3/bridge.rs"]
#[allow(dead_code, reason = "the loop here is one of its own")]
pub mod bridge;

/// How often the inner service was called.
#[derive(Clone, Default)]
pub struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Answers every request with what its handler can see of the authority, in one line:
/// `authority=… uri=… host=…`.
pub fn echo(calls: &Calls) -> Router {
    let calls = calls.clone();
    let handler = any(
        move |authority: Result<EffectiveAuthority, _>, request: Request| async move {
            calls.0.fetch_add(1, Ordering::SeqCst);
            let authority = match authority {
                Ok(authority) => authority.to_string(),
                Err(error) => format!("<{error}>"),
            };
            let uri = request.uri().authority().map_or("-", |uri| uri.as_str());
            let host = match request.headers().get("host") {
                Some(host) => host.to_str().unwrap_or("?"),
                None => "-",
            };
            format!("authority={authority} uri={uri} host={host}")
        },
    );
    Router::new().route("/", handler.clone()).fallback(handler)
}

/// Serves over TLS.
pub async fn tls(app: Router, tls: impl Into<TlsAcceptor>) -> SocketAddr {
    tls_at(Ipv4Addr::LOCALHOST.into(), app, tls).await
}

/// Serves over TLS at this address.
pub async fn tls_at(ip: IpAddr, app: Router, tls: impl Into<TlsAcceptor>) -> SocketAddr {
    let listener = TlsListener::bind((ip, 0), tls).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    addr
}

/// Serves over QUIC until the test ends. Outdated connections stay, so that a test can be a client that ignores GOAWAY.
pub async fn quic(app: Router, tls: impl Into<TlsAcceptor>) -> SocketAddr {
    serve_quic(app, tls.into(), false, None)
}

/// Like [`quic`], from the first data that a client sends, 0-RTT data included.
pub async fn quic_0rtt(app: Router, tls: impl Into<TlsAcceptor>) -> SocketAddr {
    serve_quic(app, tls.into(), true, None)
}

/// Like [`quic`], and connections that become outdated end within `drain`. `early`: serves 0-RTT data too.
pub async fn quic_draining(
    app: Router,
    tls: impl Into<TlsAcceptor>,
    early: bool,
    drain: Duration,
) -> SocketAddr {
    serve_quic(app, tls.into(), early, Some(drain))
}

fn serve_quic(app: Router, tls: TlsAcceptor, early: bool, drain: Option<Duration>) -> SocketAddr {
    let tls = QuicTls::<QuicServerConfig>::new(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let endpoint = Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = endpoint.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let app = app.clone();
            tokio::spawn(async move {
                let Ok(connecting) = incoming.accept() else {
                    return;
                };
                let connection = match early {
                    // Of a server it always succeeds.
                    true => connecting
                        .into_0rtt()
                        .map(|(connection, _)| connection)
                        .ok(),
                    false => connecting.await.ok(),
                };
                if let Some(connection) = connection {
                    let never = CancellationToken::new();
                    let _ = bridge::serve_connection(connection, app, drain, never).await;
                }
            });
        }
    });
    addr
}

/// Serves without TLS.
pub async fn plaintext(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    addr
}
