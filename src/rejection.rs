//! The reasons for which a request is refused, in words that are safe to log and to count. What the
//! client is told lives in `answer`.

use std::error::Error;
use std::fmt;

use http::StatusCode;

/// Why a request was refused, or would have been by a report-only layer.
///
/// It goes to the people who operate the server, never to the client: the layer puts it into the
/// response's extensions, hands it to [`on_verdict`](crate::MisdirectedLayer::on_verdict) and logs
/// it. It holds nothing that the client sent.
///
/// ```
/// use http::StatusCode;
/// use tower_misdirected::{Malformed, Rejection};
///
/// let rejection = Rejection::NotInCertificate;
/// assert_eq!(rejection.status(), StatusCode::MISDIRECTED_REQUEST);
/// assert_eq!(rejection.as_str(), "not_in_certificate"); // a label for metrics
///
/// let rejection = Rejection::Malformed(Malformed::MissingAuthority);
/// assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// The request names no authority, or several, or one that the grammar forbids: 400.
    Malformed(Malformed),
    /// The host is not in the layer's [`allowed_hosts`](crate::MisdirectedLayer::allowed_hosts), or no
    /// virtual host matches it and there is no default: 421.
    UnknownHost,
    /// The port is not among the layer's [`ports`](crate::MisdirectedLayer::ports): 421.
    UnknownPort,
    /// The layer needs a [`ConnectionInfo`](crate::ConnectionInfo) and the request carries none,
    /// which is a mistake in the server's set-up: 500.
    NoConnectionInfo,
    /// An `https` request, or one to a layer that requires TLS, came over a plaintext connection
    /// (RFC 9110 §7.4): 421.
    InsecureConnection,
    /// The request's scheme is not the connection's, and the layer has
    /// [`strict_scheme`](crate::MisdirectedLayer::strict_scheme): 421.
    SchemeMismatch,
    /// The certificate that this connection's handshake presented is not known to cover the host: 421.
    NotInCertificate,
    /// The TLS configuration of the host, by the virtual hosts as they are now, is not the one that the
    /// connection was accepted under: 421.
    DifferentTlsConfig,
    /// Another virtual host than the one that served the handshake matches the host, under
    /// [`Coalescing::SameVirtualHost`](crate::Coalescing::SameVirtualHost): 421.
    OtherVirtualHost,
    /// The host is not the server name of the handshake, under
    /// [`Coalescing::Never`](crate::Coalescing::Never): 421.
    ServerNameMismatch,
}

impl Rejection {
    /// 421, 400 for a malformed request, or 500 for a server without connection info.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NoConnectionInfo => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::MISDIRECTED_REQUEST,
        }
    }

    /// A short name in snake case that stays the same from release to release, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.as_str(),
            Self::UnknownHost => "unknown_host",
            Self::UnknownPort => "unknown_port",
            Self::NoConnectionInfo => "no_connection_info",
            Self::InsecureConnection => "insecure_connection",
            Self::SchemeMismatch => "scheme_mismatch",
            Self::NotInCertificate => "not_in_certificate",
            Self::DifferentTlsConfig => "different_tls_config",
            Self::OtherVirtualHost => "other_virtual_host",
            Self::ServerNameMismatch => "server_name_mismatch",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(malformed) => return malformed.fmt(f),
            Self::UnknownHost => "the host is neither an allowed host nor a virtual host",
            Self::UnknownPort => "the port is not in the list of ports",
            Self::NoConnectionInfo => {
                "the request carries no ConnectionInfo: serve it through \
                 tower_misdirected::TlsListener (axum::serve, with \
                 into_make_service_with_connect_info::<ConnectionInfo>()) or \
                 tower_misdirected::TlsAcceptor (axum-server, hyper), insert one by hand, or set \
                 Coalescing::Unchecked"
            }
            Self::InsecureConnection => "the connection is not secured by TLS",
            Self::SchemeMismatch => "the scheme is not the connection's",
            Self::NotInCertificate => {
                "the certificate presented on this connection is not known to cover the host"
            }
            Self::DifferentTlsConfig => {
                "the host has another TLS configuration than the one the connection was accepted under"
            }
            Self::OtherVirtualHost => "another virtual host than the handshake's matches the host",
            Self::ServerNameMismatch => "the host is not the server name of the handshake",
        })
    }
}

impl Error for Rejection {}

impl From<Malformed> for Rejection {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Why a request has no effective authority (RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1).
///
/// Always answered 400: another connection would not help.
///
/// ```
/// use tower_misdirected::{EffectiveAuthority, Malformed};
///
/// let error = "user@app.example".parse::<EffectiveAuthority>().unwrap_err();
/// assert_eq!(error, Malformed::InvalidHost);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// Neither the request target nor a `Host` field names an authority.
    MissingAuthority,
    /// More than one `Host` field.
    SeveralHosts,
    /// The host is no DNS name, dotted-quad IPv4 address or bracketed IPv6 address. Userinfo,
    /// percent-encoding, non-ASCII text and an empty host are among the reasons.
    InvalidHost,
    /// The port is not empty and no number from 0 to 65535.
    InvalidPort,
    /// `:authority` and `Host` name different entities (RFC 9113 §8.3.1).
    ConflictingAuthorities,
    /// The request target is in none of the forms that the method allows (RFC 9112 §3.2), such as
    /// `GET foo`, `GET *` or `CONNECT /`.
    InvalidTarget,
}

impl Malformed {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::MissingAuthority => "missing_authority",
            Self::SeveralHosts => "several_hosts",
            Self::InvalidHost => "invalid_host",
            Self::InvalidPort => "invalid_port",
            Self::ConflictingAuthorities => "conflicting_authorities",
            Self::InvalidTarget => "invalid_target",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingAuthority => "the request names no authority",
            Self::SeveralHosts => "the request has more than one Host field",
            Self::InvalidHost => "the host is neither a DNS name nor an IP address",
            Self::InvalidPort => "the port is no number from 0 to 65535",
            Self::ConflictingAuthorities => ":authority and Host name different entities",
            Self::InvalidTarget => "the form of the request target does not suit the method",
        })
    }
}

impl Error for Malformed {}
