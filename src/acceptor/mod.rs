//! The way of a connection: the acceptor runs the handshake, the recorder remembers which certificate
//! it presented, and both end up in a `ConnectionInfo`.

mod certificates;
mod pending;
mod recorder;
mod san;
mod stream;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use self::certificates::Certificates;
use self::pending::Pending;
pub use self::stream::TlsStream;
use crate::certificate::CertificateNames;
use crate::connection::{ConnectionInfo, TlsVersion};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_PENDING_HANDSHAKES: usize = 4096;

/// Accepts TLS connections with rustls and records what each handshake presented.
///
/// One acceptor serves a whole server: clones share the names of certificates and the bound on
/// pending handshakes. It is made from an `Arc<ServerConfig>`, or from axum-server's `RustlsConfig`.
///
/// - with `axum::serve`, hand it, or what it is made from, to [`TlsListener`](crate::TlsListener);
/// - with axum-server, it is an acceptor: `axum_server::bind(addr).acceptor(TlsAcceptor::from(config))`;
/// - with a loop of your own over hyper, call [`accept`](Self::accept) and insert the stream's
///   [`ConnectionInfo`] into every request's extensions.
///
/// Each connection is accepted under a copy of the configuration that differs in its certificate
/// resolver only, so resumption, tickets, ALPN and everything else work as configured. Set ALPN
/// protocols (`h2`, `http/1.1`) in the configuration; rustls has none by default.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use http::Request;
/// use hyper::body::Incoming;
/// use hyper::service::service_fn;
/// use hyper_util::rt::{TokioExecutor, TokioIo};
/// use hyper_util::server::conn::auto::Builder;
/// use tokio::net::TcpListener;
/// use tower::ServiceExt;
/// use tower_misdirected::{MisdirectedLayer, TlsAcceptor};
///
/// # async fn serve(config: rustls::ServerConfig) -> std::io::Result<()> {
/// let app = axum::Router::new().layer(MisdirectedLayer::new());
/// let acceptor = TlsAcceptor::new(Arc::new(config));
/// let listener = TcpListener::bind("0.0.0.0:443").await?;
/// loop {
///     let (tcp, _) = listener.accept().await?;
///     let handshake = acceptor.accept(tcp);
///     let app = app.clone();
///     tokio::spawn(async move {
///         let Ok(stream) = handshake.await else { return };
///         let info = stream.connection_info().clone();
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
#[derive(Clone)]
pub struct TlsAcceptor {
    config: ConfigSource,
    handshake_timeout: Duration,
    certificates: Arc<Certificates>,
    pending: Arc<Pending>,
}

/// Where the configuration of the next connection comes from.
#[derive(Clone)]
enum ConfigSource {
    Fixed(Arc<ServerConfig>),
    Current(Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>),
}

