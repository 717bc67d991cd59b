//! The acceptor and its settings. Running a handshake lives in `accepting`, choosing its configuration in
//! `handshake`.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use super::accepting::{Accepting, Handshakes};
use super::endings::Endings;
use super::refuse::refuse;
use super::stream::TlsStream;
use crate::handshake::{Chooser, HandshakeFailure, Transport};
use crate::listening::{Addresses, Given, Pending};
use crate::virtual_hosts::VirtualHosts;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_PENDING_HANDSHAKES: usize = 4096;

/// Accepts TLS connections with rustls and records what each handshake presented.
///
/// Make it from an `Arc<ServerConfig>`, from [`VirtualHosts`], or from axum-server's `RustlsConfig`. One acceptor
/// serves a whole server: clones share the names of certificates and the bound on pending handshakes.
///
/// - With `axum::serve` or a loop of your own over TCP, pass it to [`TlsListener`](crate::TlsListener).
/// - With axum-server, it is an acceptor: `axum_server::bind(addr).acceptor(TlsAcceptor::from(config))`.
/// - For a transport other than TCP, call [`accept`](Self::accept) or
///   [`accept_with_addresses`](Self::accept_with_addresses), and insert the stream's
///   [`ConnectionInfo`](crate::ConnectionInfo) into the extensions of every request.
///
/// # The configuration of a connection
///
/// The acceptor accepts each connection under a copy of the configuration. In the copy, the certificate resolver
/// records what it presented, and the session store and the ticketer resume only sessions that began under the same
/// `Arc`, or under the same [id](crate::VirtualHostsBuilder::config_id). The copy is otherwise unchanged, with two
/// exceptions: early data is disabled, because tokio-rustls cannot read it, and `h3` is removed from the ALPN
/// protocols, because it only works over QUIC.
///
/// Set the ALPN protocols `h2` and `http/1.1` in the configuration. rustls has none by default, and clients then
/// use HTTP/1.1. Only [`TlsListener`](crate::TlsListener) [offers them by itself](crate::TlsListener#http2).
///
/// # Example
///
/// A server on an in-memory transport:
///
/// ```
/// use std::sync::Arc;
///
/// use tower_misdirected::TlsAcceptor;
///
/// async fn serve(config: rustls::ServerConfig, transport: tokio::io::DuplexStream) -> std::io::Result<()> {
///     let acceptor = TlsAcceptor::new(Arc::new(config));
///     let stream = acceptor.accept(transport).await?;
///     println!("for {:?}", stream.connection_info().server_name());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct TlsAcceptor {
    handshakes: Arc<Handshakes>,
}

