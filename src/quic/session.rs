//! A session that begins by collecting the ClientHello, and then becomes one of quinn's under the
//! configuration that the ClientHello chose.

use std::any::Any;
use std::error::Error;
use std::sync::Arc;

use quinn_proto::crypto::{
    self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError};
use rustls::pki_types::CertificateDer;

use super::client_hello::ClientHello;
use super::{QuicTls, alert, prepare};
use crate::acceptor::{Chosen, Recorder, TlsAcceptor, Transport, UNRECOGNIZED_NAME};
use crate::certificate::CertificateNames;
use crate::connection::{ConnectionInfo, ConnectionInfoBuilder, TlsVersion};
use crate::virtual_hosts::Binding;

const HANDSHAKE_FAILURE: u8 = 40;

/// What makes the sessions of one configuration.
pub(super) trait MakesSessions:
    crypto::ServerConfig
    + TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>
    + 'static
{
}

impl<Q> MakesSessions for Q where
    Q: crypto::ServerConfig
        + TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>
        + 'static
{
}

/// One connection's side of the handshake.
pub(super) struct Session<Q> {
    tls: Arc<QuicTls<Q>>,
    version: u32,
    params: TransportParameters,
    state: State,
}

enum State {
    Collecting(ClientHello),
    Chosen(Handshake),
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

impl<Q> Session<Q> {
    pub(super) fn new(tls: Arc<QuicTls<Q>>, version: u32, params: TransportParameters) -> Self {
        Self {
            tls,
            version,
            params,
            state: State::Collecting(ClientHello::default()),
        }
    }

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

impl<Q: MakesSessions> Session<Q> {
    fn choose(&self, hello: &rustls::server::ClientHello<'_>) -> Result<Handshake, TransportError> {
        let Some(chosen) = self.tls.acceptor.choose(hello, Transport::Quic) else {
            #[cfg(feature = "tracing")]
            tracing::debug!(
                server_name = hello.server_name(),
                "QUIC handshake refused: no virtual host for the server name, and no default"
            );
            return Err(alert(UNRECOGNIZED_NAME));
        };
        let Chosen {
            mut config,
            recorder,
            binding,
            server_name: _,
        } = chosen;
        // What rustls is about to agree on: the first of ours that the client has too. It is left no
        // other choice, for a session does not tell in a type that is there without a crypto provider.
        let offered: Vec<_> = hello.alpn().into_iter().flatten().collect();
        let mut ours = config.alpn_protocols.iter();
        let alpn = ours.find(|ours| offered.contains(&&***ours)).cloned();
        if let Some(alpn) = &alpn {
            Arc::make_mut(&mut config).alpn_protocols = vec![alpn.clone()];
        }
        let sessions = prepare::<Q>(config).map_err(|_error| {
            #[cfg(feature = "tracing")]
            tracing::debug!(error = ?_error, "QUIC handshake refused: its configuration cannot");
            alert(HANDSHAKE_FAILURE)
        })?;
        Ok(Handshake {
            session: Arc::new(sessions).start_session(self.version, &self.params),
            server_name: hello.server_name().map(str::to_owned),
            alpn,
            recorder,
            names: CertificateNames::unknown(),
            binding,
        })
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

/// What a session tells quinn of its handshake.
pub(super) struct HandshakeData {
    pub(super) info: ConnectionInfoBuilder,
    pub(super) client_is_known: bool,
}

impl<Q: MakesSessions> crypto::Session for Session<Q> {
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
                let Some(hello) = hello.read(bytes)? else {
                    return Ok(false);
                };
                let mut handshake = self.choose(&hello.accepted.client_hello())?;
                let ready = handshake.read(&hello.bytes, &self.tls.acceptor)?;
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
