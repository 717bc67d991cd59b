//! The verdict as a callback sees it. The `tracing` event lives in `event`, the answer to the client in `answer`.

use std::fmt;

use http::{Method, Version};

use super::rejection::Rejection;
use crate::authority::{EffectiveAuthority, Target};
use crate::connection::ConnectionInfo;
use crate::malformed::Malformed;
use crate::method_name::method_name;

/// The verdict on one request, passed to the callback of [`on_verdict`](crate::MisdirectedLayer::on_verdict).
///
/// ```
/// use tower_misdirected::{MisdirectedLayer, Outcome};
///
/// let layer = MisdirectedLayer::new().on_verdict(|verdict| match verdict.outcome() {
///     Outcome::Refused(rejection) => println!("{rejection}, host {:?}", verdict.authority()),
///     Outcome::Coalesced => println!("the connection was opened for another server name"),
///     _ => {}
/// });
/// ```
pub struct Verdict<'a> {
    pub(crate) method: &'a Method,
    pub(crate) version: Version,
    pub(crate) target: Result<Target<'a>, Malformed>,
    pub(crate) connection: Option<&'a ConnectionInfo>,
    pub(crate) outcome: Result<(), Rejection>,
    pub(crate) report_only: bool,
}

/// The result of a verdict.
///
/// ```
/// use tower_misdirected::{Outcome, Rejection};
///
/// fn label(outcome: Outcome) -> &'static str {
///     match outcome {
///         Outcome::Served => "served",
///         Outcome::Coalesced => "coalesced",
///         Outcome::Refused(rejection) => rejection.as_str(),
///         _ => "other",
///     }
/// }
/// assert_eq!(label(Outcome::Refused(Rejection::UnknownHost)), "unknown_host");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The connection can serve the request.
    Served,
    /// The connection can serve the request, although its server name is another name (RFC 9113 §9.1.1).
    Coalesced,
    /// The layer refuses the request. With [`report_only`](crate::MisdirectedLayer::report_only), the request is served
    /// nevertheless.
    Refused(Rejection),
}

impl Verdict<'_> {
    /// Returns whether the layer serves or refuses the request.
    pub fn outcome(&self) -> Outcome {
        match self.outcome {
            Ok(()) if self.is_coalesced() => Outcome::Coalesced,
            Ok(()) => Outcome::Served,
            Err(rejection) => Outcome::Refused(rejection),
        }
    }

    /// Returns whether the connection is a TLS connection with another server name than the host.
    fn is_coalesced(&self) -> bool {
        let connection = self.connection.filter(|connection| connection.is_tls());
        let server_name = connection.and_then(ConnectionInfo::server_name_host);
        match (server_name, &self.target) {
            (Some(server_name), Ok(target)) => !server_name.is(&target.authority.host),
            _ => false,
        }
    }

    /// Returns whether the layer is [report-only](crate::MisdirectedLayer::report_only), so that a refused request is
    /// served nevertheless.
    pub fn is_report_only(&self) -> bool {
        self.report_only
    }

    /// Returns the judged authority, or `None` for a malformed request.
    ///
    /// The client chose the value. It has at most 259 octets: a host of 253, a colon and a port. Do not use it as a
    /// metric label, because the number of distinct values is unbounded. With virtual hosts, use the one that the
    /// request asks for, which [`VirtualHosts::get`](crate::VirtualHosts::get) returns. The
    /// [virtual host](ConnectionInfo::virtual_host) of the [`connection`](Self::connection) is the one that the
    /// handshake asked for. For a misdirected request, it is another one.
    pub fn authority(&self) -> Option<EffectiveAuthority> {
        let target = self.target.as_ref().ok()?;
        Some(EffectiveAuthority::of_ref(target.authority))
    }

    /// Returns the connection info of the request, or `None` if the request has none.
    pub fn connection(&self) -> Option<&ConnectionInfo> {
        self.connection
    }

    /// Returns the method of the request, as the client sent it.
    ///
    /// The client chose the value. A method can be any token, and can have hundreds of thousands of octets. For logs
    /// and metrics use [`method_name`](Self::method_name).
    pub fn method(&self) -> &Method {
        self.method
    }

    /// Returns the name of a known method, or `_OTHER`. With eleven possible values, the name is suitable for logs and
    /// as a metric label.
    ///
    /// The known methods are those of OpenTelemetry's semantic conventions: `GET`, `HEAD`, `POST`, `PUT`, `DELETE`,
    /// `CONNECT`, `OPTIONS`, `TRACE`, `PATCH` and `QUERY`. Case matters, so `get` is `_OTHER`.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::Mutex;
    /// use tower_misdirected::{MisdirectedLayer, Outcome};
    ///
    /// static REFUSALS: Mutex<Option<HashMap<(&str, &str), u64>>> = Mutex::new(None);
    ///
    /// let layer = MisdirectedLayer::new().on_verdict(|verdict| {
    ///     if let Outcome::Refused(rejection) = verdict.outcome() {
    ///         let labels = (verdict.method_name(), rejection.as_str());
    ///         let mut refusals = REFUSALS.lock().unwrap();
    ///         *refusals.get_or_insert_default().entry(labels).or_default() += 1;
    ///     }
    /// });
    /// ```
    pub fn method_name(&self) -> &'static str {
        method_name(self.method)
    }

    /// Returns the HTTP version in the form of OpenTelemetry's `network.protocol.version`: `1.0`, `1.1`, `2` or `3`.
    /// For any other version, returns `_OTHER`. The value is suitable as a metric label.
    ///
    /// ```
    /// use tower_misdirected::{MisdirectedLayer, Outcome};
    ///
    /// let layer = MisdirectedLayer::new().on_verdict(|verdict| {
    ///     if verdict.outcome() == Outcome::Coalesced {
    ///         println!("coalesced over HTTP/{}", verdict.protocol_version());
    ///     }
    /// });
    /// ```
    pub fn protocol_version(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_11 => "1.1",
            Version::HTTP_2 => "2",
            Version::HTTP_3 => "3",
            _ => "_OTHER",
        }
    }
}

impl fmt::Debug for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict")
            .field("outcome", &self.outcome())
            .field("report_only", &self.report_only)
            .field("authority", &self.authority())
            .field("connection", &self.connection)
            .field("method", &self.method_name())
            .field("protocol_version", &self.protocol_version())
            .finish()
    }
}
