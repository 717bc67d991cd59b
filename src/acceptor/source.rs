//! Which configuration a handshake gets, by its ClientHello.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::ClientHello;

use super::certificates::Certificates;
use super::recorder::{Recorder, record};
use super::sessions::Sessions;
use super::transport::Transport;
use crate::host::Host;
use crate::virtual_hosts::{Binding, VirtualHosts};

/// Where the configuration of the next connection comes from.
#[derive(Clone)]
pub(super) enum ConfigSource {
    Fixed(Arc<ServerConfig>),
    Current(Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>),
    Hosts(VirtualHosts),
}

/// A connection's own copy of the configuration that it got, fitted to its transport.
pub(crate) struct Chosen {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) recorder: Arc<Recorder>,
    /// The virtual host that it was, where there are any.
    pub(crate) binding: Option<Binding>,
    /// The server name that chose it, where one did.
    pub(crate) server_name: Option<Host>,
}

impl ConfigSource {
    /// The choice, where it needs no ClientHello.
    pub(super) fn fixed(&self, transport: Transport) -> Option<Chosen> {
        match self {
            Self::Fixed(config) => Some(Chosen::new(config, transport, None)),
            Self::Current(_) | Self::Hosts(_) => None,
        }
    }

    /// `None` where the handshake is to be refused with `unrecognized_name`.
    pub(super) fn choose(
        &self,
        client_hello: &ClientHello<'_>,
        transport: Transport,
    ) -> Option<Chosen> {
        let hosts = match self {
            Self::Fixed(config) => return Some(Chosen::new(config, transport, None)),
            Self::Current(current) => return Some(Chosen::new(&current(), transport, None)),
            Self::Hosts(hosts) => hosts,
        };
        let server_name = client_hello.server_name();
        let server_name = server_name.and_then(|name| name.parse().ok());
        let binding = Binding::new(hosts, server_name.as_ref());
        let host = binding.virtual_host()?;
        let mut chosen = Chosen::new(host.config(), transport, Some(host.sessions()));
        chosen.binding = Some(binding);
        chosen.server_name = server_name;
        Some(chosen)
    }

    #[cfg(feature = "quinn")]
    pub(super) fn configs(&self) -> Vec<Arc<ServerConfig>> {
        match self {
            Self::Fixed(config) => vec![config.clone()],
            Self::Current(current) => vec![current()],
            Self::Hosts(hosts) => hosts.configs(),
        }
    }

    /// The certificates that were presented before by connections from this source.
    pub(super) fn certificates(&self) -> Arc<Certificates> {
        match self {
            Self::Hosts(hosts) => hosts.certificates().clone(),
            Self::Fixed(_) | Self::Current(_) => Arc::new(Certificates::new()),
        }
    }
}

impl Chosen {
    fn new(
        shared: &Arc<ServerConfig>,
        transport: Transport,
        sessions: Option<&Arc<Sessions>>,
    ) -> Self {
        let mut config = shared.clone();
        // A copy, since there is `shared`, and made where it stays.
        let own = Arc::make_mut(&mut config);
        let recorder = record(own);
        transport.fit(own);
        if let Some(sessions) = sessions {
            sessions.bind(own);
        }
        Self {
            config,
            recorder,
            binding: None,
            server_name: None,
        }
    }
}
