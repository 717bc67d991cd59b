//! The crypto configuration of a quinn endpoint. The sessions that it starts live in `session`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use quinn_proto::ConnectionId;
use quinn_proto::crypto::{self, Keys, UnsupportedVersion};
use quinn_proto::transport_parameters::TransportParameters;

use super::handshake::prepare;
use super::session::Session;
use crate::handshake::{Chooser, Transport};
use crate::tls::TlsAcceptor;

/// The crypto configuration of a quinn endpoint, for HTTP/3.
///
/// Like [`TlsAcceptor`], it selects the TLS configuration of a connection by the ClientHello, and records what the
/// handshake presented. Create it from a `TlsAcceptor`, or from anything that converts into one. If TCP and QUIC use
/// clones of the same acceptor, they share the parsed certificates.
///
/// [`ConnectionInfo::from_quinn`](crate::ConnectionInfo::from_quinn) returns the facts about a connection. Insert the
/// `ConnectionInfo` into the extensions of every request. The layer then judges HTTP/3 requests like all others.
///
/// `Q` is the type that creates the sessions of one configuration. Use [`quinn::crypto::rustls::QuicServerConfig`],
/// which quinn provides if one of its features selects a crypto provider.
///
/// # Configurations
///
/// A configuration needs TLS 1.3 and the ALPN protocol `h3` (RFC 9114 §3.1). If a configuration cannot serve QUIC, its
/// handshakes are refused, and clients fall back to TCP.
///
/// QUIC offers 0-RTT if `max_early_data_size` is not 0 and the configuration keeps sessions in a store; rustls does not
/// offer 0-RTT with tickets. With 0-RTT, handlers must tolerate replays (RFC 8470).
///
/// `quinn::Connection::handshake_data` returns a private type that only `from_quinn` can read.
///
/// [`quinn::crypto::rustls::QuicServerConfig`]: https://docs.rs/quinn/0.11/quinn/crypto/rustls/struct.QuicServerConfig.html
///
/// ```
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
    chooser: Chooser,
    initial: Arc<Q>,
}

impl<Q> QuicTls<Q>
where
    Q: TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>,
{
    /// Creates the crypto configuration from anything that converts into a [`TlsAcceptor`]. The acceptor's time limit
    /// and bound on pending handshakes do not apply, because quinn has its own.
    ///
    /// # Errors
    ///
    /// Returns [`QuicTlsError`] if none of the configurations can serve QUIC.
    pub fn new(tls: impl Into<TlsAcceptor>) -> Result<Self, QuicTlsError> {
        let chooser = tls.into().chooser();
        let mut error = Unfit::NoProtocol;
        for mut config in chooser.configs() {
            if !Transport::Quic.has_protocol(&config) {
                continue;
            }
            Transport::Quic.fit(Arc::make_mut(&mut config));
            match prepare::<Q>(config) {
                Ok(initial) => {
                    let initial = Arc::new(initial);
                    return Ok(Self { chooser, initial });
                }
                Err(reason) => error = Unfit::Tls(reason),
            }
        }
        Err(QuicTlsError(error))
    }
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
        let (initial, chooser) = (self.initial.clone(), self.chooser.clone());
        Box::new(Session::new(initial, chooser, version, *params))
    }
}

/// Error returned when none of the TLS configurations can serve QUIC. The text has the reason of one of them. `Debug`
/// writes the same text as `Display`.
///
/// ```
/// use tower_misdirected::QuicTlsError;
///
/// fn report(error: QuicTlsError) {
///     // no TLS configuration can serve QUIC: TLS 1.3 support is required for QUIC; enable TLS 1.3, with its
///     // cipher suite TLS13_AES_128_GCM_SHA256, in at least one
///     eprintln!("{error}");
/// }
/// ```
pub struct QuicTlsError(Unfit);

enum Unfit {
    /// No configuration names an ALPN protocol for QUIC.
    NoProtocol,
    Tls(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for QuicTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no TLS configuration can serve QUIC: ")?;
        match &self.0 {
            Unfit::NoProtocol => {
                f.write_str("none offers HTTP/3; add `h3` to `alpn_protocols` of at least one")
            }
            Unfit::Tls(reason) => write!(
                f,
                "{}; enable TLS 1.3, with its cipher suite TLS13_AES_128_GCM_SHA256, in at least one",
                Reason(&**reason)
            ),
        }
    }
}

impl fmt::Debug for QuicTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// The text already says why, so the reason is no source.
impl Error for QuicTlsError {}

/// Writes an error of rustls without `unexpected error: ` before it.
struct Reason<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.downcast_ref() {
            Some(rustls::Error::General(reason)) => f.write_str(reason),
            _ => fmt::Display::fmt(self.0, f),
        }
    }
}

impl<Q> fmt::Debug for QuicTls<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTls").finish_non_exhaustive()
    }
}
