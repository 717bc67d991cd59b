//! The acceptor. Its settings live in `settings`, running a handshake in `accepting`, and choosing the configuration of a
//! handshake in `handshake`.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use super::accepting::{Accepting, Handshakes};
use super::refuse::refuse;
use super::stream::TlsStream;
use crate::handshake::{Chooser, FailureReason, Transport};
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
        self.handshakes().transport = Transport::TcpForHttp;
        self
    }

    /// Returns how many handshakes have failed or were refused for each reason, since the acceptor was made. All clones
    /// of an acceptor count together, [`QuicTls`](crate::QuicTls) included.
    ///
    /// A [callback](Self::on_handshake_failure) gets each failure with its text and its addresses.
    ///
    /// ```
    /// use tower_misdirected::TlsAcceptor;
    ///
    /// fn metrics(acceptor: &TlsAcceptor) -> String {
    ///     let lines = acceptor.handshake_failures().map(|(reason, count)| {
    ///         format!("tls_handshake_failures_total{{reason=\"{}\"}} {count}\n", reason.as_str())
    ///     });
    ///     lines.collect()
    /// }
    /// ```
    pub fn handshake_failures(&self) -> impl Iterator<Item = (FailureReason, u64)> + use<> {
        self.handshakes.chooser.failures().counts()
    }

    /// Returns the settings, for this acceptor and its later clones alone.
    pub(super) fn handshakes(&mut self) -> &mut Handshakes {
        Arc::make_mut(&mut self.handshakes)
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
