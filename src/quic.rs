//! QUIC: the ClientHello chooses the configuration here too, and what the handshake presented is recorded
//! in the same way as over TCP.
//!
//! quinn asks for a session before it has seen the ClientHello. So the session here begins as one that
//! only collects CRYPTO frames until the ClientHello is whole, and then becomes the session of the
//! configuration that it chooses.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use quinn_proto::crypto::{
    self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::pki_types::CertificateDer;
use rustls::quic::{ServerConnection, Version};
use rustls::server::{Accepted, Acceptor};

use crate::acceptor::{Chosen, Recorder, TlsAcceptor, UNRECOGNIZED_NAME};
use crate::certificate::CertificateNames;
use crate::connection::{ConnectionInfo, ConnectionInfoBuilder, TlsVersion};
use crate::virtual_hosts::Binding;

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
/// `max_early_data_size` is not 0; handlers must then bear replays (RFC 8470).
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
        for config in acceptor.configs() {
            match prepare::<Q>(rustls::ServerConfig::clone(&config)) {
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
fn prepare<Q>(mut config: rustls::ServerConfig) -> Result<Q, Box<dyn Error + Send + Sync>>
where
    Q: TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>,
{
    if config.max_early_data_size != 0 {
        // The only other value over QUIC, which has its own flow control (RFC 9001 §4.6.1).
        config.max_early_data_size = u32::MAX;
    }
    let config = Arc::new(config);
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
        Box::new(Session {
            version,
            params: *params,
            state: State::Collecting(Box::default()),
            tls: self,
        })
    }
}

/// One connection's side of the handshake.
struct Session<Q> {
    tls: Arc<QuicTls<Q>>,
    version: u32,
    params: TransportParameters,
    state: State,
}

enum State {
    Collecting(Box<ClientHello>),
    Chosen(Handshake),
}

/// CRYPTO frames up to the end of the ClientHello, which may span packets.
#[derive(Default)]
struct ClientHello {
    acceptor: Acceptor,
    bytes: Vec<u8>,
}

/// The largest payload of a TLS record (RFC 8446 §5.1).
const MAX_RECORD: usize = 1 << 14;

impl ClientHello {
    /// Adds bytes, and returns the whole if it is one now. rustls parses it as it would over TCP, so the
    /// bytes are put into records (RFC 8446 §5.1), which QUIC leaves out (RFC 9001 §4).
    fn read(&mut self, bytes: &[u8]) -> Result<Option<Accepted>, TransportError> {
        self.bytes.extend_from_slice(bytes);
        for payload in bytes.chunks(MAX_RECORD) {
            let [high, low] = (payload.len() as u16).to_be_bytes();
            const HANDSHAKE: u8 = 22;
            let record = [&[HANDSHAKE, 3, 3, high, low], payload].concat();
            let mut record = &record[..];
            while !record.is_empty() {
                if self.acceptor.read_tls(&mut record).is_err() {
                    return Err(alert(DECODE_ERROR));
                }
                match self.acceptor.accept() {
                    Ok(None) => {}
                    Ok(whole) => return Ok(whole),
                    Err((_, mut sent)) => {
                        // The record of an alert ends with the alert's number.
                        let mut record = Vec::new();
                        let _ = sent.write_all(&mut record);
                        return Err(alert(record.last().copied().unwrap_or(DECODE_ERROR)));
                    }
                }
            }
        }
        Ok(None)
    }
}

const HANDSHAKE_FAILURE: u8 = 40;
const DECODE_ERROR: u8 = 50;

/// The end of the connection, for a reason that TLS has a number for (RFC 9001 §4.8).
fn alert(number: u8) -> TransportError {
    TransportError {
        code: TransportErrorCode::crypto(number),
        frame: None,
        reason: String::new(),
    }
}

/// A handshake under the configuration that the ClientHello chose.
struct Handshake {
    session: Box<dyn crypto::Session>,
    server_name: Option<String>,
    alpn: Option<Vec<u8>>,
    recorder: Arc<Recorder>,
    names: CertificateNames,
    binding: Option<Binding>,
}

impl<Q> Session<Q>
where
    Q: crypto::ServerConfig
        + TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>
        + 'static,
{
    fn choose(&self, accepted: &Accepted) -> Result<Handshake, TransportError> {
        let hello = accepted.client_hello();
        let Some(chosen) = self.tls.acceptor.choose(&hello) else {
            return Err(alert(UNRECOGNIZED_NAME));
        };
        let Chosen {
            mut config,
            recorder,
            binding,
        } = chosen;
        // What rustls is about to agree on: the first of ours that the client has too. It is left no
        // other choice, since a session of quinn's does not tell everyone.
        let offered: Vec<_> = hello.alpn().into_iter().flatten().collect();
        let mut ours = config.alpn_protocols.iter();
        let alpn = ours.find(|ours| offered.contains(&&***ours)).cloned();
        if let Some(alpn) = &alpn {
            config.alpn_protocols = vec![alpn.clone()];
        }
        let Ok(config) = prepare::<Q>(config) else {
            return Err(alert(HANDSHAKE_FAILURE));
        };
        Ok(Handshake {
            session: Arc::new(config).start_session(self.version, &self.params),
            server_name: hello.server_name().map(str::to_owned),
            alpn,
            recorder,
            names: CertificateNames::unknown(),
            binding,
        })
    }
}
impl<Q> Session<Q> {
    fn chosen(&self) -> Option<&Handshake> {
        match &self.state {
            State::Collecting(_) => None,
            State::Chosen(handshake) => Some(handshake),
        }
    }

    fn chosen_mut(&mut self) -> Option<&mut Handshake> {
        match &mut self.state {
            State::Collecting(_) => None,
            State::Chosen(handshake) => Some(handshake),
        }
    }
}

impl Handshake {
    fn read(&mut self, bytes: &[u8], tls: &TlsAcceptor) -> Result<bool, TransportError> {
        let ready = self.session.read_handshake(bytes)?;
        // The certificate is resolved while the ClientHello is read, and once more after a
        // HelloRetryRequest.
        if let Some(names) = tls.names_presented(&self.recorder) {
            self.names = names;
        }
        Ok(ready)
    }

    fn info(&self) -> ConnectionInfoBuilder {
        let identity = self.session.peer_identity();
        let chain = identity.and_then(|identity| identity.downcast::<Chain>().ok());
        let info = ConnectionInfo::tls()
            .server_name(self.server_name.as_deref())
            .certificate_names(self.names.clone())
            .client_certificates(chain.into_iter().flat_map(|chain| *chain))
            .tls_version(TlsVersion::V1_3)
            .binding(self.binding.clone());
        match &self.alpn {
            Some(alpn) => info.alpn(alpn),
            None => info,
        }
    }

    /// Whether the client is known: the handshake is complete, or it resumes a session, under whose
    /// client certificate 0-RTT data may come.
    fn client_is_known(&self) -> bool {
        !self.session.is_handshaking() || self.session.early_crypto().is_some()
    }
}

/// What a session tells of the client.
type Chain = Vec<CertificateDer<'static>>;

/// What our sessions tell quinn of a handshake.
struct HandshakeData {
    info: ConnectionInfoBuilder,
    client_is_known: bool,
}

impl<Q> crypto::Session for Session<Q>
where
    Q: crypto::ServerConfig
        + TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>
        + 'static,
{
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        debug_assert_eq!(side, Side::Server);
        match self.tls.initial.initial_keys(self.version, dst_cid) {
            Ok(keys) => keys,
            // There are no sessions of versions that it rejects.
            Err(UnsupportedVersion) => unreachable!(),
        }
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let handshake = self.chosen()?;
        handshake.session.handshake_data()?;
        Some(Box::new(HandshakeData {
            info: handshake.info(),
            client_is_known: handshake.client_is_known(),
        }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.chosen()?.session.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.chosen()?.session.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.chosen()?.session.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.chosen()
            .is_none_or(|handshake| handshake.session.is_handshaking())
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        match &mut self.state {
            State::Chosen(handshake) => handshake.read(bytes, &self.tls.acceptor),
            State::Collecting(hello) => {
                let Some(accepted) = hello.read(bytes)? else {
                    return Ok(false);
                };
                let bytes = std::mem::take(&mut hello.bytes);
                let mut handshake = self.choose(&accepted)?;
                let ready = handshake.read(&bytes, &self.tls.acceptor)?;
                self.state = State::Chosen(handshake);
                Ok(ready)
            }
        }
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        match self.chosen() {
            Some(handshake) => handshake.session.transport_parameters(),
            None => Ok(None),
        }
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        self.chosen_mut()?.session.write_handshake(buffer)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.chosen_mut()?.session.next_1rtt_keys()
    }

    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        // Only servers send a Retry packet (RFC 9000 §17.2.5).
        false
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        let handshake = self.chosen().ok_or(ExportKeyingMaterialError)?;
        handshake
            .session
            .export_keying_material(output, label, context)
    }
}

impl ConnectionInfo {
    /// What the handshake of a QUIC connection was, and the address of its other end at present.
    ///
    /// `None` where the endpoint's crypto configuration is no [`QuicTls`], and while the client is not
    /// known yet: after quinn's `into_0rtt`, until the handshake is complete or has resumed a session
    /// with 0-RTT. Nothing that a client sends arrives before, so ask when its first request has come.
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
