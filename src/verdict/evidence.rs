//! The facts about a connection and a host that a verdict needs. Locks and look-ups happen here, decisions in `judge`.

use super::coalescing::Coalescing;
use super::rules::Rules;
use crate::connection::{ConnectionInfo, Security};
use crate::host::{Host, Sought};
use crate::virtual_hosts::Relation;

/// The facts about a connection that a verdict on one host needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// Who terminated TLS. If this server did not, the other facts have no meaning.
    pub(super) security: Security,
    pub(super) server_name: ServerName,
    /// Whether the certificate covers the host. `true` if the level does not check it.
    pub(super) covered: bool,
    /// What the virtual hosts say about the host. [`Relation::SameVirtualHost`] if the level does not check it.
    pub(super) relation: Relation,
}

/// How the host compares with the server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerName {
    /// The host is the server name.
    Same,
    /// The host is another name, or there is no server name.
    Different,
    /// The host is an address, and there is no server name. SNI cannot carry an address (RFC 6066 §3), so the client
    /// could not send it.
    Unsayable,
}

impl Evidence {
    /// Gathers the evidence if the host is the server name of a TLS connection.
    #[inline(always)]
    pub(crate) fn of_server_name(connection: &ConnectionInfo, server_name: &Host) -> Self {
        Self {
            security: Security::Tls,
            server_name: ServerName::Same,
            covered: connection.covers_server_name(),
            relation: connection.relation_of_server_name(server_name),
        }
    }

    #[inline(always)]
    pub(crate) fn gather(connection: &ConnectionInfo, host: &Sought<'_>, rules: &Rules) -> Self {
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
        let same = server_name.filter(|name| name.is(host.host()));
        if let Some(same) = same {
            return Self::of_server_name(connection, same);
        }
        let covered = rules.coalescing < Coalescing::Certificate || connection.covers(host);
        Self::of_other(connection, host, covered, rules)
    }

    /// Gathers the evidence if the host is not the server name of a TLS connection. `covered` says whether the
    /// certificate covers the host.
    #[inline(always)]
    pub(crate) fn of_other(
        connection: &ConnectionInfo,
        host: &Sought<'_>,
        covered: bool,
        rules: &Rules,
    ) -> Self {
        let level = rules.coalescing;
        let covered = covered || level < Coalescing::Certificate;
        let unsayable = connection.server_name_host().is_none() && host.host().ip().is_some();
        Self {
            security: Security::Tls,
            server_name: match unsayable {
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

/// Returns what the virtual hosts say about a host that the certificate does not cover. Below `SameTlsConfig`, the
/// level does not check it. A separate function, so that it costs nothing for other hosts.
#[cold]
#[inline(never)]
fn uncovered(connection: &ConnectionInfo, host: &Sought<'_>, level: Coalescing) -> Relation {
    match level >= Coalescing::SameTlsConfig {
        true => connection.relation(host),
        false => Relation::SameVirtualHost,
    }
}
