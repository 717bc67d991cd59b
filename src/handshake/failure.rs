//! The reasons for failed handshakes, for operators. Ending a handshake lives in `accepting`, and the reasons for
//! refusing a request live in `verdict`.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::excerpt::Excerpt;
use crate::host::Host;
use crate::virtual_hosts::VirtualHost;

/// Called with every handshake that failed.
pub(super) type OnFailure = Arc<dyn Fn(&HandshakeFailure<'_>) + Send + Sync>;

/// A handshake that failed or was refused, passed to the callback of
/// [`TlsAcceptor::on_handshake_failure`](crate::TlsAcceptor::on_handshake_failure).
///
/// [`Display`](fmt::Display) writes the text of the error as at most 400 octets of printable ASCII, because a
/// client can choose parts of the text. [`guide::errors`](crate::guide::errors) explains these texts.
///
/// ```
/// use tower_misdirected::{FailureReason, HandshakeFailure};
///
/// fn report(failure: &HandshakeFailure<'_>) {
///     if failure.reason() == FailureReason::UnrecognizedName {
///         eprintln!("{failure}, from {:?}", failure.client_addr());
///     }
/// }
/// ```
pub struct HandshakeFailure<'a> {
    pub(crate) error: &'a (dyn Error + Send + Sync + 'static),
    pub(crate) reason: FailureReason,
    pub(crate) peer_addr: Option<SocketAddr>,
    pub(crate) client_addr: Option<SocketAddr>,
    pub(crate) server_name: Option<&'a Host>,
    pub(crate) virtual_host: Option<&'a VirtualHost>,
}

/// The reason why a handshake failed.
///
/// ```
/// use tower_misdirected::FailureReason;
///
/// assert_eq!(FailureReason::TimedOut.as_str(), "timed_out"); // a label for metrics
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureReason {
    /// The handshake exceeded its [time limit](crate::TlsAcceptor::handshake_timeout).
    TimedOut,
    /// [Too many handshakes](crate::TlsAcceptor::max_pending_handshakes) were pending, and this handshake was the
    /// oldest.
    TooManyPending,
    /// No virtual host matches the server name, or the client sent no server name, and there is no default virtual
    /// host. The client got the alert `unrecognized_name` (RFC 6066 §3).
    UnrecognizedName,
    /// The connection did not begin with the PROXY protocol header that its peer must send, or ended before the header
    /// was complete.
    ProxyProtocol,
    /// The client sent an alert (RFC 8446 §6), often because it does not trust the certificate.
    ClientAlert,
    /// The client sent an invalid certificate, or sent no certificate although the configuration requires one.
    ClientCertificate,
    /// The client closed the connection before the handshake was complete.
    Closed,
    /// TLS failed for another reason. For example, the client does not speak TLS.
    Tls,
    /// The transport failed, or the configuration does not work on this transport.
    Transport,
}

impl FailureReason {
    /// Every reason, in the order of the variants.
    pub(super) const ALL: [Self; 9] = [
        Self::TimedOut,
        Self::TooManyPending,
        Self::UnrecognizedName,
        Self::ProxyProtocol,
        Self::ClientAlert,
        Self::ClientCertificate,
        Self::Closed,
        Self::Tls,
        Self::Transport,
    ];

    /// Returns a short name in snake case, for metrics and logs. The name stays the same from release to release.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::TooManyPending => "too_many_pending",
            Self::UnrecognizedName => "unrecognized_name",
            Self::ProxyProtocol => "proxy_protocol",
            Self::ClientAlert => "client_alert",
            Self::ClientCertificate => "client_certificate",
            Self::Closed => "closed",
            Self::Tls => "tls",
            Self::Transport => "transport",
        }
    }

    /// Returns the reason for an error during a handshake or while reading the PROXY protocol header.
    pub(crate) fn of(error: &io::Error, in_header: bool) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

        let inner = error.get_ref();
        if let Some(ended) = inner.and_then(|inner| inner.downcast_ref::<Ended>()) {
            return ended.reason();
        }
        if in_header {
            return Self::ProxyProtocol;
        }
        match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(_)) => return Self::ClientAlert,
            Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)) => {
                return Self::ClientCertificate;
            }
            Some(_) => return Self::Tls,
            None => {}
        }
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::Closed,
            _ => Self::Transport,
        }
    }
}

