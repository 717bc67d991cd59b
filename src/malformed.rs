//! The reasons for which a request has no effective authority. `verdict` decides what the layer does then.

use std::error::Error;
use std::fmt;

/// The reason why a request has no effective authority (RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1).
///
/// The layer answers such a request with 400, because another connection would not help. With the feature `axum`, this
/// type is also the rejection of the extractor [`EffectiveAuthority`](crate::EffectiveAuthority): a 400 without a body.
///
/// ```
/// use tower_misdirected::{EffectiveAuthority, Malformed};
///
/// let error = "user@app.example".parse::<EffectiveAuthority>().unwrap_err();
/// assert_eq!(error, Malformed::InvalidHost);
/// assert_eq!(error.to_string(), "the host is neither a DNS name nor an IP address");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// The request has no authority where its HTTP version requires one, such as an HTTP/1.1 request without `Host`.
    MissingAuthority,
    /// The request has more than one `Host` field.
    SeveralHosts,
    /// The host is not a DNS name, a dotted-quad IPv4 address or a bracketed IPv6 address. For example, it is empty, or
    /// contains userinfo, percent-encoding or non-ASCII text.
    InvalidHost,
    /// The port is neither empty nor a number from 0 to 65535.
    InvalidPort,
    /// `:authority` and `Host` name different hosts or ports (RFC 9113 §8.3.1).
    ConflictingAuthorities,
    /// The method does not allow this form of request target (RFC 9112 §3.2), such as `GET foo`, `GET *`
    /// or `CONNECT /`.
    InvalidTarget,
}

impl Malformed {
    /// Returns a short name in snake case, for metrics and logs. The name stays the same from release to release.
    ///
    /// ```
    /// assert_eq!(tower_misdirected::Malformed::SeveralHosts.as_str(), "several_hosts");
    /// ```
    pub fn as_str(self) -> &'static str {
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
            Self::InvalidPort => "the port is not a number from 0 to 65535",
            Self::ConflictingAuthorities => ":authority and Host name different entities",
            Self::InvalidTarget => "the form of the request target does not suit the method",
        })
    }
}

impl Error for Malformed {}
