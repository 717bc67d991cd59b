//! The verdict: may this authority be served on this connection? One pure function over the
//! authority, the connection and the rules; the first rule that fails is the reason.

use std::sync::Arc;

use crate::authority::{Scheme, Target};
use crate::connection::{ConnectionInfo, Security};
use crate::names::NameMap;
use crate::rejection::Rejection;

/// How far one connection may serve several hosts (RFC 9113 §9.1.1, RFC 9114 §3.3). Each level
/// refuses what the ones before it refuse, and more.
///
/// | level | the host must be |
/// |---|---|
/// | [`Unchecked`](Self::Unchecked) | allowed |
/// | [`Certificate`](Self::Certificate) | covered by the certificate that the handshake presented |
/// | [`SameTlsConfig`](Self::SameTlsConfig), the default | one that would have got the same TLS configuration |
/// | [`SameVirtualHost`](Self::SameVirtualHost) | matched by the virtual host that served the handshake |
/// | [`Never`](Self::Never) | the server name of the handshake |
///
/// A server with a single TLS configuration has a single virtual host, so for it the three levels in
/// the middle are one.
///
/// ```
/// use tower_misdirected::{Coalescing, MisdirectedLayer};
///
/// assert_eq!(Coalescing::default(), Coalescing::SameTlsConfig);
/// let layer = MisdirectedLayer::new().coalescing(Coalescing::Never);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coalescing {
    /// Any connection will do; only the lists of hosts and ports decide, unless
    /// [`strict_scheme`](crate::MisdirectedLayer::strict_scheme) or
    /// [`require_tls`](crate::MisdirectedLayer::require_tls) is set. Needs no [`ConnectionInfo`], so it
    /// also serves plain HTTP.
    Unchecked,
    /// The certificate that the handshake presented covers the host. Where its names are unknown, the
    /// host must be the server name.
    Certificate,
    /// And the host's TLS configuration is the one that the connection was accepted under, so that,
    /// say, a client-certificate check cannot be side-stepped.
    #[default]
    SameTlsConfig,
    /// And the virtual host that matches the host is the one that served the handshake (Gateway API,
    /// GEP-3567).
    SameVirtualHost,
    /// And the host is the server name. Without a server name only an IP address passes, if the
    /// certificate covers it, since SNI cannot carry one (RFC 6066 §3).
    Never,
}

/// What the verdict is given by, besides the request and its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) coalescing: Coalescing,
    pub(crate) allowed_hosts: Option<Arc<NameMap<()>>>,
    pub(crate) ports: Option<Arc<[u16]>>,
    pub(crate) strict_scheme: bool,
    pub(crate) require_tls: bool,
}

#[inline]
pub(crate) fn judge(
    target: &Target<'_>,
    connection: Option<&ConnectionInfo>,
    rules: &Rules,
) -> Result<(), Rejection> {
    let host = &target.authority.host;

    let allowed = rules.allowed_hosts.as_deref();
    if allowed.is_some_and(|hosts| hosts.get(host).is_none()) {
        return Err(Rejection::UnknownHost);
    }
    let ports = rules.ports.as_deref();
    if ports.is_some_and(|ports| !port_listed(target, connection, ports)) {
        return Err(Rejection::UnknownPort);
    }

    let Some(connection) = connection else {
        return match rules.need_connection() {
            true => Err(Rejection::NoConnectionInfo),
            false => Ok(()),
        };
    };

    let security = connection.security();
    let plaintext = security == Security::Plaintext && rules.need_connection();
    if plaintext && (rules.require_tls || target.may_be_https()) {
        return Err(Rejection::InsecureConnection);
    }
    if rules.strict_scheme && !scheme_fits(target.scheme(), security) {
        return Err(Rejection::SchemeMismatch);
    }
    if security != Security::Tls {
        return Ok(());
    }

    let server_name = connection.server_name_host();
    let is_server_name = server_name.is_some_and(|name| name.is(host));

    if rules.coalescing >= Coalescing::Certificate && !connection.covers(host, is_server_name) {
        return Err(Rejection::NotInCertificate);
    }

    // A connection that was accepted by no virtual hosts has one configuration for every host.
    #[cfg(feature = "rustls")]
    if let Some(binding) = connection.binding() {
        binding.judge(host, is_server_name, rules.coalescing)?;
    }

    if !is_server_name && rules.coalescing >= Coalescing::Never {
        let beyond_sni = server_name.is_none() && host.ip().is_some();
        if !beyond_sni {
            return Err(Rejection::ServerNameMismatch);
        }
    }

    Ok(())
}

impl Rules {
    fn need_connection(&self) -> bool {
        self.coalescing > Coalescing::Unchecked || self.strict_scheme || self.require_tls
    }
}

/// Whether a list of ports holds the target's. An absent port is the default of the scheme, which
/// origin-form leaves to the connection (RFC 9110 §7.1); where neither is known, either default will do.
fn port_listed(target: &Target<'_>, connection: Option<&ConnectionInfo>, ports: &[u16]) -> bool {
    let scheme = target
        .scheme()
        .or(match connection.map(ConnectionInfo::security) {
            Some(Security::Plaintext) => Some(Scheme::Http),
            Some(Security::TrustedGateway | Security::Tls) => Some(Scheme::Https),
            None => None,
        });
    let listed = |port| ports.contains(&port);
    match (target.authority.port, scheme) {
        (Some(port), _) => listed(port),
        (None, Some(scheme)) => scheme.default_port().is_some_and(listed),
        (None, None) => listed(80) || listed(443),
    }
}

/// RFC 9110 §7.4. Behind a gateway both schemes fit: some gateways name the client's, some that of
/// the plaintext hop.
fn scheme_fits(scheme: Option<Scheme>, security: Security) -> bool {
    match (scheme, security) {
        (None, _) => true,
        (Some(Scheme::Http), security) => security != Security::Tls,
        (Some(Scheme::Https), security) => security != Security::Plaintext,
        (Some(Scheme::Other | Scheme::Unseen), _) => false,
    }
}
