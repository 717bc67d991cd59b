//! The settings that a verdict depends on. The other settings and the lists of hosts live in `layer`.

use std::fmt;
use std::sync::Arc;

use super::coalescing::Coalescing;
use crate::connection::{ConnectionInfo, Security};
use crate::host::Sought;
use crate::peers::Peers;

/// The hosts that a layer serves.
pub(crate) trait HostSet: fmt::Debug + Send + Sync {
    fn contains(&self, host: &Sought<'_>) -> bool;
}

#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) coalescing: Coalescing,
    pub(crate) check_certificate: bool,
    pub(crate) allowed_hosts: Option<Arc<dyn HostSet>>,
    pub(crate) ports: Option<Arc<[u16]>>,
    pub(crate) strict_scheme: bool,
    pub(crate) require_tls: bool,
    /// The peers that may use plaintext, because they terminate TLS. `None` allows every peer.
    pub(crate) gateways: Option<Peers>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            coalescing: Coalescing::default(),
            check_certificate: true,
            allowed_hosts: None,
            ports: None,
            strict_scheme: false,
            require_tls: false,
            gateways: None,
        }
    }
}

impl Rules {
    /// Returns whether a verdict needs to know the connection.
    #[inline]
    pub(super) fn need_connection(&self) -> bool {
        let without_tls = self.require_tls || self.gateways.is_some();
        self.coalescing > Coalescing::Unchecked || self.strict_scheme || without_tls
    }

    /// Returns who terminated TLS on a connection that is not a TLS connection of this server.
    #[inline(never)]
    pub(super) fn security_without_tls(&self, connection: &ConnectionInfo) -> Security {
        let gateways = self.gateways.as_ref();
        match gateways.is_some_and(|gateways| gateways.contains_peer(connection.peer_addr())) {
            true => Security::TrustedGateway,
            false => connection.security(),
        }
    }

    /// Returns who terminated TLS if a request has no connection info. It is known if every peer is a gateway. Without
    /// a list of hosts nothing would be checked, so a list is required too.
    #[inline]
    pub(super) fn security_of_unknown(&self) -> Option<Security> {
        let gateways = self
            .gateways
            .as_ref()
            .filter(|_| self.allowed_hosts.is_some());
        gateways
            .is_some_and(Peers::is_any)
            .then_some(Security::TrustedGateway)
    }
}
