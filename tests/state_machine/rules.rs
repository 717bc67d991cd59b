//! What the rules say of requests (A1 to B8) and of connections (W2), as plainly as it can be said: lists, and
//! comparison of text. Nothing here calls what it is compared with.

use tower_misdirected::Coalescing::{self, Never, SameTlsConfig, SameVirtualHost, Unchecked};
use tower_misdirected::{Malformed, Rejection};

use crate::model::Model;
use crate::names::{Name, is_address};
use crate::request::{Authority, Request, Scheme};
use crate::sequence::On;

impl Model {
    pub fn judge(&self, level: Coalescing, on: On, request: &Request) -> Result<(), Rejection> {
        let authority = authority(request)?;
        let host = authority.host.plain;
        let limits = &self.limits;

        // B1
        if let Some(hosts) = &limits.hosts
            && !is_among(hosts, host)
        {
            return Err(Rejection::UnknownHost);
        }

        // B1 again, by the virtual hosts that accepted the connection.
        if let On::Connection(_) = on
            && level >= SameTlsConfig
            && self.look_up(Some(host)).is_none()
        {
            return Err(Rejection::UnknownHost);
        }

        // A7. A scheme that the request does not show is the connection's; either may be meant where that is unknown.
        let secure = matches!(on, On::Connection(_) | On::Gateway);
        let schemes = match (request, on) {
            (Request::Absolute { scheme, .. } | Request::Two { scheme, .. }, _) => vec![*scheme],
            (_, On::Unknown) => vec![Scheme::Http, Scheme::Https],
            _ if secure => vec![Scheme::Https],
            _ => vec![Scheme::Http],
        };
        if let Some(ports) = &limits.ports {
            let meant = match authority.port.number() {
                Some(port) => vec![port],
                None => schemes.iter().map(|scheme| scheme.default_port()).collect(),
            };
            if !meant.iter().any(|port| ports.contains(port)) {
                return Err(Rejection::UnknownPort);
            }
        }

        // B2
        let needs_info = level > Unchecked || limits.strict_scheme || limits.require_tls;
        if !needs_info {
            return Ok(());
        }
        if matches!(on, On::Unknown) {
            return Err(Rejection::NoConnectionInfo);
        }

        // B3, B4. A scheme that is lost may have been `https`, and never fits the connection.
        let lost = matches!(request, Request::TwoByHost { .. });
        let https = lost || schemes != [Scheme::Http];
        if !secure && (https || limits.require_tls) {
            return Err(Rejection::InsecureConnection);
        }
        let http_over_tls = !https && matches!(on, On::Connection(_));
        if limits.strict_scheme && (lost || http_over_tls) {
            return Err(Rejection::SchemeMismatch);
        }

        let On::Connection(connection) = on else {
            return Ok(());
        };
        let connection = &self.connections[connection];
        if level == Unchecked {
            return Ok(());
        }

        // B5
        let is_server_name = connection.server_name.as_deref() == Some(host);
        let covered = match &connection.certificate_names {
            Some(names) => names.iter().any(|name| is_matched_by(name, host)),
            None => is_server_name,
        };
        if !covered && limits.check_certificate {
            return Err(match is_server_name {
                true => Rejection::ServerNameNotInCertificate,
                false => Rejection::NotInCertificate,
            });
        }

        // B6
        if level >= SameTlsConfig
            && let Some((config, virtual_host)) = self.look_up(Some(host))
        {
            if self.identity(config) != connection.identity {
                return Err(Rejection::DifferentTlsConfig);
            }
            // B7
            if level >= SameVirtualHost && virtual_host != connection.virtual_host.as_deref() {
                return Err(Rejection::OtherVirtualHost);
            }
        }

        // B8
        let unsayable = connection.server_name.is_none() && is_address(host) && covered;
        if level == Never && !is_server_name && !unsayable {
            return Err(Rejection::ServerNameMismatch);
        }
        Ok(())
    }
}

impl Model {
    /// W2: the virtual hosts give the server name of a connection another configuration than it was accepted under, or
    /// none.
    pub fn is_outdated(&self, connection: usize) -> bool {
        let connection = &self.connections[connection];
        let now = self.look_up(connection.server_name.as_deref());
        let same = now.is_some_and(|(config, _)| self.identity(config) == connection.identity);
        connection.virtual_host.is_some() && !same
    }
}

/// A1 to A4: the authority that a request is judged by.
pub fn authority(request: &Request) -> Result<Authority, Malformed> {
    match *request {
        Request::Origin { host } | Request::TwoByHost { host } => Ok(host),
        Request::Absolute {
            target,
            host: Some(_),
            ..
        } => Ok(target),
        Request::Absolute { host: None, .. } | Request::NoHost { .. } => {
            Err(Malformed::MissingAuthority)
        }
        Request::Two {
            scheme,
            authority,
            host,
        } => {
            let entity = |it: Authority| {
                let port = it.port.number().unwrap_or(scheme.default_port());
                (it.host.plain, port)
            };
            match host {
                Some(host) if entity(host) != entity(authority) => {
                    Err(Malformed::ConflictingAuthorities)
                }
                _ => Ok(authority),
            }
        }
        Request::Spoilt { why, .. } => Err(why),
        Request::SeveralHosts { .. } => Err(Malformed::SeveralHosts),
    }
}

/// What the client is answered.
pub fn status(verdict: Result<(), Rejection>) -> u16 {
    match verdict {
        Ok(()) => 200,
        Err(Rejection::Malformed(_)) => 400,
        Err(Rejection::NoConnectionInfo) => 500,
        Err(_) => 421,
    }
}

pub fn is_exactly(name: &str, host: &str) -> bool {
    name == host
}

/// One label in the left-most position, never the apex (RFC 9525 §6.3).
pub fn is_wildcard_of(name: &str, host: &str) -> bool {
    match (name.strip_prefix("*."), host.split_once('.')) {
        (Some(parent), Some((_, rest))) => parent == rest && !is_address(host),
        _ => false,
    }
}

/// One or more labels before the name.
pub fn is_under(name: &str, host: &str) -> bool {
    match name.strip_prefix("**") {
        Some(parent) => host.ends_with(parent) && !is_address(host),
        None => false,
    }
}

/// Whether a name of a certificate covers the host.
pub fn is_matched_by(name: &str, host: &str) -> bool {
    is_exactly(name, host) || is_wildcard_of(name, host)
}

fn is_among(names: &[Name], host: &str) -> bool {
    let mut names = names.iter().map(|name| name.plain);
    names.any(|name| is_matched_by(name, host) || is_under(name, host))
}