impl TlsAcceptor {
    /// Creates an acceptor that accepts every connection under `config`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self::with_chooser(Chooser::fixed(config))
    }

    /// Creates an acceptor that asks `current` for the configuration of each new connection.
    ///
    /// So the configuration can change while the server runs. The acceptor calls `current` once for each
    /// handshake, after the ClientHello has arrived, and [`QuicTls::new`](crate::QuicTls::new) calls it once. It
    /// must not block.
    ///
    /// # Security
    ///
    /// Open connections keep the configuration they began under, and the layer judges them by it. If `current`
    /// starts to return a stricter configuration, requests on open connections are still served under the old
    /// one. With [`VirtualHosts`], the layer judges open connections by the new configuration after
    /// [`replace`](VirtualHosts::replace). For a server with a single configuration use virtual hosts with a
    /// [default](crate::VirtualHostsBuilder::default) alone.
    ///
    /// A session resumes only under the `Arc` it began under. So return clones of one `Arc` until the configuration
    /// changes. If `current` builds a new `Arc` for every handshake, no session ever resumes. Virtual hosts can give a
    /// configuration an [id](crate::VirtualHostsBuilder::config_id) that outlives its `Arc`.
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
        Self::with_chooser(Chooser::current(Arc::new(current)))
    }

    fn with_chooser(chooser: Chooser) -> Self {
        Self {
            handshakes: Arc::new(Handshakes {
                chooser,
                transport: Transport::Tcp,
                timeout: HANDSHAKE_TIMEOUT,
                pending: Arc::new(Pending::new(MAX_PENDING_HANDSHAKES)),
                endings: Arc::default(),
                #[cfg(feature = "proxy-protocol")]
                proxy_protocol: None,
            }),
        }
    }

    /// Sets how long a handshake may take, counted from the first poll of [`accept`](Self::accept). The default
    /// is 10 seconds.
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
        Arc::make_mut(&mut self.handshakes).timeout = timeout;
        self
    }

    /// Sets how many handshakes may be pending at once, at least one. The default is 4,096.
    ///
    /// If the bound is reached, the oldest handshake ends, so clients that open connections and send nothing
    /// cannot keep others out. Set the bound below the process's limit of file descriptors. If that limit is
    /// reached first, [`TlsListener`](crate::TlsListener) ends the older handshakes.
    #[must_use]
    pub fn max_pending_handshakes(mut self, limit: usize) -> Self {
        Arc::make_mut(&mut self.handshakes).pending = Arc::new(Pending::new(limit));
        self
    }

    /// Sets how HTTP/2 connections end that [are outdated](crate::ConnectionInfo::is_outdated): within this time after
    /// the replacement of the virtual hosts, or not at all if it is `None`. The default is one second.
    ///
    /// The stream writes one GOAWAY with the last stream 2^31-1 and NO_ERROR (RFC 9113 §6.8) between two frames of the
    /// server. Streams under way complete. The client opens another connection for its next request, and closes this
    /// one. Without that, most clients keep the connection and are refused on it until it ends.
    ///
    /// A connection that the server writes to gets the GOAWAY before the next frame. Idle connections get it at random
    /// moments within the time, so that not all clients come back at once. With
    /// [`Duration::ZERO`] they get it at once.
    ///
    /// Over HTTP/1.1 the next answer closes the connection; see
    /// [`close_http1`](crate::MisdirectedLayer::close_http1). For HTTP/3 and other protocols, wait for
    /// [`ConnectionInfo::outdated`](crate::ConnectionInfo::outdated).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_misdirected::{TlsAcceptor, VirtualHosts};
    ///
    /// fn acceptor(hosts: VirtualHosts) -> TlsAcceptor {
    ///     // A hundred thousand clients come back over half a minute.
    ///     TlsAcceptor::from(hosts).drain(Duration::from_secs(30))
    /// }
    /// fn without_draining(hosts: VirtualHosts) -> TlsAcceptor {
    ///     TlsAcceptor::from(hosts).drain(None)
    /// }
    /// ```
    #[must_use]
    pub fn drain(mut self, spread: impl Into<Option<Duration>>) -> Self {
        self.endings().drain = spread.into();
        self
    }

    /// Sets how long an HTTP/1 connection lingers after the layer has refused a request with a body: at most this time,
    /// or not at all if it is `None`. The default is 60 seconds.
    ///
    /// Many clients write a whole upload before they read the answer. If the server closed the connection meanwhile,
    /// their next write would fail and they would never see the 421. So the stream sends the answer, closes its own
    /// direction, and reads and drops what is left of the body (RFC 9112 §9.6). It stops when the body is complete,
    /// when the client closes, after 5 seconds without data, after this time, or after
    /// [`max_linger_bytes`](Self::max_linger_bytes).
    ///
    /// A connection does not linger if nothing of the request can be left: the request has no body, or all of it has
    /// arrived. A graceful shutdown of the server waits for connections that linger. Only TLS connections of this
    /// crate's acceptors linger, because the crate does not own the streams of plaintext connections.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tower_misdirected::TlsAcceptor;
    ///
    /// fn acceptor(config: Arc<rustls::ServerConfig>) -> TlsAcceptor {
    ///     TlsAcceptor::new(config)
    ///         .linger(Duration::from_secs(10))
    ///         .max_linger_bytes(64 << 20)
    /// }
    /// ```
    #[must_use]
    pub fn linger(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.endings().linger = time.into();
        self
    }

    /// Sets how many octets of a refused request a connection reads at most while it [lingers](Self::linger). The
    /// default is 256 MiB.
    #[must_use]
    pub fn max_linger_bytes(mut self, bytes: u64) -> Self {
        self.endings().linger_bytes = bytes;
        self
    }

    /// Requires a PROXY protocol header, version 1 or 2, before the TLS handshake on every connection from these peers,
    /// and reads none on others. The default is none.
    ///
    /// The header sets [`ConnectionInfo::client_addr`](crate::ConnectionInfo::client_addr).
    /// [`peer_addr`](crate::ConnectionInfo::peer_addr) stays the address of the peer that sent the header. If the header
    /// names no TCP client, as in health checks of the peer, the connection is accepted, and `client_addr` is the
    /// address of the peer. The header takes part in nothing else: neither in choosing a virtual host nor in a verdict.
    ///
    /// A connection from one of these peers fails if it does not begin with a header. On a connection from another
    /// peer, the octets of a header go to TLS, so its handshake fails. The header counts as a part of the handshake for
    /// the [time limit](Self::handshake_timeout) and for the [number](Self::max_pending_handshakes) of pending
    /// handshakes. It has at most 4,096 octets. [`QuicTls`](crate::QuicTls) ignores this setting.
    ///
    /// Only [`Peers::any`](crate::Peers::any) contains a transport without an IP address, such as a Unix socket.
    ///
    /// # Security
    ///
    /// These peers can claim any client address. With [`Peers::any`](crate::Peers::any), everyone who can reach the
    /// port can. The [guide](crate::guide::servers#proxy-protocol) says which list to use.
    ///
    /// ```
    /// use tower_misdirected::{Peers, PeersError, TlsAcceptor, VirtualHosts};
    ///
    /// fn acceptor(hosts: VirtualHosts) -> Result<TlsAcceptor, PeersError> {
    ///     let load_balancers = Peers::new(["10.0.0.0/24"])?;
    ///     Ok(TlsAcceptor::from(hosts).proxy_protocol(load_balancers))
    /// }
    /// ```
    #[cfg(feature = "proxy-protocol")]
    #[must_use]
    pub fn proxy_protocol(mut self, peers: crate::Peers) -> Self {
        let settings = crate::ProxyProtocol::from_peers(peers);
        Arc::make_mut(&mut self.handshakes).proxy_protocol = Some(settings);
        self
    }

    /// Accepts the handshakes that are ACME challenges (TLS-ALPN-01, RFC 8737) under this configuration. They are those
    /// whose client offers the ALPN protocol `acme-tls/1` alone, whatever the server name is.
    ///
    /// So a certificate can be ordered for every host, also for hosts that require client certificates and for IP
    /// addresses, whose challenges have a server name in `in-addr.arpa` or `ip6.arpa` (RFC 8738 §6).
    ///
    /// No request is ever served on such a connection. It ends when its handshake is complete, and so does every
    /// connection that negotiates `acme-tls/1` without this setting: [`accept`](Self::accept) returns an error of the kind
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), which does not count as a
    /// [failure](Self::on_handshake_failure). [`QuicTls`](crate::QuicTls) ignores this setting, because challenges come
    /// over TCP. The guide shows [a server with rustls-acme](crate::guide::certificates#certificates-from-an-acme-server).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::{TlsAcceptor, VirtualHosts};
    ///
    /// // `challenges` has a certificate resolver for challenges, and the ALPN protocol `acme-tls/1`.
    /// fn acceptor(hosts: VirtualHosts, challenges: Arc<rustls::ServerConfig>) -> TlsAcceptor {
    ///     TlsAcceptor::from(hosts).acme_challenges(challenges)
    /// }
    /// ```
    #[must_use]
    pub fn acme_challenges(mut self, config: Arc<ServerConfig>) -> Self {
        Arc::make_mut(&mut self.handshakes)
            .chooser
            .challenges(config);
        self
    }

    /// Sets a callback that gets every handshake that failed or was refused. The last call wins.
    ///
    /// Use it to count failures by [reason](HandshakeFailure::reason). On the internet most of them are scanners and
    /// clients that go away, and none of them concerns another connection. The callback must not block.
    ///
    /// A health check of a gateway is not a failure: a connection whose PROXY protocol header names no client, or the
    /// gateway itself, and that ends before its handshake is complete.
    ///
    /// [`QuicTls`](crate::QuicTls) calls it for the handshakes that it refuses. quinn returns the other failures to the
    /// caller. quinn locks the endpoint meanwhile, so the callback must not call methods of the endpoint. If it panics,
    /// the connection is closed, and no other. Only [`accept`](Self::accept) passes the panic on to its caller.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::{Arc, Mutex};
    /// use tower_misdirected::{TlsAcceptor, VirtualHosts};
    ///
    /// fn acceptor(hosts: VirtualHosts, failures: Arc<Mutex<HashMap<&'static str, u64>>>) -> TlsAcceptor {
    ///     TlsAcceptor::from(hosts).on_handshake_failure(move |failure| {
    ///         let mut failures = failures.lock().unwrap();
    ///         *failures.entry(failure.reason().as_str()).or_default() += 1;
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn on_handshake_failure(
        mut self,
        callback: impl Fn(&HandshakeFailure<'_>) + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.handshakes)
            .chooser
            .on_failure(callback);
        self
    }

    fn endings(&mut self) -> &mut Endings {
        Arc::make_mut(&mut Arc::make_mut(&mut self.handshakes).endings)
    }

    /// Runs the server's side of a handshake. If `io` is a `TcpStream`, it also records the addresses of the socket.
    ///
    /// The future does not borrow the acceptor. Spawn it, or poll it concurrently with the next accept, because
    /// a client may be slow. [`TlsListener`](crate::TlsListener) does so.
    ///
    /// # Errors
    ///
    /// An error concerns this connection only. It goes to
    /// [`on_handshake_failure`](Self::on_handshake_failure), and with the feature `tracing` it is logged at debug level,
    /// with at most 400 octets of its text. If you log it too, limit its length: an error of rustls can quote a client certificate
    /// of up to 64 KiB.
    ///
    /// - the error of the transport or of rustls
    /// - [`TimedOut`](io::ErrorKind::TimedOut), if the handshake exceeded its time limit
    /// - [`InvalidData`](io::ErrorKind::InvalidData), if no virtual host has the server name and there is no
    ///   default, or if a peer that has to send a PROXY protocol header sent none or an invalid one
    /// - [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), if the handshake was an
    ///   [ACME challenge](Self::acme_challenges), and is complete
    /// - [`Other`](io::ErrorKind::Other), if this handshake was ended because too many were pending
    pub fn accept<IO>(&self, io: IO) -> impl Future<Output = io::Result<TlsStream<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.accept_given(io, None)
    }

    /// Runs the server's side of a handshake on a transport whose addresses the caller knows.
    ///
    /// So a wrapper of a `TcpStream`, a tunnel or a virtual socket has the same
    /// [`peer_addr`](crate::ConnectionInfo::peer_addr) and [`local_addr`](crate::ConnectionInfo::local_addr) as a
    /// `TcpStream`. A handshake without a server name gets the virtual host of the given local address. If `io` is a
    /// `TcpStream`, an address that is not given is the address of the socket.
    ///
    /// In all else it is like [`accept`](Self::accept), errors included.
    ///
    /// ```
    /// use std::io;
    /// use std::net::SocketAddr;
    ///
    /// use tokio::io::{AsyncRead, AsyncWrite};
    /// use tower_misdirected::{Addresses, TlsAcceptor, TlsStream};
    ///
    /// async fn accept<IO>(tls: &TlsAcceptor, io: IO, peer: SocketAddr) -> io::Result<TlsStream<IO>>
    /// where
    ///     IO: AsyncRead + AsyncWrite + Unpin + 'static,
    /// {
    ///     let addresses = Addresses::new().peer_addr(peer);
    ///     let stream = tls.accept_with_addresses(io, addresses).await?;
    ///     assert_eq!(stream.connection_info().peer_addr(), Some(peer));
    ///     Ok(stream)
    /// }
    /// ```
    pub fn accept_with_addresses<IO>(
        &self,
        io: IO,
        addresses: Addresses,
    ) -> impl Future<Output = io::Result<TlsStream<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.accept_given(io, Some(Box::new(addresses)))
    }

    #[inline]
    pub(super) fn accept_given<IO>(
        &self,
        io: IO,
        given: Given,
    ) -> impl Future<Output = io::Result<TlsStream<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        Accepting::new(self.handshakes.clone(), io, given, refuse)
    }

    /// Returns whether the peer has to be known before the handshake.
    #[inline]
    pub(super) fn asks_for_peer(&self) -> bool {
        self.handshakes.asks_for_peer()
    }

    /// Offers `h2` and `http/1.1` under a configuration without ALPN protocols.
    pub(super) fn for_http(mut self) -> Self {
        Arc::make_mut(&mut self.handshakes).transport = Transport::TcpForHttp;
        self
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.handshakes.pending
    }

    /// Returns what QUIC shares with this acceptor.
    #[cfg(feature = "quinn")]
    pub(crate) fn chooser(&self) -> Chooser {
        self.handshakes.chooser.clone()
    }
}

impl From<Arc<ServerConfig>> for TlsAcceptor {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::new(config)
    }
}

/// The server name of the ClientHello chooses the virtual host, and so the configuration.
impl From<VirtualHosts> for TlsAcceptor {
    fn from(hosts: VirtualHosts) -> Self {
        Self::with_chooser(Chooser::virtual_hosts(hosts))
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor")
            .field("handshake_timeout", &self.handshakes.timeout)
            .finish_non_exhaustive()
    }
}
