//! The acceptor. Its settings live in `settings`, running a handshake lives in `accepting`, and choosing the
//! configuration of a handshake lives in `handshake`.

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

/// An acceptor for TLS connections that uses rustls and records what each handshake presented.
///
/// Create an acceptor from an `Arc<ServerConfig>`, from [`VirtualHosts`], or from axum-server's `RustlsConfig`. One
/// acceptor is enough for a server: clones share the parsed certificates and the bound on pending handshakes.
///
/// - With `axum::serve` or your own accept loop over TCP, pass it to [`TlsListener`](crate::TlsListener).
/// - With axum-server, pass it as the acceptor: `axum_server::bind(addr).acceptor(TlsAcceptor::from(config))`.
/// - For a transport other than TCP, call [`accept`](Self::accept) or
///   [`accept_with_addresses`](Self::accept_with_addresses), and insert the stream's
///   [`ConnectionInfo`](crate::ConnectionInfo) into the extensions of every request.
///
/// # The configuration of a connection
///
/// The acceptor accepts each connection under a copy of the configuration, with these changes:
///
/// - The certificate resolver records the presented certificate.
/// - The session store and the ticketer resume only sessions that began under the same `Arc`, or under the same
///   [id](crate::VirtualHostsBuilder::config_id).
/// - Early data is disabled, because tokio-rustls cannot read it.
/// - `h3` is removed from the ALPN protocols, because it only works over QUIC.
///
/// Set the ALPN protocols `h2` and `http/1.1` in the configuration. rustls sets none by default, and clients then use
/// HTTP/1.1. [`TlsListener`](crate::TlsListener#http2) and axum-server offer both by default.
///
/// # Example
///
/// A handshake on an in-memory transport:
///
/// ```
/// use std::sync::Arc;
///
/// use tower_misdirected::TlsAcceptor;
///
/// # use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let provider = Arc::new(ring::default_provider());
/// # let pair = rcgen::generate_simple_self_signed(["www.example".to_owned()])?;
/// # let key = PrivateKeyDer::Pkcs8(pair.signing_key.serialize_der().into());
/// # let config = ServerConfig::builder_with_provider(provider.clone())
/// #     .with_safe_default_protocol_versions()?
/// #     .with_no_client_auth()
/// #     .with_single_cert(vec![pair.cert.der().clone()], key)?;
/// # let mut roots = RootCertStore::empty();
/// # roots.add(pair.cert.der().clone())?;
/// # let client = ClientConfig::builder_with_provider(provider)
/// #     .with_safe_default_protocol_versions()?
/// #     .with_root_certificates(roots)
/// #     .with_no_client_auth();
/// # let client = tokio_rustls::TlsConnector::from(Arc::new(client));
/// # let (client_side, transport) = tokio::io::duplex(1 << 14);
/// # let client = client.connect("www.example".try_into()?, client_side);
/// let acceptor = TlsAcceptor::new(Arc::new(config));
/// let accepting = acceptor.accept(transport);
/// # let (stream, _client) = tokio::join!(accepting, client);
/// # let accepting = std::future::ready(stream);
/// let stream = accepting.await?;
/// let info = stream.connection_info();
/// assert_eq!(info.server_name(), Some("www.example"));
/// assert_eq!(info.certificate_names().to_strings(), ["www.example"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TlsAcceptor {
    handshakes: Arc<Handshakes>,
    transport: Transport,
}

