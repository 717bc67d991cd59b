//! A listener whose handshakes run while it accepts the next connections. Serving the connections is up to
//! `axum::serve` or a loop of the user's.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::acceptor::TlsAcceptor;
use super::inner::InnerListener;
use super::stream::TlsStream;

/// How long accepting pauses after an error of the listener, such as a lack of file descriptors. Open connections
/// and handshakes continue meanwhile and may free some.
const PAUSE: Duration = Duration::from_millis(200);

/// How long accepting pauses if handshakes were ended, which frees file descriptors at once.
const SHORT_PAUSE: Duration = Duration::from_millis(10);

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
    inner: L,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<Connection<L>>>,
    paused_until: Option<Instant>,
    /// How many handshakes had begun before the last pause that was not a short one.
    begun: u64,
}

type Connection<L> = (
    TlsStream<<L as InnerListener>::Io>,
    <L as InnerListener>::Addr,
);

impl TlsListener {
    /// Binds a TCP listener to `addr`. `tls` is anything that makes a [`TlsAcceptor`], such as an
    /// `Arc<ServerConfig>` or [`VirtualHosts`](crate::VirtualHosts).
    ///
    /// # Errors
    ///
    /// Returns the error of [`TcpListener::bind`].
    pub async fn bind(addr: impl ToSocketAddrs, tls: impl Into<TlsAcceptor>) -> io::Result<Self> {
        Ok(Self::from_tcp(TcpListener::bind(addr).await?, tls))
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
            inner,
            acceptor: acceptor.for_http(),
            handshakes: JoinSet::new(),
            paused_until: None,
            begun: 0,
        }
    }

    #[cfg(feature = "axum")]
    pub(crate) fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Returns the address that the listener is bound to. It has the actual port if the listener was bound to
    /// port 0.
    ///
    /// # Errors
    ///
    /// Returns the error of [`TcpListener::local_addr`], or that of the other listener.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.inner.local_addr()
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
        loop {
            let paused_until = self.paused_until;
            tokio::select! {
                Some(result) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = result {
                        return connection;
                    }
                }
                () = pause(paused_until), if paused_until.is_some() => self.paused_until = None,
                result = poll_fn(|context| self.inner.poll_accept(context)), if paused_until.is_none() => match result {
                    Ok((io, addr)) => self.begin(io, addr),
                    Err(error) => self.pause_after(&error),
                },
            }
        }
    }

    fn begin(&mut self, io: L::Io, addr: L::Addr) {
        let given = self.inner.addresses(&io, &addr).map(Box::new);
        let handshake = self.acceptor.accept_given(io, given);
        let handshake = async move { handshake.await.ok().map(|stream| (stream, addr)) };
        self.handshakes.spawn(handshake);
    }

    fn pause_after(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        // These errors concern one connection, which is closed.
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset
        ) {
            return;
        }
        #[cfg(feature = "tracing")]
        tracing::error!(?error, "cannot accept connections, trying again");
        // Only handshakes that have been pending for a whole pause end. Otherwise honest clients would be cut off
        // as soon as there are more of them than file descriptors. It does not matter whether accepting succeeded
        // in between, because silent clients can take turns.
        let pending = self.acceptor.pending();
        let pause = match pending.end_older_half(self.begun) {
            true => SHORT_PAUSE,
            false => {
                self.begun = pending.begun();
                PAUSE
            }
        };
        self.paused_until = Some(Instant::now() + pause);
    }
}

async fn pause(until: Option<Instant>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}
