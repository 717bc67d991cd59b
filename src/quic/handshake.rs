//! A QUIC handshake under the configuration that was chosen by its ClientHello. Collecting the ClientHello lives in
//! `session`.

use std::error::Error;
use std::sync::Arc;

use quinn_proto::TransportError;
use quinn_proto::crypto::{self, Keys};
use quinn_proto::transport_parameters::TransportParameters;
use rustls::pki_types::CertificateDer;
use rustls::quic::{ServerConnection, Version};

use super::alert::{HANDSHAKE_FAILURE, NO_APPLICATION_PROTOCOL, alert};
use super::server_hello;
use crate::certificate::CertificateNames;
use crate::connection::{Facts, Flag, Security, TlsVersion};
use crate::handshake::{
    Chooser, Chosen, Ended, FailureReason, HandshakeFailure, Recorder, Transport, UNRECOGNIZED_NAME,
};
use crate::host::Host;
use crate::virtual_hosts::Binding;

/// A type that creates the sessions of one configuration, such as quinn's `QuicServerConfig`.
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

/// Returns the type that creates the sessions of one configuration.
pub(super) fn prepare<Q>(
    config: Arc<rustls::ServerConfig>,
) -> Result<Q, Box<dyn Error + Send + Sync>>
where
    Q: TryFrom<Arc<rustls::ServerConfig>, Error: Error + Send + Sync + 'static>,
{
    // quinn panics on a configuration that rustls does not accept for QUIC.
    ServerConnection::new(config.clone(), Version::V1, Vec::new())?;
    Ok(Q::try_from(config)?)
}

/// Reports a refused handshake to the operator. A session does not know the address of its peer.
fn report(
    chooser: &Chooser,
    (server_name, binding): (Option<&Host>, Option<&Binding>),
    error: &(dyn Error + Send + Sync + 'static),
    reason: FailureReason,
) {
    chooser.report(&HandshakeFailure {
        error,
        reason,
        peer_addr: None,
        client_addr: None,
        server_name,
        virtual_host: binding.map(Binding::virtual_host),
    });
}

pub(super) struct Handshake {
    pub(super) session: Box<dyn crypto::Session>,
    server_name: Option<Host>,
    alpn: Option<Vec<u8>>,
    recorder: Arc<Recorder>,
    names: CertificateNames,
    binding: Option<Binding>,
    resumed: bool,
}

impl Handshake {
    /// Starts a session of `Q` under the configuration that is chosen by the ClientHello.
    pub(super) fn start<Q: MakesSessions>(
        chooser: &Chooser,
        hello: &rustls::server::ClientHello<'_>,
        version: u32,
        params: &TransportParameters,
    ) -> Result<Self, TransportError> {
        // A session does not know its local address.
        let Some(chosen) = chooser.choose(hello, Transport::Quic, || None) else {
            let server_name = hello.server_name().map(str::to_owned);
            let ended = Ended::UnrecognizedName(server_name);
            report(
                chooser,
                (None, None),
                &ended,
                FailureReason::UnrecognizedName,
            );
            return Err(alert(UNRECOGNIZED_NAME));
        };
        let Chosen {
            mut config,
            recorder,
            binding,
            server_name,
            is_challenge: _,
        } = chosen;
        let failed = |error: &(dyn Error + Send + Sync + 'static)| {
            let chosen = (server_name.as_ref(), binding.as_ref());
            report(chooser, chosen, error, FailureReason::Transport);
        };
        // Such a configuration keeps its protocols for TCP, because rustls would accept any protocol without them.
        if !Transport::Quic.has_protocol(&config) {
            failed(&Ended::NoProtocol);
            return Err(alert(NO_APPLICATION_PROTOCOL));
        }
        // rustls will negotiate the first of our protocols that the client also offers. Only that protocol stays in the
        // configuration, because a session returns the negotiated protocol only in a type that quinn has with a crypto
        // provider.
        let offered: Vec<_> = hello.alpn().into_iter().flatten().collect();
        let mut ours = config.alpn_protocols.iter();
        let alpn = ours.find(|ours| offered.contains(&&***ours)).cloned();
        if let Some(alpn) = &alpn {
            Arc::make_mut(&mut config).alpn_protocols = vec![alpn.clone()];
        }
        let sessions = prepare::<Q>(config).map_err(|error| {
            failed(&*error);
            alert(HANDSHAKE_FAILURE)
        })?;
        let unread = || hello.server_name()?.parse().ok();
        Ok(Self {
            session: Arc::new(sessions).start_session(version, params),
            server_name: server_name.or_else(unread),
            alpn,
            recorder,
            names: CertificateNames::unknown(),
            binding,
            resumed: false,
        })
    }

    pub(super) fn read(&mut self, bytes: &[u8], chooser: &Chooser) -> Result<bool, TransportError> {
        let ready = self.session.read_handshake(bytes)?;
        // rustls asks for the certificate while it reads the ClientHello, and again after a HelloRetryRequest.
        if let Some(names) = chooser.names_presented(&self.recorder) {
            self.names = names;
        }
        Ok(ready)
    }

    /// Writes the messages of the session. quinn calls this directly after every `read`.
    pub(super) fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        let begin = buffer.len();
        let keys = self.session.write_handshake(buffer);
        // A session has no accessor for whether it resumes another session, but its ServerHello says so. The result of
        // the session store or the ticketer is not enough, because rustls may reject it.
        if let Some(resumes) = server_hello::resumes(&buffer[begin..]) {
            self.resumed = resumes;
        }
        keys
    }

    /// Returns the data about the handshake for quinn.
    pub(super) fn data(&self) -> HandshakeData {
        HandshakeData {
            facts: self.facts(),
            client_is_known: self.client_is_known(),
        }
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts::new(Security::Tls);
        facts.set_server_name(self.server_name.clone());
        facts.certificate_names = self.names.clone();
        facts.tls_version = Some(TlsVersion::V1_3);
        facts.alpn = self.alpn.as_deref().map(Into::into);
        facts.set_chosen(self.binding.clone());
        facts.set(Flag::Resumed, self.resumed);
        let identity = self.session.peer_identity();
        if let Some(Ok(chain)) = identity.map(|identity| identity.downcast::<Chain>()) {
            facts.set_client_certificates(chain.iter());
        }
        facts
    }

    /// Returns whether the client is known: the handshake is complete, or it resumes a session, so that 0-RTT data may
    /// arrive under the client certificate of the session.
    fn client_is_known(&self) -> bool {
        !self.session.is_handshaking() || self.session.early_crypto().is_some()
    }
}

/// The type in which a session returns the certificates of the client.
type Chain = Vec<CertificateDer<'static>>;

/// The data about a handshake that a session returns to quinn.
pub(super) struct HandshakeData {
    pub(super) facts: Facts,
    pub(super) client_is_known: bool,
}