impl TlsAcceptor {
    /// Creates an acceptor that accepts every connection under `config`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self::with_chooser(Chooser::fixed(config))
    }

    /// Creates an acceptor that calls `current` to get the configuration of each new connection.
    ///
    /// The configuration can thus change while the server runs. The acceptor calls `current` once for each handshake,
    /// after the ClientHello has arrived. [`QuicTls::new`](crate::QuicTls::new) also calls it once. `current` must not
    /// block.
    ///
    /// # Security
    ///
    /// Open connections keep their configuration, and the layer judges them by it. If `current` starts to return a
    /// stricter configuration, the layer still serves requests on open connections under the old configuration. With
    /// [`VirtualHosts`], the layer judges open connections by the new configuration after
    /// [`replace`](VirtualHosts::replace). For a server with a single configuration, use virtual hosts with only a
    /// [default](crate::VirtualHostsBuilder::default).
    ///
    /// A session resumes only under the `Arc` under which it began. So return clones of the same `Arc` until the
    /// configuration changes. If `current` builds a new `Arc` for every handshake, no session ever resumes. With
    /// virtual hosts, sessions can outlive the `Arc` if the configuration has an
    /// [id](crate::VirtualHostsBuilder::config_id).
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
                timeout: HANDSHAKE_TIMEOUT,
                pending: Arc::new(Pending::new(MAX_PENDING_HANDSHAKES)),
                endings: Arc::default(),
                #[cfg(feature = "proxy-protocol")]
                proxy_protocol: None,
            }),
            transport: Transport::Tcp,
        }
    }

    /// Runs the server side of a handshake. If `io` is a `TcpStream`, the acceptor also records the addresses of the
    /// socket.
    ///
    /// The future does not borrow the acceptor. Because a client may be slow, spawn the future or poll it concurrently
    /// with the next accept, as [`TlsListener`](crate::TlsListener) does.
    ///
    /// # Errors
    ///
    /// An error affects only this connection. It is passed to [`on_handshake_failure`](Self::on_handshake_failure), and
    /// with the feature `tracing` it is logged at debug level with at most 400 octets of its text. If you log the error
    /// too, limit its length: an error of rustls can contain a client certificate of up to 64 KiB.
    ///
    /// - the error of the transport or of rustls, if reading, writing or TLS failed
    /// - [`TimedOut`](io::ErrorKind::TimedOut), if the handshake exceeded the [time limit](Self::handshake_timeout)
    /// - [`InvalidData`](io::ErrorKind::InvalidData), if no virtual host matches the server name and there is no
    ///   default, or if a required PROXY protocol header is missing or invalid
    /// - [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), if an [ACME challenge](Self::acme_challenges) is
    ///   complete
    /// - [`Other`](io::ErrorKind::Other), if [too many handshakes](Self::max_pending_handshakes) were pending and this
    ///   one was the oldest
    pub fn accept<IO>(&self, io: IO) -> impl Future<Output = io::Result<TlsStream<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.accept_given(io, None)
    }

    /// Runs the server side of a handshake on a transport whose addresses the caller provides.
    ///
    /// Use it for a wrapper of a `TcpStream`, a tunnel or a virtual socket. The addresses become
    /// [`peer_addr`](crate::ConnectionInfo::peer_addr) and [`local_addr`](crate::ConnectionInfo::local_addr). A
    /// handshake without a server name selects the virtual host of the local address. If `io` is a `TcpStream`, a
    /// missing address is read from the socket.
    ///
    /// Otherwise like [`accept`](Self::accept), with the same errors.
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
        let (handshakes, transport) = (self.handshakes.clone(), self.transport);
        Accepting::new(handshakes, transport, io, given, refuse)
    }

    /// Returns whether the peer must be known before the handshake.
    #[inline]
    pub(super) fn asks_for_peer(&self) -> bool {
        self.handshakes.asks_for_peer()
    }

    /// Offers `h2` and `http/1.1` under a configuration without ALPN protocols.
    pub(crate) fn for_http(mut self) -> Self {
        self.transport = Transport::TcpForHttp;
        self
    }

    /// Returns the number of failed and refused handshakes for each reason, since the acceptor was created. All clones
    /// share the counters, and so does a [`QuicTls`](crate::QuicTls) created from the acceptor.
    ///
    /// For the text and the addresses of each failure, set a [callback](Self::on_handshake_failure).
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

    /// Returns the settings of this acceptor and of its later clones. Earlier clones keep the old settings.
    pub(super) fn handshakes(&mut self) -> &mut Handshakes {
        Arc::make_mut(&mut self.handshakes)
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.handshakes.pending
    }

    /// Returns the part of the acceptor that QUIC shares.
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

/// Creates an acceptor that selects the configuration of each handshake by the server name of the ClientHello.
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
