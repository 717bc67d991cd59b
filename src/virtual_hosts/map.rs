//! The map from names to virtual hosts. It never changes once it is built; replacing it lives in `hosts`.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;

use super::sessions::Sessions;
use crate::host::{HostRef, NameMap};

/// One generation of virtual hosts.
pub(super) struct Map {
    pub(super) names: NameMap<VirtualHost>,
    pub(super) default: Option<VirtualHost>,
}

impl Map {
    #[inline]
    pub(super) fn get(&self, host: &HostRef<'_>) -> Option<&VirtualHost> {
        self.names.get(host).or(self.default.as_ref())
    }

    /// Returns every virtual host, once for each of its names.
    pub(super) fn entries(&self) -> impl Iterator<Item = &VirtualHost> {
        self.names.values().chain(&self.default)
    }
}

/// An entry of [`VirtualHosts`](crate::VirtualHosts): some names and the TLS configuration that serves them.
///
/// ```
/// use std::sync::Arc;
/// use rustls::ServerConfig;
/// use tower_misdirected::{VirtualHosts, VirtualHostsError};
///
/// fn example(config: Arc<ServerConfig>) -> Result<(), VirtualHostsError> {
///     let hosts = VirtualHosts::builder()
///         .virtual_host("site", ["example.com", "*.example.com"], config)
///         .build()?;
///     let host = hosts.get(&"www.example.com".parse().unwrap()).unwrap();
///     assert_eq!(host.id(), "site");
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct VirtualHost(Arc<Entry>);

struct Entry {
    id: Box<str>,
    config: Arc<ServerConfig>,
    sessions: Arc<Sessions>,
}

impl VirtualHost {
    pub(super) fn new(id: Box<str>, config: Arc<ServerConfig>, sessions: Arc<Sessions>) -> Self {
        Self(Arc::new(Entry {
            id,
            config,
            sessions,
        }))
    }

    /// Returns the id that the builder was given. It is the name if the virtual host has a single one, and
    /// `default` for a default of its own.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Returns the TLS configuration.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.0.config
    }

    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.0.sessions
    }
}

impl fmt::Debug for VirtualHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualHost").field(&self.id()).finish()
    }
}
