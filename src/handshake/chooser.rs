//! Chooses the configuration of a handshake by its ClientHello. Running the handshake lives in `tls` and `quic`.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::ClientHello;

use super::failure::{HandshakeFailure, OnFailure, are_logged};
use super::failures::Failures;
use super::recorder::Recorder;
use super::transport::{ACME_TLS, Transport};
use crate::certificate::{CertificateNames, Certificates};
use crate::host::Host;
use crate::sessions::Sessions;
use crate::virtual_hosts::{Binding, VirtualHost, VirtualHosts};

/// The alert for a server name that no virtual host matches (RFC 6066 §3).
pub(crate) const UNRECOGNIZED_NAME: u8 = 112;

/// Chooses the configuration of each handshake, and caches the names of presented certificates. Clones share the cache.
#[derive(Clone)]
pub(crate) struct Chooser {
    source: Source,
    certificates: Arc<Certificates>,
    /// The configuration of handshakes that are ACME challenges.
    challenges: Option<Arc<ServerConfig>>,
    failures: Arc<Failures>,
    on_failure: Option<OnFailure>,
}

/// The source of the configuration of the next connection.
#[derive(Clone)]
enum Source {
    Fixed(Arc<ServerConfig>, Arc<Sessions>),
    Current(Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>),
    Hosts(VirtualHosts),
}

/// The configuration chosen for a connection: its own copy, adapted to its transport.
pub(crate) struct Chosen {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) recorder: Arc<Recorder>,
    /// The virtual host that was chosen. Without virtual hosts, every host has this configuration.
    pub(crate) binding: Option<Binding>,
    /// The server name, if the configuration was chosen by it.
    pub(crate) server_name: Option<Host>,
    /// Whether the handshake is an ACME challenge, so that nothing may follow it.
    pub(crate) is_challenge: bool,
}

impl Chosen {
    pub(crate) fn virtual_host(&self) -> Option<&VirtualHost> {
        self.binding.as_ref().map(Binding::virtual_host)
    }
}

impl Chooser {
    /// Chooses the same configuration for every handshake.
    pub(crate) fn fixed(config: Arc<ServerConfig>) -> Self {
        let sessions = Sessions::of(&config, None);
        Self::new(
            Source::Fixed(config, sessions),
            Arc::new(Certificates::new()),
        )
    }

    /// Calls `current` for the configuration of each handshake.
    pub(crate) fn current(current: Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>) -> Self {
        Self::new(Source::Current(current), Arc::new(Certificates::new()))
    }

    /// Chooses by virtual hosts. All choosers of the same virtual hosts share the cache of certificates.
    pub(crate) fn virtual_hosts(hosts: VirtualHosts) -> Self {
        let certificates = hosts.certificates().clone();
        Self::new(Source::Hosts(hosts), certificates)
    }

    fn new(source: Source, certificates: Arc<Certificates>) -> Self {
        Self {
            source,
            certificates,
            challenges: None,
            failures: Arc::default(),
            on_failure: None,
        }
    }

    /// Chooses `config` for the handshakes that are ACME challenges.
    pub(crate) fn challenges(&mut self, config: Arc<ServerConfig>) {
        self.challenges = Some(config);
    }

    /// Calls `callback` with every handshake that fails.
    pub(crate) fn on_failure(
        &mut self,
        callback: impl Fn(&HandshakeFailure<'_>) + Send + Sync + 'static,
    ) {
        self.on_failure = Some(Arc::new(callback));
    }

    /// Returns whether somebody learns of a failure: a callback or the log.
    #[inline]
    pub(crate) fn reports(&self) -> bool {
        self.on_failure.is_some() || are_logged()
    }

    /// Reports to the operator that a handshake has failed.
    #[cold]
    pub(crate) fn report(&self, failure: &HandshakeFailure<'_>) {
        self.failures.count(failure.reason);
        failure.report(self.on_failure.as_ref());
    }

    /// Returns the counters of failed handshakes.
    pub(crate) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Returns the chosen configuration, if the choice needs no ClientHello.
    pub(crate) fn choose_early(&self, transport: Transport) -> Option<Chosen> {
        match &self.source {
            Source::Fixed(config, sessions) if self.challenges.is_none() => {
                Some(Chosen::new(config, transport, sessions))
            }
            Source::Fixed(..) | Source::Current(_) | Source::Hosts(_) => None,
        }
    }

    /// Returns the chosen configuration, or `None` if the handshake must be refused with `unrecognized_name`. `local`
    /// is called for the local address if the client sent no server name.
    pub(crate) fn choose(
        &self,
        client_hello: &ClientHello<'_>,
        transport: Transport,
        local: impl FnOnce() -> Option<IpAddr>,
    ) -> Option<Chosen> {
        let challenges = self.challenges.as_ref().filter(|_| transport.is_tcp());
        if let Some(config) = challenges.filter(|_| is_challenge(client_hello)) {
            let sessions = Sessions::of(config, None);
            let mut chosen = Chosen::new(config, transport, &sessions);
            chosen.is_challenge = true;
            return Some(chosen);
        }
        let hosts = match &self.source {
            Source::Fixed(config, sessions) => {
                return Some(Chosen::new(config, transport, sessions));
            }
            Source::Current(current) => {
                let config = current();
                let sessions = Sessions::of(&config, None);
                return Some(Chosen::new(&config, transport, &sessions));
            }
            Source::Hosts(hosts) => hosts,
        };
        let server_name = client_hello.server_name();
        let selection = hosts.select_host(server_name.and_then(|name| name.parse().ok()), local)?;
        let id = selection.virtual_host().config_id();
        let sessions = Sessions::of(selection.config(), id);
        let mut chosen = Chosen::new(selection.config(), transport, &sessions);
        let (binding, server_name, _) = selection.into_parts();
        chosen.binding = Some(binding);
        chosen.server_name = server_name;
        Some(chosen)
    }

    /// Returns every configuration that a connection can get now.
    #[cfg(feature = "quinn")]
    pub(crate) fn configs(&self) -> Vec<Arc<ServerConfig>> {
        match &self.source {
            Source::Fixed(config, _) => vec![config.clone()],
            Source::Current(current) => vec![current()],
            Source::Hosts(hosts) => hosts.configs(),
        }
    }

    /// Returns the names of the certificate that was presented since the last call.
    pub(crate) fn names_presented(&self, recorder: &Recorder) -> Option<CertificateNames> {
        let key = recorder.presented()?;
        Some(self.certificates.names(&key))
    }
}

/// Returns whether the client offers only the protocol of ACME challenges, as a validating ACME server does
/// (RFC 8737 §3).
fn is_challenge(client_hello: &ClientHello<'_>) -> bool {
    let Some(mut offered) = client_hello.alpn() else {
        return false;
    };
    offered.next() == Some(ACME_TLS) && offered.next().is_none()
}

impl Chosen {
    fn new(shared: &Arc<ServerConfig>, transport: Transport, sessions: &Arc<Sessions>) -> Self {
        let mut config = shared.clone();
        // Because `shared` holds a reference too, this copies the configuration, and the copy stays in its `Arc`.
        let own = Arc::make_mut(&mut config);
        let recorder = Recorder::install(own);
        transport.fit(own);
        sessions.bind(own);
        Self {
            config,
            recorder,
            binding: None,
            server_name: None,
            is_challenge: false,
        }
    }
}