impl TlsAcceptor {
    /// Accepts every connection under `config`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self::with_source(ConfigSource::Fixed(config))
    }

    /// Asks `current` for the configuration of each new connection, so that it can be replaced while
    /// the server runs. Connections that are already open keep theirs, and are judged by theirs.
    ///
    /// Called once per handshake, after the ClientHello has arrived; it must not block.
    ///
    /// ```
    /// use std::sync::{Arc, RwLock};
    /// use tower_misdirected::TlsAcceptor;
    ///
    /// fn acceptor(shared: Arc<RwLock<Arc<rustls::ServerConfig>>>) -> TlsAcceptor {
    ///     TlsAcceptor::from_fn(move || shared.read().unwrap().clone())
    /// }
    /// ```
    pub fn from_fn(current: impl Fn() -> Arc<ServerConfig> + Send + Sync + 'static) -> Self {
        Self::with_source(ConfigSource::Current(Arc::new(current)))
    }

    fn with_source(config: ConfigSource) -> Self {
        Self {
            config,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            certificates: Arc::new(Certificates::new()),
            pending: Arc::new(Pending::new(MAX_PENDING_HANDSHAKES)),
        }
    }

    /// Sets how long a handshake may take, counted from when [`accept`](Self::accept) is first polled.
    /// The default is 10 seconds.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tower_misdirected::TlsAcceptor;
    ///
    /// fn acceptor(config: Arc<rustls::ServerConfig>) -> TlsAcceptor {
    ///     TlsAcceptor::new(config)
    ///         .handshake_timeout(Duration::from_secs(5))
    ///         .max_pending_handshakes(1024)
    /// }
    /// ```
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets how many handshakes may be under way at once, at least one. The default is 4,096.
    ///
    /// When another one begins, the oldest is ended, so that clients which open connections and then
    /// say nothing cannot keep the others out. That takes a bound below the process's limit of file
    /// descriptors; where that limit is hit first, see
    /// [`end_older_handshakes`](Self::end_older_handshakes).
    #[must_use]
    pub fn max_pending_handshakes(mut self, limit: usize) -> Self {
        self.pending = Arc::new(Pending::new(limit));
        self
    }

    /// Ends the older half of the pending handshakes, and says whether there were any.
    ///
    /// For an accept loop that has run out of file descriptors before the
    /// [bound](Self::max_pending_handshakes) was reached: once their tasks have run, there are some again.
    /// [`TlsListener`](crate::TlsListener) does it by itself.
    ///
    /// ```
    /// use tokio::net::{TcpListener, TcpStream};
    /// use tower_misdirected::TlsAcceptor;
    ///
    /// async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor) -> TcpStream {
    ///     loop {
    ///         match listener.accept().await {
    ///             Ok((tcp, _)) => return tcp,
    ///             Err(_) => {
    ///                 acceptor.end_older_handshakes();
    ///                 tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    pub fn end_older_handshakes(&self) -> bool {
        self.pending.end_older_half()
    }

    /// Runs the server's side of a handshake. Of a `TcpStream` the addresses are recorded too.
    ///
    /// The future is independent of the acceptor and must be polled concurrently with the next
    /// accept, in a task of its own say: a client may take its time.
    ///
    /// # Errors
    ///
    /// What the transport or rustls reported; `TimedOut` after the handshake timeout; `Other` where
    /// this handshake was ended in favour of a newer one. An error concerns this connection only. With
    /// the feature `tracing` it is logged at debug level.
    pub fn accept<IO>(&self, io: IO) -> impl Future<Output = io::Result<TlsStream<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let acceptor = self.clone();
        async move {
            let result = acceptor.accept_in_bounds(io).await;
            #[cfg(feature = "tracing")]
            if let Err(error) = &result {
                // In debug form, which escapes whatever a peer may have put there.
                tracing::debug!(?error, "TLS handshake failed");
            }
            result
        }
    }

    async fn accept_in_bounds<IO>(&self, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut place = self.pending.enter();
        let handshake = tokio::time::timeout(self.handshake_timeout, self.handshake(io));
        tokio::select! {
            result = handshake => match result {
                Ok(result) => result,
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the TLS handshake took too long",
                )),
            },
            () = place.evicted() => Err(io::Error::other(
                "too many TLS handshakes are pending, and this is the oldest",
            )),
        }
    }

    async fn handshake<IO>(&self, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
        let config = match &self.config {
            ConfigSource::Fixed(config) => config.clone(),
            ConfigSource::Current(current) => current(),
        };
        let (config, recorder) = recorder::record(&config);
        let stream = start.into_stream(config).await?;
        let names = match recorder.presented() {
            Some(key) => self.certificates.names(&key),
            None => CertificateNames::unknown(),
        };
        let (io, connection) = stream.get_ref();
        let info = connection_info(io, connection, names);
        Ok(TlsStream::new(stream, info))
    }
}

fn connection_info(
    io: &dyn Any,
    connection: &ServerConnection,
    names: CertificateNames,
) -> ConnectionInfo {
    let mut info = ConnectionInfo::tls()
        .server_name(connection.server_name())
        .certificate_names(names)
        .client_certificates(connection.peer_certificates().unwrap_or_default());
    if let Some(protocol) = connection.alpn_protocol() {
        info = info.alpn(protocol);
    }
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => info = info.tls_version(TlsVersion::V1_2),
        Some(ProtocolVersion::TLSv1_3) => info = info.tls_version(TlsVersion::V1_3),
        _ => {}
    }
    if let Some(tcp) = io.downcast_ref::<TcpStream>() {
        if let Ok(peer) = tcp.peer_addr() {
            info = info.peer_addr(peer);
        }
        if let Ok(local) = tcp.local_addr() {
            info = info.local_addr(local);
        }
    }
    info.build()
}

impl From<Arc<ServerConfig>> for TlsAcceptor {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::new(config)
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor")
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}
