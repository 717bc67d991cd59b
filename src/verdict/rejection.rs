//! The reasons for refusing a request, safe to log and to count. The answer to the client lives in `answer`.

use std::error::Error;
use std::fmt;

use http::StatusCode;

use crate::malformed::Malformed;

/// The reason why the layer refused a request, or would have refused it without
/// [`report_only`](crate::MisdirectedLayer::report_only).
///
/// The reason is for operators and never reaches the client. The layer inserts it into the response's extensions,
/// passes it to [`on_verdict`](crate::MisdirectedLayer::on_verdict) and logs it. It contains nothing that the client
/// sent.
///
/// ```
/// use http::StatusCode;
/// use tower_misdirected::{Malformed, Rejection};
///
/// let rejection = Rejection::NotInCertificate;
/// assert_eq!(rejection.status(), StatusCode::MISDIRECTED_REQUEST);
/// assert_eq!(rejection.as_str(), "not_in_certificate"); // a label for metrics
/// assert!(rejection.retry_can_help()); // on another connection
///
/// let rejection = Rejection::Malformed(Malformed::MissingAuthority);
/// assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// 400: the request has no authority, more than one authority, or an invalid authority.
    Malformed(Malformed),
    /// 421: the layer's [`allowed_hosts`](crate::MisdirectedLayer::allowed_hosts) do not contain the host, or no
    /// virtual host matches the host and there is no default virtual host.
    UnknownHost,
    /// 421: the layer's [`ports`](crate::MisdirectedLayer::ports) do not contain the port.
    UnknownPort,
    /// 500: the layer needs a [`ConnectionInfo`](crate::ConnectionInfo), and the request has none. The server is
    /// misconfigured.
    NoConnectionInfo,
    /// 421: the request arrived on a plaintext connection, and is an `https` request (RFC 9110 §7.4) or the layer
    /// [requires TLS](crate::MisdirectedLayer::require_tls). The peer is not one of the layer's
    /// [gateways](crate::MisdirectedLayer::gateway).
    InsecureConnection,
    /// 421: the scheme of the request does not match the connection. Only with
    /// [`strict_scheme`](crate::MisdirectedLayer::strict_scheme).
    SchemeMismatch,
    /// 421: the certificate of this connection's handshake does not cover the host, or its names are unknown. The host
    /// is not the server name.
    NotInCertificate,
    /// 421: the host is the server name of the handshake, but the certificate of the handshake does not cover the host.
    /// The certificate is misconfigured.
    ServerNameNotInCertificate,
    /// 421: the TLS configuration of the host is not the configuration that accepted the connection. Either the current
    /// virtual hosts select another configuration for the host, or the configuration of the host is unknown.
    DifferentTlsConfig,
    /// 421: the host matches another virtual host than the handshake did. Only at
    /// [`Coalescing::SameVirtualHost`](crate::Coalescing::SameVirtualHost) and [`Never`](crate::Coalescing::Never).
    OtherVirtualHost,
    /// 421: the host is not the server name of the handshake. Only at [`Coalescing::Never`](crate::Coalescing::Never).
    ServerNameMismatch,
}

impl Rejection {
    /// Returns the status of the answer: 400 for a malformed request, 500 without connection info, and 421 otherwise. A
    /// [responder](crate::MisdirectedLayer::responder) may choose another error status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NoConnectionInfo => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::MISDIRECTED_REQUEST,
        }
    }

    /// Returns whether the same request can succeed on another connection.
    ///
    /// If `false`, no connection to this server serves such a request, until the client or the configuration of the
    /// server changes. If `true`, another connection *may* serve it, such as a connection that the client opens for the
    /// host itself.
    ///
    /// | rejection | can a retry help? |
    /// |---|---|
    /// | [`Malformed`](Self::Malformed), [`UnknownHost`](Self::UnknownHost), [`UnknownPort`](Self::UnknownPort), [`NoConnectionInfo`](Self::NoConnectionInfo), [`ServerNameNotInCertificate`](Self::ServerNameNotInCertificate) | no |
    /// | [`InsecureConnection`](Self::InsecureConnection) | yes, over TLS |
    /// | [`SchemeMismatch`](Self::SchemeMismatch) | yes, on a connection that matches the scheme |
    /// | [`NotInCertificate`](Self::NotInCertificate), [`DifferentTlsConfig`](Self::DifferentTlsConfig), [`OtherVirtualHost`](Self::OtherVirtualHost), [`ServerNameMismatch`](Self::ServerNameMismatch) | yes, on a connection with the host as server name |
    ///
    /// ```
    /// use tower_misdirected::{MisdirectedLayer, Outcome};
    ///
    /// let layer = MisdirectedLayer::new().on_verdict(|verdict| {
    ///     if let Outcome::Refused(rejection) = verdict.outcome() {
    ///         if !rejection.retry_can_help() {
    ///             eprintln!("clients cannot recover from this: {rejection}");
    ///         }
    ///     }
    /// });
    /// ```
    pub fn retry_can_help(self) -> bool {
        match self {
            Self::Malformed(_)
            | Self::UnknownHost
            | Self::UnknownPort
            | Self::NoConnectionInfo
            | Self::ServerNameNotInCertificate => false,
            Self::InsecureConnection
            | Self::SchemeMismatch
            | Self::NotInCertificate
            | Self::DifferentTlsConfig
            | Self::OtherVirtualHost
            | Self::ServerNameMismatch => true,
        }
    }

    /// Returns a short name in snake case, for metrics and logs. The name stays the same from release to release.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.as_str(),
            Self::UnknownHost => "unknown_host",
            Self::UnknownPort => "unknown_port",
            Self::NoConnectionInfo => "no_connection_info",
            Self::InsecureConnection => "insecure_connection",
            Self::SchemeMismatch => "scheme_mismatch",
            Self::NotInCertificate => "not_in_certificate",
            Self::ServerNameNotInCertificate => "server_name_not_in_certificate",
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
            Self::UnknownPort => "the list of ports does not contain the port",
            Self::NoConnectionInfo => {
                "the request carries no ConnectionInfo: with axum::serve, serve a TlsListener (or a TcpListener behind \
                 a gateway) with into_make_service_with_connect_info::<ConnectionInfo>(); with axum-server, use \
                 TlsAcceptor as its acceptor; in a loop over hyper, insert the stream's connection_info().clone() \
                 into the extensions of every request, outside the layer"
            }
            Self::InsecureConnection => "the connection is not secured by TLS",
            Self::SchemeMismatch => "the scheme of the request is not that of the connection",
            Self::NotInCertificate => {
                "the certificate presented on this connection is not known to cover the host"
            }
            Self::ServerNameNotInCertificate => {
                "the certificate presented on this connection does not cover the server name of its handshake"
            }
            Self::DifferentTlsConfig => {
                "the host is not known to have the TLS configuration that the connection was accepted under"
            }
            Self::OtherVirtualHost => "the host is matched by another virtual host than the one of the handshake",
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
