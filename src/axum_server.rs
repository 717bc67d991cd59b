//! The integration with axum-server: `TlsAcceptor` as an acceptor, also with the hot reload of `RustlsConfig`. The
//! handshake itself lives in `tls`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsConfig;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use crate::connection::ConnectionInfo;
#[cfg(feature = "proxy-protocol")]
use crate::plaintext::PlaintextStream;
#[cfg(feature = "proxy-protocol")]
use crate::proxy_protocol::ProxyProtocol;
use crate::tls::{TlsAcceptor, TlsStream};

/// Creates an acceptor that accepts each connection under the configuration that was loaded last.
///
/// # Security
///
/// Open connections keep their configuration, as with [`TlsAcceptor::from_fn`]. If a reload makes the configuration
/// stricter, use [`VirtualHosts`](crate::VirtualHosts) instead.
///
/// # Graceful shutdown
///
/// Before axum-server shuts down, it waits for pending handshakes, up to their time limit. Set a time limit for its
/// `graceful_shutdown` too.
///
/// ```
/// use axum::{Router, routing::get};
/// use axum_server::tls_rustls::RustlsConfig;
/// use tower_misdirected::{MisdirectedLayer, TlsAcceptor};
///
/// # async fn serve(config: RustlsConfig) -> std::io::Result<()> {
/// let app = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(MisdirectedLayer::new().json());
///
/// axum_server::bind("0.0.0.0:443".parse::<std::net::SocketAddr>().unwrap())
///     .acceptor(TlsAcceptor::from(config.clone())) // keep `config` to reload
///     .serve(app.into_make_service())
///     .await
/// # }
/// ```
impl From<RustlsConfig> for TlsAcceptor {
    fn from(config: RustlsConfig) -> Self {
        Self::from_fn(move || config.get_inner())
    }
}

/// Inserts the [`ConnectionInfo`] into the extensions of every request. Under a configuration that names no ALPN
/// protocols, it offers HTTP/2 and HTTP/1.1. If the server is `http1_only`, set `alpn_protocols` to `http/1.1`, or clients
/// choose HTTP/2.
impl<I, S> Accept<I, S> for TlsAcceptor
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Send + 'static,
{
    type Stream = TlsStream<I>;
    type Service = WithConnectionInfo<S>;
    type Future = Accepting<Self::Stream, S>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        // axum-server serves both versions.
        let accepting = self.clone().for_http().accept(stream);
        described(accepting, TlsStream::connection_info, service)
    }
}

/// Reads the PROXY protocol header of plaintext connections, and inserts the [`ConnectionInfo`] into the extensions of
/// every request.
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::Router;
/// use tower_misdirected::{Peers, ProxyProtocol};
///
/// # async fn serve(app: Router, gateways: Peers) -> std::io::Result<()> {
/// axum_server::bind(SocketAddr::from(([10, 0, 0, 7], 8080)))
///     .acceptor(ProxyProtocol::from_peers(gateways))
///     .serve(app.into_make_service())
///     .await
/// # }
/// ```
#[cfg(feature = "proxy-protocol")]
impl<I, S> Accept<I, S> for ProxyProtocol
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Send + 'static,
{
    type Stream = PlaintextStream<I>;
    type Service = WithConnectionInfo<S>;
    type Future = Accepting<Self::Stream, S>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        described(
            self.accept(stream),
            PlaintextStream::connection_info,
            service,
        )
    }
}

type Accepting<T, S> = Pin<Box<dyn Future<Output = io::Result<(T, WithConnectionInfo<S>)>> + Send>>;

/// Waits for a connection, and wraps its service so that every request gets the connection info.
fn described<T: Send + 'static, S: Send + 'static>(
    accepting: impl Future<Output = io::Result<T>> + Send + 'static,
    info: fn(&T) -> &ConnectionInfo,
    inner: S,
) -> Accepting<T, S> {
    Box::pin(async move {
        let stream = accepting.await?;
        let info = info(&stream).clone();
        Ok((stream, WithConnectionInfo { inner, info }))
    })
}

/// Service of one connection, produced by [`TlsAcceptor`] and `ProxyProtocol` for axum-server. It inserts the
/// connection's [`ConnectionInfo`] into the extensions of every request.
///
/// ```
/// use axum_server::accept::Accept;
/// use tokio::io::DuplexStream;
/// use tower_misdirected::{TlsAcceptor, WithConnectionInfo};
///
/// async fn accept(acceptor: TlsAcceptor, io: DuplexStream, app: axum::Router) -> std::io::Result<()> {
///     let (_stream, service): (_, WithConnectionInfo<axum::Router>) =
///         Accept::accept(&acceptor, io, app).await?;
///     # drop(service);
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct WithConnectionInfo<S> {
    inner: S,
    info: ConnectionInfo,
}

impl<S, B> Service<Request<B>> for WithConnectionInfo<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.info.clone());
        self.inner.call(request)
    }
}
