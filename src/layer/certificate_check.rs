//! The setting that leaves the certificate out of the verdict, and what it is for. The levels of strictness are in
//! `verdict`.

use super::misdirected_layer::MisdirectedLayer;

impl<R> MisdirectedLayer<R> {
    /// Sets whether the certificate that the handshake presented must cover the host. On by default, at
    /// [`Coalescing::Certificate`](crate::Coalescing::Certificate) and above.
    ///
    /// Turn it off in two cases:
    ///
    /// - The server is behind a proxy that opens TLS connections of its own, and its certificate is an internal one
    ///   that does not cover the public hosts.
    /// - The server is a gateway that must decide by virtual hosts alone, as the Gateway API (GEP-3567) prescribes. Use
    ///   it with [`Coalescing::SameVirtualHost`](crate::Coalescing::SameVirtualHost).
    ///
    /// All other checks stay. At `SameTlsConfig`, the default level, a host is served only under its own TLS
    /// configuration. So with [`VirtualHosts`](crate::VirtualHosts), a connection without a server name reaches the
    /// hosts that share the configuration of the default, and no host that requires client certificates. At
    /// [`Coalescing::Never`](crate::Coalescing::Never), an IP address still passes only if the certificate covers it.
    ///
    /// # Security
    ///
    /// Without virtual hosts, nothing is left to compare on a server with one TLS configuration: below
    /// `Coalescing::Never`, every connection serves every host. Set
    /// [`allowed_hosts`](Self::allowed_hosts) too. Leave the check on if clients connect directly: an `https` request
    /// must come over a connection that a certificate for its host secured (RFC 9110 §7.4).
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
