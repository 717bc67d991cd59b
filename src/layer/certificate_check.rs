//! The setting that turns the certificate check off. The levels of strictness live in `verdict`.

use super::misdirected_layer::MisdirectedLayer;

impl<R> MisdirectedLayer<R> {
    /// Sets whether the certificate that the handshake presented must cover the host. On by default, at
    /// [`Coalescing::Certificate`](crate::Coalescing::Certificate) and stricter levels.
    ///
    /// Turn this check off in two cases:
    ///
    /// - The server is behind a proxy that re-encrypts, and its internal certificate does not cover the public hosts.
    /// - The server is a gateway that must compare only virtual hosts, as the Gateway API (GEP-3567) prescribes. Use
    ///   [`Coalescing::SameVirtualHost`](crate::Coalescing::SameVirtualHost) too.
    ///
    /// All other checks stay. At `SameTlsConfig`, the default level, a host is served only under its own TLS
    /// configuration. So with [`VirtualHosts`](crate::VirtualHosts), a connection without a server name reaches only
    /// the hosts that share the TLS configuration of the default virtual host. At
    /// [`Coalescing::Never`](crate::Coalescing::Never), a connection without a server name serves an IP address only if
    /// the certificate covers the address.
    ///
    /// # Security
    ///
    /// On a server with one TLS configuration and no virtual hosts, no check is left: below `Coalescing::Never`, every
    /// connection serves every host. Set [`allowed_hosts`](Self::allowed_hosts) too.
    ///
    /// If clients connect directly, leave the check on. An `https` request must arrive on a connection that is secured
    /// with a certificate for its host (RFC 9110 §7.4).
    ///
    /// ```
    /// use tower_misdirected::{Coalescing, MisdirectedLayer};
    ///
    /// // Behind a proxy that re-encrypts:
    /// let layer = MisdirectedLayer::new().check_certificate(false);
    ///
    /// // A gateway:
    /// let layer = MisdirectedLayer::new()
    ///     .coalescing(Coalescing::SameVirtualHost)
    ///     .check_certificate(false);
    /// ```
    pub fn check_certificate(self, check: bool) -> Self {
        self.set(|settings| settings.rules.check_certificate = check)
    }
}