impl HandshakeFailure<'_> {
    /// Returns the reason. It has few possible values, so its [name](FailureReason::as_str) is suitable as a metric
    /// label.
    pub fn reason(&self) -> FailureReason {
        self.reason
    }

    /// Returns the error itself. Its text can be long: an error of rustls can contain a client certificate of up to
    /// 64 KiB.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.error
    }

    /// Returns the address of the other end of the connection; see
    /// [`ConnectionInfo::peer_addr`](crate::ConnectionInfo::peer_addr). Returns `None` if it is unknown, as over QUIC.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// Returns the address of the client; see [`ConnectionInfo::client_addr`](crate::ConnectionInfo::client_addr).
    pub fn client_addr(&self) -> Option<SocketAddr> {
        self.client_addr.or(self.peer_addr)
    }

    /// Returns the server name by which the virtual hosts chose the TLS configuration. Returns `None` if the client sent
    /// none, if no configuration was chosen, or without virtual hosts.
    ///
    /// A client can choose any name under a wildcard or the default. As a metric label, use the id of
    /// [`virtual_host`](Self::virtual_host).
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.and_then(Host::name)
    }

    /// Returns the virtual host whose TLS configuration was chosen for the handshake.
    pub fn virtual_host(&self) -> Option<&VirtualHost> {
        self.virtual_host
    }

    /// Calls the callback, and logs the failure at debug level, because on the internet most failures come from
    /// scanners.
    pub(super) fn report(&self, callback: Option<&OnFailure>) {
        if let Some(callback) = callback {
            callback(self);
        }
        #[cfg(feature = "tracing")]
        tracing::debug!(
            error.r#type = self.reason.as_str(),
            error = %self,
            connection.virtual_host = self.virtual_host.map(VirtualHost::id),
            client.address = self.client_addr().map(|client| tracing::field::display(client.ip())),
            client.port = self.client_addr().map(|client| client.port()),
            network.peer.address = self.peer_addr.map(|peer| tracing::field::display(peer.ip())),
            network.peer.port = self.peer_addr.map(|peer| peer.port()),
            "TLS handshake failed"
        );
    }
}

/// Returns whether the log has failures.
#[inline]
pub(super) fn are_logged() -> bool {
    #[cfg(feature = "tracing")]
    return tracing::enabled!(tracing::Level::DEBUG);
    #[cfg(not(feature = "tracing"))]
    return false;
}

impl fmt::Display for HandshakeFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match of_verifier(self.error) {
            Some(reason) => Excerpt(format_args!("invalid peer certificate: {reason}")).fmt(f),
            None => Excerpt(self.error).fmt(f),
        }
    }
}

/// Returns what a verifier of client certificates says, if rustls has no kind of its own for that. rustls would write
/// its `Debug` form.
fn of_verifier<'a>(
    error: &'a (dyn Error + Send + Sync + 'static),
) -> Option<&'a rustls::OtherError> {
    let error: &dyn Error = error.downcast_ref::<io::Error>()?.get_ref()?;
    match error.downcast_ref()? {
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) => Some(other),
        _ => None,
    }
}

impl fmt::Debug for HandshakeFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeFailure")
            .field("reason", &self.reason)
            .field("error", &format_args!("{self}"))
            .field("peer_addr", &self.peer_addr)
            .field("client_addr", &self.client_addr())
            .field("server_name", &self.server_name())
            .field("virtual_host", &self.virtual_host)
            .finish()
    }
}

/// The reason for which this crate ended a handshake.
pub(crate) enum Ended {
    TimedOut,
    TooManyPending,
    /// No virtual host matches this server name.
    UnrecognizedName(Option<String>),
    /// The handshake was an ACME challenge, and is complete.
    Challenge,
    /// The configuration has no ALPN protocol for QUIC.
    #[cfg(feature = "quinn")]
    NoProtocol,
}

impl Ended {
    /// Returns the reason for a failure. A challenge is not a failure, and is not reported.
    fn reason(&self) -> FailureReason {
        match self {
            Self::TimedOut => FailureReason::TimedOut,
            Self::TooManyPending => FailureReason::TooManyPending,
            Self::UnrecognizedName(_) => FailureReason::UnrecognizedName,
            Self::Challenge => FailureReason::Closed,
            #[cfg(feature = "quinn")]
            Self::NoProtocol => FailureReason::Transport,
        }
    }
}

impl From<Ended> for io::Error {
    fn from(ended: Ended) -> Self {
        let kind = match ended {
            Ended::TimedOut => io::ErrorKind::TimedOut,
            Ended::TooManyPending => io::ErrorKind::Other,
            Ended::UnrecognizedName(_) => io::ErrorKind::InvalidData,
            Ended::Challenge => io::ErrorKind::ConnectionAborted,
            #[cfg(feature = "quinn")]
            Ended::NoProtocol => io::ErrorKind::Unsupported,
        };
        Self::new(kind, ended)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str(
                "the TLS handshake took longer than `handshake_timeout` allows; raise the limit if honest clients are \
                 that slow",
            ),
            Self::TooManyPending => f.write_str(
                "more TLS handshakes are pending than `max_pending_handshakes` allows, and this is the oldest; raise \
                 the limit if honest clients are cut off",
            ),
            Self::UnrecognizedName(Some(name)) => write!(
                f,
                "no virtual host has the server name `{}`, and there is no default; add the name, or set a default",
                name.escape_debug()
            ),
            Self::UnrecognizedName(None) => f.write_str(
                "the client sent no server name, and there is no default virtual host; let a proxy send the host as \
                 server name, or set a default to serve such clients",
            ),
            Self::Challenge => f.write_str(
                "the connection was an ACME challenge (RFC 8737), which is complete and carries no HTTP",
            ),
            #[cfg(feature = "quinn")]
            Self::NoProtocol => f.write_str(
                "the TLS configuration offers no HTTP/3; add `h3` to its `alpn_protocols` to serve the host over QUIC",
            ),
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Ended {}
