//! A listener whose handshakes run while it accepts the next connections. Its loop lives in `listening`, and serving the
//! connections is up to `axum::serve` or a loop of the user's.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, ToSocketAddrs};

use super::acceptor::TlsAcceptor;
use super::stream::TlsStream;
use crate::listening::{BindError, Concurrent, InnerListener, bind, or_accepted};

/// A listener that speaks TLS, over TCP or over another listener.
///
/// Handshakes run in tasks of their own, so a slow or failed one does not delay the others. Their time limit and
/// the bound on how many are pending are settings of [`TlsAcceptor`]. Dropping the listener ends the pending
/// handshakes. Over TCP, `TCP_NODELAY` is set on every connection.
///
/// # HTTP/2
///
/// If a configuration names no ALPN protocols, the listener offers `h2` and `http/1.1`. It sets them in the copy that
/// each connection gets. The handshake then fails for a client that offers other ALPN protocols only. A configuration
/// that names protocols is left as it is.
///
/// `axum::serve` speaks both versions, because the features `axum` and `rustls` together enable axum's feature `http2`.
/// If your own loop speaks only HTTP/1.1, name that protocol: `config.alpn_protocols = vec![b"http/1.1".to_vec()]`.
///
/// # With axum
///
/// With the feature `axum` it is a listener for `axum::serve`. Serve with
/// `into_make_service_with_connect_info::<ConnectionInfo>()`, because that is how requests get their
/// [`ConnectionInfo`](crate::ConnectionInfo).
///
/// ```no_run
/// use std::sync::Arc;
///
/// use axum::{Router, routing::get};
/// use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener};
///
/// # async fn serve(config: rustls::ServerConfig) -> std::io::Result<()> {
/// let app = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(MisdirectedLayer::new().json());
///
/// let listener = TlsListener::bind("0.0.0.0:443", Arc::new(config)).await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await
/// # }
/// ```
///
/// With [`over`](Self::over), the connections come from another listener of axum's, such as a Unix socket.
///
/// # With hyper
///
/// A loop of your own calls [`accept`](Self::accept) and inserts the stream's
/// [`ConnectionInfo`](crate::ConnectionInfo) into the extensions of every request. hyper-util's `auto::Builder` speaks
/// the version of HTTP that was negotiated, if both of its features `http1` and `http2` are enabled:
///
/// ```no_run
/// use std::sync::Arc;
///
/// use http::Request;
/// use hyper::body::Incoming;
/// use hyper::service::service_fn;
/// use hyper_util::rt::{TokioExecutor, TokioIo};
/// use hyper_util::server::conn::auto::Builder;
/// use tower::ServiceExt;
/// use tower_misdirected::{MisdirectedLayer, TlsListener};
///
/// # async fn serve(config: rustls::ServerConfig) -> std::io::Result<()> {
/// let app = axum::Router::new().layer(MisdirectedLayer::new());
/// let mut listener = TlsListener::bind("0.0.0.0:443", Arc::new(config)).await?;
/// loop {
///     let (stream, _peer) = listener.accept().await;
///     let info = stream.connection_info().clone();
///     let app = app.clone();
///     tokio::spawn(async move {
///         let service = service_fn(move |mut request: Request<Incoming>| {
///             request.extensions_mut().insert(info.clone());
///             app.clone().oneshot(request)
///         });
///         let _ = Builder::new(TokioExecutor::new())
///             .serve_connection(TokioIo::new(stream), service)
///             .await;
///     });
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct TlsListener<L: InnerListener = TcpListener> {
    listener: Concurrent<L, TlsStream<L::Io>>,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    /// Binds a TCP listener to `addr`. `tls` is anything that makes a [`TlsAcceptor`], such as an
    /// `Arc<ServerConfig>` or [`VirtualHosts`](crate::VirtualHosts).
    ///
    /// # Errors
    ///
    /// Returns [`BindError`], which names the address.
    pub async fn bind(
        addr: impl ToSocketAddrs + fmt::Debug,
        tls: impl Into<TlsAcceptor>,
    ) -> Result<Self, BindError> {
        Ok(Self::from_tcp(bind(addr).await?, tls))
    }

    /// Speaks TLS on a listener that is already bound.
    ///
    /// ```
    /// use tower_misdirected::{TlsAcceptor, TlsListener};
    ///
    /// fn inherited(tcp: std::net::TcpListener, tls: TlsAcceptor) -> std::io::Result<TlsListener> {
    ///     tcp.set_nonblocking(true)?;
    ///     Ok(TlsListener::from_tcp(tokio::net::TcpListener::from_std(tcp)?, tls))
    /// }
    /// ```
    pub fn from_tcp(tcp: TcpListener, tls: impl Into<TlsAcceptor>) -> Self {
        Self::with_inner(tcp, tls.into())
    }
}

impl<L: InnerListener> TlsListener<L> {
    pub(crate) fn with_inner(inner: L, acceptor: TlsAcceptor) -> Self {
        Self {
            listener: Concurrent::new(inner),
            acceptor: acceptor.for_http(),
        }
    }

    #[cfg(feature = "axum")]
    pub(crate) fn inner_mut(&mut self) -> &mut L {
        self.listener.inner_mut()
    }

    /// Returns the address that the listener is bound to. It has the actual port if the listener was bound to
    /// port 0.
    ///
    /// # Errors
    ///
    /// Returns the error of [`TcpListener::local_addr`], or that of the other listener.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.inner().local_addr()
    }

    /// Waits for the next connection whose handshake is complete, and returns it with the address of its peer. An
    /// address of TCP has the form of [`ConnectionInfo::peer_addr`](crate::ConnectionInfo::peer_addr).
    ///
    /// Failed handshakes are dropped, and logged at debug level with the feature `tracing`. If accepting from TCP fails,
    /// for example because the process has no file descriptors left, the listener pauses and tries again. It ends
    /// the older half of those handshakes that were already pending during the last pause, so clients that send
    /// nothing give their file descriptors back.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: in a `tokio::select!` no connection is lost if another branch completes first.
    pub async fn accept(&mut self) -> (TlsStream<L::Io>, L::Addr) {
        poll_fn(|context| self.poll_accept(context)).await
    }

    pub(crate) fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<(TlsStream<L::Io>, L::Addr)> {
        let acceptor = &self.acceptor;
        let begin = |io, addr: &L::Addr, given| {
            let given = match acceptor.asks_for_peer() {
                true => or_accepted(given, addr),
                false => given,
            };
            acceptor.accept_given(io, given)
        };
        self.listener
            .poll_accept(context, acceptor.pending(), begin)
    }
}
