//! The reasons for which a request is refused, in words that are safe to log and to count. What the client gets
//! lives in `answer`.

use std::error::Error;
use std::fmt;

use http::StatusCode;

use crate::malformed::Malformed;

/// Why the layer refused a request, or would have refused it without
/// [`report_only`](crate::MisdirectedLayer::report_only).
///
/// The reason is for the people who operate the server and never reaches the client. The layer puts it into
/// the response's extensions, passes it to [`on_verdict`](crate::MisdirectedLayer::on_verdict) and logs it. It
/// contains nothing that the client sent.
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
    /// 400: the request names no authority, several, or one that the grammar forbids.
    Malformed(Malformed),
    /// 421: the layer's [`allowed_hosts`](crate::MisdirectedLayer::allowed_hosts) do not contain the host, or no
    /// virtual host matches it and there is no default.
    UnknownHost,
    /// 421: the layer's [`ports`](crate::MisdirectedLayer::ports) do not contain the port.
    UnknownPort,
    /// 500: the layer needs a [`ConnectionInfo`](crate::ConnectionInfo) and the request carries none. The server
    /// is set up wrong.
    NoConnectionInfo,
    /// 421: an `https` request, or any request to a layer that requires TLS, came over a plaintext connection
    /// (RFC 9110 §7.4), and the peer is not one of the layer's [gateways](crate::MisdirectedLayer::gateway).
    InsecureConnection,
    /// 421: the scheme of the request is not that of the connection, under
    /// [`strict_scheme`](crate::MisdirectedLayer::strict_scheme).
    SchemeMismatch,
    /// 421: the certificate that this connection's handshake presented is not known to cover the host, and the host is
    /// not the server name.
    NotInCertificate,
    /// 421: the host is the server name of the handshake, and the certificate that the handshake presented for it does
    /// not cover it. The certificate is set up wrong.
    ServerNameNotInCertificate,
    /// 421: the host is not known to have the TLS configuration that the connection was accepted under. The current
    /// virtual hosts give it another one, or nobody said which configurations the server has.
    DifferentTlsConfig,
    /// 421: the host is matched by another virtual host than the one that served the handshake, under
    /// [`Coalescing::SameVirtualHost`](crate::Coalescing::SameVirtualHost).
    OtherVirtualHost,
    /// 421: the host is not the server name of the handshake, under
    /// [`Coalescing::Never`](crate::Coalescing::Never).
    ServerNameMismatch,
}

impl Rejection {
    /// Returns the status of the answer: 421, 400 for a malformed request, or 500 without connection info. A
    /// [responder](crate::MisdirectedLayer::responder) may choose another error.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NoConnectionInfo => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::MISDIRECTED_REQUEST,
        }
    }

    /// Returns whether the same request can succeed on another connection.
    ///
    /// False means that the client retries in vain: no connection of this server serves such a request. The client or
    /// the set-up of the server has to change first. True means that another connection *may* serve the request, for
    /// example one that the client opens for the host itself.
    ///
    /// | rejection | can a retry help? |
    /// |---|---|
    /// | [`Malformed`](Self::Malformed), [`UnknownHost`](Self::UnknownHost), [`UnknownPort`](Self::UnknownPort), [`NoConnectionInfo`](Self::NoConnectionInfo), [`ServerNameNotInCertificate`](Self::ServerNameNotInCertificate) | no |
    /// | [`InsecureConnection`](Self::InsecureConnection) | yes, over TLS |
    /// | [`SchemeMismatch`](Self::SchemeMismatch) | yes, on a connection of the scheme |
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

    /// Returns a short name in snake case that stays the same from release to release, for metrics and logs.
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
                "the request carries no ConnectionInfo: serve it through \
                 tower_misdirected::TlsListener, or a TcpListener behind a gateway (axum::serve, with \
                 into_make_service_with_connect_info::<ConnectionInfo>()) or \
                 tower_misdirected::TlsAcceptor (axum-server, hyper), insert one by hand, or \
                 set Coalescing::Unchecked without strict_scheme, require_tls and gateway"
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
