//! What a verdict is based on: the facts about a request, its connection and the lists, gathered before anything
//! is decided. Locks and look-ups happen here, decisions in `judge`.

use super::coalescing::Coalescing;
use super::rules::Rules;
use crate::authority::{Scheme, Target};
use crate::connection::{ConnectionInfo, Security};
use crate::virtual_hosts::Relation;

/// The facts about one request, without the names themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// The scheme that the request names.
    pub(super) scheme: Option<Scheme>,
    /// Who terminated TLS; `None` without a `ConnectionInfo`.
    pub(super) security: Option<Security>,
    /// The list of hosts contains the host, or there is no list.
    pub(super) host_allowed: bool,
    /// The list of ports contains the port, or there is no list.
    pub(super) port_allowed: bool,
    pub(super) server_name: ServerName,
    /// The certificate covers the host. True if the level does not ask.
    pub(super) covered: bool,
    /// What the virtual hosts say about the host. [`Relation::SameVirtualHost`] if the level does not ask.
    pub(super) relation: Relation,
}

/// How the host compares with the server name of a TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerName {
    /// The host is the server name.
    Same,
    /// The host is another name, or a name on a connection without a server name.
    Different,
    /// The host is an address on a connection without a server name. SNI cannot carry an address
    /// (RFC 6066 §3), so the client had no way to name it.
    Unsayable,
}

impl Evidence {
    #[inline(always)]
    pub(crate) fn gather(
        target: &Target<'_>,
        connection: Option<&ConnectionInfo>,
        rules: &Rules,
    ) -> Self {
        let host = &target.authority.host;
        let allowed = rules.allowed_hosts.as_deref();
        let ports = rules.ports.as_deref();
        let mut evidence = Self {
            scheme: target.scheme(),
            security: connection.map(ConnectionInfo::security),
            host_allowed: allowed.is_none_or(|hosts| hosts.get(host).is_some()),
            port_allowed: ports.is_none_or(|ports| port_listed(target, connection, ports)),
            server_name: ServerName::Different,
            covered: true,
            relation: Relation::SameVirtualHost,
        };
        let Some(connection) = connection.filter(|connection| connection.is_tls()) else {
            return evidence;
        };
        let server_name = connection.server_name_host();
        let is_server_name = server_name.is_some_and(|name| name.is(host));
        if is_server_name {
            evidence.server_name = ServerName::Same;
        } else if server_name.is_none() && host.ip().is_some() {
            evidence.server_name = ServerName::Unsayable;
        }
        if rules.coalescing >= Coalescing::Certificate {
            evidence.covered = connection.covers(host, is_server_name);
        }
        if rules.coalescing >= Coalescing::SameTlsConfig {
            evidence.relation = connection.relation(host, is_server_name);
        }
        evidence
    }
}

/// Returns whether a list of ports contains the port of the target.
///
/// An absent port is the default of the scheme. In origin-form the scheme is that of the connection
/// (RFC 9110 §7.1). If the connection is unknown too, either default may be listed.
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
