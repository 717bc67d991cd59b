//! The levels of strictness, from which users choose one. What each level refuses is decided in `judge`.

/// How far one connection may serve several hosts (RFC 9113 §9.1.1, RFC 9114 §3.3).
///
/// Each level refuses what the levels before it refuse, and more.
///
/// | level | the host must be |
/// |---|---|
/// | [`Unchecked`](Self::Unchecked) | allowed |
/// | [`Certificate`](Self::Certificate) | covered by the certificate that the handshake presented |
/// | [`SameTlsConfig`](Self::SameTlsConfig), the default | a host with the TLS configuration of the connection |
/// | [`SameVirtualHost`](Self::SameVirtualHost) | matched by the virtual host of the handshake |
/// | [`Never`](Self::Never) | the server name of the handshake |
///
/// A server with a single TLS configuration has a single virtual host. For such a server the three levels in
/// the middle are the same.
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
    /// Serves any host on any connection. Only the lists of hosts and ports decide, unless
    /// [`strict_scheme`](crate::MisdirectedLayer::strict_scheme),
    /// [`require_tls`](crate::MisdirectedLayer::require_tls) or [`gateway`](crate::MisdirectedLayer::gateway) is set.
    ///
    /// This level needs no [`ConnectionInfo`](crate::ConnectionInfo), so it also suits plain HTTP.
    Unchecked,
    /// Requires that the certificate of the handshake covers the host. If the names of the certificate are
    /// unknown, the host must be the server name. This level and those after it do not ask for the certificate if
    /// [`check_certificate`](crate::MisdirectedLayer::check_certificate) is off.
    Certificate,
    /// Also requires that the host has the TLS configuration that the connection was accepted under. So a
    /// client cannot avoid, for example, the check of a client certificate.
    #[default]
    SameTlsConfig,
    /// Also requires that the virtual host that matches the host is the one that served the handshake
    /// (Gateway API, GEP-3567).
    SameVirtualHost,
    /// Also requires that the host is the server name. Without a server name only an IP address passes, if
    /// the certificate covers it, because SNI cannot carry an address (RFC 6066 §3).
    Never,
}
