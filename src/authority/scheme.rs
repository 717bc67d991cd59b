//! The schemes that the rules distinguish. `verdict` decides which scheme suits which connection.

use http::uri;

/// The scheme that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    Other,
    /// A scheme that does not reach the layer: h2 drops `:scheme` if `:authority` is absent.
    Unseen,
}

impl Scheme {
    /// Compares the scheme in any case. `http::uri::Scheme` equals its constants only in lower case, and h2 passes
    /// `HTTPS` through.
    pub(super) fn of(scheme: &uri::Scheme) -> Self {
        let scheme = scheme.as_str();
        if scheme.eq_ignore_ascii_case("https") {
            Self::Https
        } else if scheme.eq_ignore_ascii_case("http") {
            Self::Http
        } else {
            Self::Other
        }
    }

    /// Returns the default port of the scheme (RFC 9110 §4.2).
    pub(crate) fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Other | Self::Unseen => None,
        }
    }
}
