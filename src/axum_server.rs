//! axum-server: `TlsAcceptor` as its acceptor, with `RustlsConfig` and its hot reload.

use std::future::Future;
use std::io;
use std::pin::Pin;

use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_http::add_extension::AddExtension;

use crate::acceptor::{TlsAcceptor, TlsStream};
use crate::connection::ConnectionInfo;

/// Every new connection gets the configuration that was loaded last; open ones keep theirs.
///
/// axum-server waits for pending handshakes before it ends gracefully, up to their time limit; give its
/// `graceful_shutdown` a time limit too.
///
/// ```no_run
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

/// The service gains the [`ConnectionInfo`] as an extension of every request.
impl<I, S> Accept<I, S> for TlsAcceptor
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Send + 'static,
{
    type Stream = TlsStream<I>;
    type Service = AddExtension<S, ConnectionInfo>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let handshake = self.accept(stream);
        Box::pin(async move {
            let stream = handshake.await?;
            let info = stream.connection_info().clone();
            Ok((stream, AddExtension::new(service, info)))
        })
    }
}
