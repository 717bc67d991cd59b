//! QUIC: the ClientHello chooses the configuration here too, and what the handshake presented is recorded
//! in the same way as over TCP.
//!
//! quinn asks for a session before it has seen the ClientHello. So a session begins as one that only
//! collects CRYPTO frames until the ClientHello is whole.

mod client_hello;
mod session;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use quinn_proto::crypto::{self, Keys, UnsupportedVersion};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, TransportError, TransportErrorCode};
use rustls::quic::{ServerConnection, Version};

use self::session::{HandshakeData, Session};
use crate::acceptor::{TlsAcceptor, Transport};
use crate::connection::ConnectionInfo;

/// TLS for HTTP/3: the crypto configuration of a quinn endpoint.
///
/// It chooses the configuration of a connection as [`TlsAcceptor`] does, by the ClientHello, and records
/// what the handshake presented. It is made from whatever a `TlsAcceptor` is made from; one acceptor for
/// TCP and QUIC shares the names of certificates. What the handshake was is told by
/// [`ConnectionInfo::from_quinn`], and the layer then judges HTTP/3 requests like all others.
///
/// `Q` makes the sessions of one configuration: [`quinn::crypto::rustls::QuicServerConfig`], which exists
/// once a crypto provider is chosen among quinn's features.
///
/// The configurations need TLS 1.3, and `h3` among their ALPN protocols (RFC 9114 §3.1). A connection
/// whose configuration cannot do it is refused, and the client falls back to TCP. 0-RTT is offered where
/// `max_early_data_size` is not 0 and, as rustls has it, sessions are kept in a store and not in tickets;
/// handlers must then bear replays (RFC 8470).
///
/// `quinn::Connection::handshake_data` gives what `from_quinn` reads, and not quinn's own type for rustls.
///
/// [`quinn::crypto::rustls::QuicServerConfig`]: https://docs.rs/quinn/0.11/quinn/crypto/rustls/struct.QuicServerConfig.html
///
/// ```no_run
/// use std::sync::Arc;
///
/// use quinn::crypto::rustls::QuicServerConfig;
/// use tower_misdirected::{ConnectionInfo, QuicTls, VirtualHosts};
///
/// # async fn serve(hosts: VirtualHosts) -> Result<(), Box<dyn std::error::Error>> {
/// let tls = QuicTls::<QuicServerConfig>::new(hosts)?;
/// let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
/// let endpoint = quinn::Endpoint::server(config, "0.0.0.0:443".parse()?)?;
///
/// while let Some(incoming) = endpoint.accept().await {
///     tokio::spawn(async move {
///         let connection = incoming.await?;
///         let info = ConnectionInfo::from_quinn(&connection);
///         // Serve h3 on the connection, and insert `info` into the extensions of every request.
///         # drop(info);
///         Ok::<_, quinn::ConnectionError>(())
///     });
/// }
/// # Ok(())
/// # }
/// ```
pub struct QuicTls<Q> {
    acceptor: TlsAcceptor,
    /// For what comes before the ClientHello, and depends on no secret (RFC 9001 §5.2, §5.8).
    initial: Arc<Q>,
}

impl<Q> QuicTls<Q>
where
    Q: TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>,
{
    /// Takes anything that makes a [`TlsAcceptor`]. Its limits do not apply: quinn has its own.
    ///
    /// # Errors
    ///
    /// [`QuicTlsError`] where not one of the configurations can serve QUIC.
    pub fn new(tls: impl Into<TlsAcceptor>) -> Result<Self, QuicTlsError> {
        let acceptor = tls.into();
        let mut error: Box<dyn Error + Send + Sync> = "there is no configuration".into();
        for mut config in acceptor.configs() {
            Transport::Quic.fit(Arc::make_mut(&mut config));
            match prepare::<Q>(config) {
                Ok(initial) => {
                    let initial = Arc::new(initial);
                    return Ok(Self { acceptor, initial });
                }
                Err(reason) => error = reason,
            }
        }
        Err(QuicTlsError(error))
    }
}

/// What makes the sessions of one configuration, or why it cannot.
fn prepare<Q>(config: Arc<rustls::ServerConfig>) -> Result<Q, Box<dyn Error + Send + Sync>>
where
    Q: TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>,
{
    // quinn would panic on a configuration that rustls does not take for QUIC.
    ServerConnection::new(config.clone(), Version::V1, Vec::new())?;
    Ok(Q::try_from(config)?)
}

impl<Q> crypto::ServerConfig for QuicTls<Q>
where
    Q: crypto::ServerConfig
        + TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>
        + 'static,
{
    fn initial_keys(
        &self,
        version: u32,
        dst_cid: &ConnectionId,
    ) -> Result<Keys, UnsupportedVersion> {
        self.initial.initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.initial.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        params: &TransportParameters,
    ) -> Box<dyn crypto::Session> {
        let params = *params;
        Box::new(Session::new(self, version, params))
    }
}

/// The end of the connection, for a reason that TLS has a number for (RFC 9001 §4.8).
fn alert(number: u8) -> TransportError {
    TransportError {
        code: TransportErrorCode::crypto(number),
        frame: None,
        reason: String::new(),
    }
}

impl ConnectionInfo {
    /// What the handshake of a QUIC connection was, and the address of its other end at present. The local
    /// address is not known: a connection tells its IP address alone.
    ///
    /// `None` where the endpoint's crypto configuration is no [`QuicTls`], and while the client is not
    /// known yet: after quinn's `into_0rtt`, until the handshake is complete or has resumed a session
    /// with 0-RTT. Nothing that a client sends arrives before, so ask when its first request has come.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// async fn accept(incoming: quinn::Incoming) -> Result<(), quinn::ConnectionError> {
    ///     let connection = incoming.await?;
    ///     if let Some(info) = ConnectionInfo::from_quinn(&connection) {
    ///         println!("for {:?}", info.server_name());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn from_quinn(connection: &quinn::Connection) -> Option<Self> {
        let data = connection
            .handshake_data()?
            .downcast::<HandshakeData>()
            .ok()?;
        let info = data.client_is_known.then_some(data.info)?;
        let info = info.peer_addr(connection.remote_address());
        Some(info.build())
    }
}

/// None of the TLS configurations can serve QUIC.
///
/// ```
/// use tower_misdirected::QuicTlsError;
///
/// fn report(error: QuicTlsError) {
///     // no TLS configuration can serve QUIC, which needs TLS 1.3 and its cipher suite
///     // TLS13_AES_128_GCM_SHA256: unexpected error: TLS 1.3 support is required for QUIC
///     eprintln!("{error}");
/// }
/// ```
#[derive(Debug)]
pub struct QuicTlsError(Box<dyn Error + Send + Sync>);

impl fmt::Display for QuicTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no TLS configuration can serve QUIC, which needs TLS 1.3 and its cipher suite \
             TLS13_AES_128_GCM_SHA256: {}",
            self.0
        )
    }
}

impl Error for QuicTlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl<Q> fmt::Debug for QuicTls<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTls").finish_non_exhaustive()
    }
}
