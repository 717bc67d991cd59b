//! The levels of strictness. `judge` implements each level.

/// The hosts that one connection may serve (RFC 9113 §9.1.1, RFC 9114 §3.3).
///
/// Each level refuses everything that the level before it refuses, and adds checks.
///
/// | level | the host must be |
/// |---|---|
/// | [`Unchecked`](Self::Unchecked) | allowed |
/// | [`Certificate`](Self::Certificate) | covered by the certificate that the handshake presented |
/// | [`SameTlsConfig`](Self::SameTlsConfig), the default | a host with the TLS configuration of the connection |
/// | [`SameVirtualHost`](Self::SameVirtualHost) | matched by the virtual host of the handshake |
/// | [`Never`](Self::Never) | the server name of the handshake |
///
/// On a server with one `ServerConfig` and no [`VirtualHosts`](crate::VirtualHosts), the three middle levels are the
/// same.
///
/// ```
/// use tower_misdirected::{Coalescing, MisdirectedLayer};
///
/// assert_eq!(Coalescing::default(), Coalescing::SameTlsConfig);
/// let layer = MisdirectedLayer::new().coalescing(Coalescing::Never);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Coalescing {
    /// Serves any host on any connection. The layer checks only the host against
    /// [`allowed_hosts`](crate::MisdirectedLayer::allowed_hosts) and the port against
    /// [`ports`](crate::MisdirectedLayer::ports), unless [`strict_scheme`](crate::MisdirectedLayer::strict_scheme),
    /// [`require_tls`](crate::MisdirectedLayer::require_tls) or [`gateway`](crate::MisdirectedLayer::gateway) is set.
    ///
    /// Without these settings, this level needs no [`ConnectionInfo`](crate::ConnectionInfo), so it also suits plain
    /// HTTP.
    Unchecked,
    /// Requires that the certificate of the handshake covers the host. If the names of the certificate are unknown, the
    /// host must be the server name. [`check_certificate(false)`](crate::MisdirectedLayer::check_certificate) turns
    /// this requirement off, for this level and the stricter levels.
    Certificate,
    /// Also requires that the TLS configuration of the host is the configuration that accepted the connection. So a
    /// client cannot bypass, for example, a client certificate that the host requires.
    #[default]
    SameTlsConfig,
    /// Also requires that the host and the handshake matched the same virtual host (Gateway API, GEP-3567).
    SameVirtualHost,
    /// Also requires that the host is the server name. Without a server name, the layer serves only an IP address that
    /// the certificate covers, because SNI cannot carry an address (RFC 6066 §3).
    Never,
}
