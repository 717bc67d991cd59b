//! The public form of an authority, for handlers and configuration. The layer judges requests in the borrowed form of
//! `reference`.

use std::fmt;
use std::str::FromStr;

use http::{Request, request};

use super::reference::AuthorityRef;
use super::target::Stated;
use crate::host::Host;
use crate::malformed::Malformed;

/// The host and port that a request targets (RFC 9110 §7.2).
///
/// Use it in handlers instead of the `Host` field. With the feature `axum`, it is an extractor that answers 400 if the
/// request has no valid authority. Elsewhere use [`of`](Self::of) or [`of_parts`](Self::of_parts).
///
/// | version | authority |
/// |---|---|
/// | HTTP/2, HTTP/3 | `:authority`, else `Host`; if both are present, they must name the same host and port |
/// | HTTP/1, `GET http://host/` and `CONNECT host:port` | the request target; `Host` is ignored |
/// | HTTP/1, `GET /` and `OPTIONS *` | `Host` |
///
/// # Current state of the request
///
/// The value is computed from the request as it is at the time of the call. The layer uses the same function, so a
/// handler directly inside the layer gets the judged authority. If middleware between the layer and the handler changes
/// the URI, the `Host` field, the method or the version of the request, the handler may get another authority.
///
/// ```
/// use http::Request;
/// use tower_misdirected::EffectiveAuthority;
///
/// let request = Request::get("/").header("host", "App.Example:8443").body(())?;
/// let authority = EffectiveAuthority::of(&request)?;
/// assert_eq!(authority.host(), "app.example");
/// assert_eq!(authority.port(), Some(8443));
/// assert_eq!(authority.to_string(), "app.example:8443");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EffectiveAuthority {
    host: Host,
    port: Option<u16>,
}

impl EffectiveAuthority {
    /// Computes the authority of a request.
    ///
    /// # Errors
    ///
    /// Returns [`Malformed`] if the request has no valid authority, which the layer answers with 400.
    pub fn of<B>(request: &Request<B>) -> Result<Self, Malformed> {
        let target = Stated::of(request)?.read(None)?;
        Ok(Self::of_ref(target.authority))
    }

    /// Computes the authority of a request from the head of the request.
    ///
    /// # Errors
    ///
    /// Returns [`Malformed`] if the request has no valid authority, which the layer answers with 400.
    ///
    /// ```
    /// use http::Request;
    /// use tower_misdirected::{EffectiveAuthority, Malformed};
    ///
    /// let (parts, ()) = Request::get("/").body(())?.into_parts();
    /// assert_eq!(
    ///     EffectiveAuthority::of_parts(&parts),
    ///     Err(Malformed::MissingAuthority),
    /// );
    /// # Ok::<_, http::Error>(())
    /// ```
    pub fn of_parts(parts: &request::Parts) -> Result<Self, Malformed> {
        let (uri, headers) = (&parts.uri, &parts.headers);
        let stated = Stated::find(parts.version, &parts.method, uri, headers)?;
        let target = stated.read(None)?;
        Ok(Self::of_ref(target.authority))
    }

    /// Copies an authority from a request.
    pub(crate) fn of_ref(authority: AuthorityRef<'_>) -> Self {
        Self {
            host: Host::of_ref(authority.host),
            port: authority.port,
        }
    }

    /// Returns the host in normal form.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the port, or `None` if it is absent or empty. An absent port means the default port of the scheme.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Parses `host[:port]` by the grammar that the layer applies to requests.
///
/// # Errors
///
/// Returns [`Malformed::InvalidHost`] or [`Malformed::InvalidPort`] if that part of the text is invalid.
impl FromStr for EffectiveAuthority {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        AuthorityRef::parse(text.as_bytes(), None).map(Self::of_ref)
    }
}

/// Writes `host[:port]` in normal form.
impl fmt::Display for EffectiveAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}
