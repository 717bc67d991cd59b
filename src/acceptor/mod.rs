//! The way of a connection: the ClientHello chooses the configuration, the acceptor runs the handshake,
//! the recorder remembers which certificate it presented, and all of it ends up in a `ConnectionInfo`.

mod certificates;
mod handshake;
mod pending;
mod recorder;
mod san;
mod sessions;
mod source;
mod stream;
mod transport;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::ClientHello;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use self::certificates::Certificates;
use self::handshake::Accepting;
use self::pending::Pending;
pub(crate) use self::recorder::Recorder;
pub(crate) use self::sessions::Sessions;
pub(crate) use self::source::Chosen;
use self::source::ConfigSource;
pub use self::stream::TlsStream;
pub(crate) use self::transport::Transport;
use crate::certificate::CertificateNames;
use crate::virtual_hosts::VirtualHosts;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_PENDING_HANDSHAKES: usize = 4096;

/// The alert for a server name that nobody answers to (RFC 6066 §3).
pub(crate) const UNRECOGNIZED_NAME: u8 = 112;

/// Accepts TLS connections with rustls and records what each handshake presented.
///
/// One acceptor serves a whole server: clones share the names of certificates and the bound on
/// pending handshakes. It is made from an `Arc<ServerConfig>`, from [`VirtualHosts`], or from
/// axum-server's `RustlsConfig`.
///
/// - with `axum::serve`, hand it, or what it is made from, to [`TlsListener`](crate::TlsListener);
/// - with axum-server, it is an acceptor: `axum_server::bind(addr).acceptor(TlsAcceptor::from(config))`;
/// - with a loop of your own over hyper, call [`accept`](Self::accept) and insert the stream's
///   [`ConnectionInfo`](crate::ConnectionInfo) into every request's extensions.
///
/// Each connection is accepted under a copy of the configuration, in which the certificate resolver
/// remembers what it presented and sessions of virtual hosts are kept apart. All else is as configured,
/// but for what does not suit TCP, where a configuration serves QUIC too: early data, which tokio-rustls
/// cannot read, is off, and `h3` is no protocol to agree on. Set ALPN protocols (`h2`, `http/1.1`) in the
/// configuration; rustls has none by default.
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
    source: ConfigSource,
    handshake_timeout: Duration,
    certificates: Arc<Certificates>,
    pending: Arc<Pending>,
}

impl TlsAcceptor {
    /// Accepts every connection under `config`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self::with_source(ConfigSource::Fixed(config))
    }

    /// Asks `current` for the configuration of each new connection, so that it can be replaced while
    /// the server runs. Connections that are already open keep theirs, and are judged by theirs.
    ///
    /// Called once for each handshake, after the ClientHello has arrived, and once by
    /// [`QuicTls::new`](crate::QuicTls::new); it must not block.
    ///
    /// # Security
    ///
    /// Where the new configuration checks clients more strictly than the old one, give it a session store
    /// and a ticketer of its own, or a client may resume a session that began under the old one. That is
    /// taken care of with [`VirtualHosts`], which may be a [default](crate::VirtualHostsBuilder::default)
    /// alone.
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

    fn with_source(source: ConfigSource) -> Self {
        Self {
            certificates: source.certificates(),
            source,
            handshake_timeout: HANDSHAKE_TIMEOUT,
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
    /// Do it when accepting has failed for a while, or honest clients are cut off in the middle as soon as
    /// there are more of them than descriptors. [`TlsListener`](crate::TlsListener) does it by itself.
    ///
    /// ```
    /// use tokio::net::{TcpListener, TcpStream};
    /// use tower_misdirected::TlsAcceptor;
    ///
    /// async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor) -> TcpStream {
    ///     let mut failing = false;
    ///     loop {
    ///         match listener.accept().await {
    ///             Ok((tcp, _)) => return tcp,
    ///             Err(_) if failing => drop(acceptor.end_older_handshakes()),
    ///             // Those that go on may give theirs back by themselves.
    ///             Err(_) => failing = true,
    ///         }
    ///         tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    ///     }
    /// }
    /// ```
    pub fn end_older_handshakes(&self) -> bool {
        self.pending.end_older_half(u64::MAX)
    }

    /// How many handshakes have begun so far.
    #[cfg(feature = "axum")]
    pub(crate) fn handshakes_begun(&self) -> u64 {
        self.pending.begun()
    }

    /// As [`end_older_handshakes`](Self::end_older_handshakes), of the first `begun` ones.
    #[cfg(feature = "axum")]
    pub(crate) fn end_older_handshakes_of(&self, begun: u64) -> bool {
        self.pending.end_older_half(begun)
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
        Accepting::new(self.clone(), io, handshake::refuse)
    }

    /// `None` where the handshake is to be refused with `unrecognized_name`.
    pub(crate) fn choose(
        &self,
        client_hello: &ClientHello<'_>,
        transport: Transport,
    ) -> Option<Chosen> {
        self.source.choose(client_hello, transport)
    }

    /// The names of the certificate that was presented since this was last asked.
    pub(crate) fn names_presented(&self, recorder: &Recorder) -> Option<CertificateNames> {
        let key = recorder.presented()?;
        Some(self.certificates.names(&key))
    }

    /// Every configuration that a connection may get at present, or one for many.
    #[cfg(feature = "quinn")]
    pub(crate) fn configs(&self) -> Vec<Arc<ServerConfig>> {
        self.source.configs()
    }
}

impl From<Arc<ServerConfig>> for TlsAcceptor {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::new(config)
    }
}

/// The ClientHello chooses the virtual host, and with it the configuration.
///
/// With the feature `tracing`, [overlaps](VirtualHosts::overlaps) are logged as a warning when the first
/// acceptor is made from them.
impl From<VirtualHosts> for TlsAcceptor {
    fn from(hosts: VirtualHosts) -> Self {
        #[cfg(feature = "tracing")]
        hosts.warn_of_overlaps();
        Self::with_source(ConfigSource::Hosts(hosts))
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor")
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}
