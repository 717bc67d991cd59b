//! The verdict: one pure function of the target of a request, the evidence about its connection, and the rules. It
//! takes no lock, does no I/O and reads no clock; the first rule that fails is the reason.

use super::coalescing::Coalescing;
use super::evidence::{Evidence, ServerName};
use super::rejection::Rejection;
use super::rules::Rules;
use crate::authority::{Scheme, Stated};
use crate::connection::Security;
use crate::host::Sought;
use crate::virtual_hosts::Relation;

#[inline(always)]
pub(crate) fn judge(
    stated: &Stated<'_>,
    host: &Sought<'_>,
    port: Option<u16>,
    connection: Option<Evidence>,
    rules: &Rules,
) -> Result<(), Rejection> {
    // The last rules are computed first, so that only their result must be kept while the others are checked.
    let (last, security) = match connection {
        Some(connection) => (judge_host(connection, rules), Some(connection.security)),
        None => (Ok(()), rules.security_of_unknown()),
    };

    let allowed = rules.allowed_hosts.as_deref();
    if allowed.is_some_and(|hosts| !hosts.contains(host)) {
        return Err(Rejection::UnknownHost);
    }
    let ports = rules.ports.as_deref();
    if ports.is_some_and(|ports| !port_listed(stated, port, security, ports)) {
        return unless_nobodys(last, Rejection::UnknownPort);
    }
    let Some(security) = security else {
        return match rules.need_connection() {
            true => Err(Rejection::NoConnectionInfo),
            false => Ok(()),
        };
    };
    let plaintext = security == Security::Plaintext && rules.need_connection();
    let tls_only = rules.require_tls || rules.gateways.is_some();
    if plaintext && (tls_only || may_be_https(stated.scheme())) {
        return Err(Rejection::InsecureConnection);
    }
    if rules.strict_scheme && !scheme_fits(stated.scheme(), security) {
        return unless_nobodys(last, Rejection::SchemeMismatch);
    }
    last
}

/// Refuses a request for this reason, unless no virtual host matches the host: rule B1 comes before the others.
#[cold]
fn unless_nobodys(last: Result<(), Rejection>, rejection: Rejection) -> Result<(), Rejection> {
    match last {
        Err(Rejection::UnknownHost) => last,
        _ => Err(rejection),
    }
}

/// Judges the host on a connection by the virtual host part of rule B1 and by rules B5 to B8. These rules do not apply
/// if this server does not terminate TLS.
#[inline(always)]
fn judge_host(connection: Evidence, rules: &Rules) -> Result<(), Rejection> {
    let level = rules.coalescing;
    // A fast path for most requests, with the same result as the rules below.
    let suits = match connection.relation {
        Relation::SameVirtualHost => true,
        Relation::SameConfig => level < Coalescing::SameVirtualHost,
        Relation::Nobodys | Relation::OtherConfig => false,
    };
    let good = connection.covered && suits;
    if good && (level < Coalescing::Never || connection.server_name != ServerName::Different) {
        return Ok(());
    }
    if connection.security != Security::Tls {
        return Ok(());
    }
    if level >= Coalescing::SameTlsConfig && connection.relation == Relation::Nobodys {
        return Err(Rejection::UnknownHost);
    }
    if level >= Coalescing::Certificate && !connection.covered && rules.check_certificate {
        return Err(match connection.server_name {
            ServerName::Same => Rejection::ServerNameNotInCertificate,
            ServerName::Different | ServerName::Unsayable => Rejection::NotInCertificate,
        });
    }
    if level >= Coalescing::SameTlsConfig {
        match connection.relation {
            Relation::OtherConfig => return Err(Rejection::DifferentTlsConfig),
            Relation::SameConfig if level >= Coalescing::SameVirtualHost => {
                return Err(Rejection::OtherVirtualHost);
            }
            Relation::Nobodys | Relation::SameConfig | Relation::SameVirtualHost => {}
        }
    }
    // Without a server name, only the certificate can show that the connection is meant for an address.
    let mismatch = match connection.server_name {
        ServerName::Same => false,
        ServerName::Different => true,
        ServerName::Unsayable => !connection.covered,
    };
    match mismatch && level >= Coalescing::Never {
        true => Err(Rejection::ServerNameMismatch),
        false => Ok(()),
    }
}

/// Returns whether a list of ports contains the port of the target.
///
/// An absent port counts as the default port of the scheme. In origin-form, or if the scheme is unseen, the connection
/// decides the scheme (RFC 9110 §7.1). If the connection is unknown too, the list may contain either default port.
fn port_listed(
    stated: &Stated<'_>,
    port: Option<u16>,
    security: Option<Security>,
    ports: &[u16],
) -> bool {
    let listed = |port| ports.contains(&port);
    if let Some(port) = port {
        return listed(port);
    }
    let scheme = match (stated.scheme(), security) {
        (Some(scheme @ (Scheme::Http | Scheme::Https | Scheme::Other)), _) => scheme,
        (None | Some(Scheme::Unseen), Some(Security::Plaintext)) => Scheme::Http,
        (None | Some(Scheme::Unseen), Some(_)) => Scheme::Https,
        (None | Some(Scheme::Unseen), None) => return listed(80) || listed(443),
    };
    scheme.default_port().is_some_and(listed)
}

/// Returns whether the scheme is `https` or unseen. An unseen scheme may have been `https`.
fn may_be_https(scheme: Option<Scheme>) -> bool {
    matches!(scheme, Some(Scheme::Https | Scheme::Unseen))
}

/// Returns whether the scheme suits the connection (RFC 9110 §7.4). Behind a gateway both schemes do, because some
/// gateways send the scheme of the client and others send `http`.
fn scheme_fits(scheme: Option<Scheme>, security: Security) -> bool {
    match (scheme, security) {
        (None, _) => true,
        (Some(Scheme::Http), security) => security != Security::Tls,
        (Some(Scheme::Https), security) => security != Security::Plaintext,
        (Some(Scheme::Other | Scheme::Unseen), _) => false,
    }
}
