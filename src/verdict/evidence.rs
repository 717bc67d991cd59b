//! What a connection is to the host of a request, found out before anything is decided. Locks and look-ups in virtual
//! hosts happen here, decisions in `judge`.

use super::coalescing::Coalescing;
use super::rules::Rules;
use crate::connection::{ConnectionInfo, Security};
use crate::host::HostRef;
use crate::virtual_hosts::Relation;

/// The facts about a connection that a verdict on one host needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// Who terminated TLS. Without TLS at this server the other facts have no meaning.
    pub(super) security: Security,
    pub(super) server_name: ServerName,
    /// The certificate covers the host. True if the level does not ask.
    pub(super) covered: bool,
    /// What the virtual hosts say about the host. [`Relation::SameVirtualHost`] if the level does not ask.
    pub(super) relation: Relation,
}

/// How the host compares with the server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerName {
    /// The host is the server name.
    Same,
    /// The host is another name, or there is no server name.
    Different,
    /// The host is an address, and there is no server name. SNI cannot carry an address (RFC 6066 §3), so the
    /// client had no way to name it.
    Unsayable,
}

impl Evidence {
    #[inline(always)]
    pub(crate) fn gather(connection: &ConnectionInfo, host: &HostRef<'_>, rules: &Rules) -> Self {
        let level = rules.coalescing;
        let security = connection.security();
        let server_name = connection.server_name_host();
        if security != Security::Tls {
            return Self {
                security: rules.security_without_tls(connection),
                server_name: ServerName::Different,
                covered: true,
                relation: Relation::SameVirtualHost,
            };
        }
        if server_name.is_some_and(|name| name.is(host)) {
            return Self {
                security,
                server_name: ServerName::Same,
                covered: connection.covers_server_name(),
                relation: connection.relation_of_server_name(host),
            };
        }
        let covered = level < Coalescing::Certificate || connection.covers(host);
        Self {
            security,
            server_name: match server_name.is_none() && host.ip().is_some() {
                true => ServerName::Unsayable,
                false => ServerName::Different,
            },
            covered,
            relation: match covered && level >= Coalescing::SameTlsConfig {
                true => connection.relation(host),
                false => uncovered(connection, host, level),
            },
        }
    }
}

/// Returns what the virtual hosts say about a host that the certificate does not cover. Apart from other hosts, so that
/// requests that pass cost no more.
#[cold]
#[inline(never)]
fn uncovered(connection: &ConnectionInfo, host: &HostRef<'_>, level: Coalescing) -> Relation {
    match level >= Coalescing::SameTlsConfig {
        true => connection.relation(host),
        false => Relation::SameVirtualHost,
    }
}
