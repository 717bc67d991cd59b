//! A listener whose handshakes run while it accepts the next connections. Its loop lives in `listening`. `axum::serve`
//! or the user's own loop serves the connections.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, ToSocketAddrs};

use super::acceptor::TlsAcceptor;
use super::stream::TlsStream;
use crate::listening::{BindError, Concurrent, InnerListener, bind, or_accepted};

/// A listener that accepts TLS connections, over TCP or over another listener.
///
/// Each handshake runs in its own task, so a slow or failed handshake does not delay the others. To change the time
/// limit and the bound on pending handshakes, configure the [`TlsAcceptor`]. Dropping the listener ends the pending
/// handshakes. Over TCP, the listener sets `TCP_NODELAY` on every connection.
///
/// # HTTP/2
///
/// If a configuration has no ALPN protocols, the listener offers `h2` and `http/1.1`. The handshake then fails for a
/// client that offers only other ALPN protocols. If a configuration has ALPN protocols, the listener offers these.
///
/// `axum::serve` supports both versions, because the features `axum` and `rustls` together enable axum's feature
/// `http2`. If your own loop supports only HTTP/1.1, set `config.alpn_protocols = vec![b"http/1.1".to_vec()]`.
///
/// # With axum
///
/// With the feature `axum`, it is a listener for `axum::serve`. Serve with
/// `into_make_service_with_connect_info::<ConnectionInfo>()`, which inserts the
/// [`ConnectionInfo`](crate::ConnectionInfo) into every request.
///
/// ```
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
/// With [`over`](Self::over), the connections come from another axum [`Listener`](axum::serve::Listener), such as a
/// Unix socket.
///
/// # With hyper
///
/// In your own loop, call [`accept`](Self::accept) and insert the stream's [`ConnectionInfo`](crate::ConnectionInfo)
/// into the extensions of every request. hyper-util's `auto::Builder` serves HTTP/1 and HTTP/2, if its features `http1`
/// and `http2` are both enabled. [`guide::servers`](crate::guide::servers#hyper) has a whole program, with graceful
/// shutdown:
///
/// ```
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
    /// Binds a TCP listener to `addr`. `tls` is anything that converts into a [`TlsAcceptor`], such as an
    /// `Arc<ServerConfig>` or [`VirtualHosts`](crate::VirtualHosts).
    ///
    /// # Errors
    ///
    /// Returns [`BindError`] if `addr` cannot be resolved or bound.
    pub async fn bind(
        addr: impl ToSocketAddrs + fmt::Debug,
        tls: impl Into<TlsAcceptor>,
    ) -> Result<Self, BindError> {
        Ok(Self::from_tcp(bind(addr).await?, tls))
    }

    /// Creates a TLS listener from a TCP listener that is already bound.
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

    /// Returns the address that the listener is bound to. If the listener was bound to port 0, the address has the
    /// actual port.
    ///
    /// # Errors
    ///
    /// Returns the error of [`TcpListener::local_addr`], or of the other listener.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.inner().local_addr()
    }

    /// Waits for the next connection whose handshake is complete, and returns the connection and the address of its
    /// peer. For TCP, the address has the form of [`ConnectionInfo::peer_addr`](crate::ConnectionInfo::peer_addr).
    ///
    /// The listener drops failed handshakes and, with the feature `tracing`, logs them at debug level. If accepting
    /// from TCP fails, for example because the process has no file descriptors left, the listener pauses and tries
    /// again. If it fails repeatedly, the listener ends the older half of the handshakes that were pending before the
    /// last pause, which frees their file descriptors.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If another branch of a `tokio::select!` completes first, no connection is lost.
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
