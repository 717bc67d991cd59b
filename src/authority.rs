//! The effective authority of a request (RFC 9110 §7.2): which host and port it targets, whatever the
//! HTTP version and the form of the request target. Whether that authority can be served is the
//! business of `verdict`.
//!
//! `Forwarded` and `X-Forwarded-Host` are never read: any client can send them.

use std::fmt;
use std::str::FromStr;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, request, uri};

use crate::host::{self, Host, HostRef};
use crate::rejection::Malformed;

/// The host and port that a request targets (RFC 9110 §7.2), as the layer judges them.
///
/// Use it in handlers in place of the `Host` field: it is computed by the very function the layer
/// uses, so a handler cannot act on another name than the one that was judged. With the feature
/// `axum` it is an extractor, which answers 400 where there is no such authority; without, use
/// [`of`](Self::of) or [`of_parts`](Self::of_parts).
///
/// | version | authority |
/// |---|---|
/// | HTTP/2, HTTP/3 | `:authority`, else `Host`; both must name the same entity |
/// | HTTP/1, `GET http://host/` and `CONNECT host:port` | the request target's; `Host` is ignored |
/// | HTTP/1, `GET /` and `OPTIONS *` | `Host` |
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
    /// The authority of a request.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where the layer would answer 400.
    pub fn of<B>(request: &Request<B>) -> Result<Self, Malformed> {
        Target::of(request, None).map(|target| target.authority.to_owned())
    }

    /// The authority of a request, from its head.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where the layer would answer 400.
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
        let target = Target::read(parts.version, &parts.method, uri, headers, None)?;
        Ok(target.authority.to_owned())
    }

    /// The host, in normal form.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port as the request gave it: `None` where it is absent or empty, which means the default
    /// port of the scheme.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Reads `host[:port]` by the grammar that requests are held to.
impl FromStr for EffectiveAuthority {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        AuthorityRef::parse(text.as_bytes(), None).map(AuthorityRef::to_owned)
    }
}

/// `host[:port]`, in normal form.
impl fmt::Display for EffectiveAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

/// An authority borrowed from the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthorityRef<'a> {
    pub(crate) host: HostRef<'a>,
    pub(crate) port: Option<u16>,
}

impl<'a> AuthorityRef<'a> {
    /// Reads `host[:port]`. The host may be the one that is likely, which then need not be read again.
    fn parse(text: &'a [u8], likely: Option<&'a Host>) -> Result<Self, Malformed> {
        let (host, port) = match likely.and_then(|host| Some((host, host.port_after(text)?))) {
            Some((host, port)) => (host.as_ref(), host::parse_port(port)?),
            None => host::parse(text)?,
        };
        Ok(Self { host, port })
    }

    pub(crate) fn to_owned(self) -> EffectiveAuthority {
        EffectiveAuthority {
            host: self.host.to_owned(),
            port: self.port,
        }
    }

    /// Whether both name the same entity, an absent port being the scheme's default.
    fn same_entity(&self, other: &Self, scheme: Option<Scheme>) -> bool {
        let default = scheme.and_then(Scheme::default_port);
        self.host == other.host && self.port.or(default) == other.port.or(default)
    }
}

/// The scheme of a request, where it names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    Other,
    /// It named one, and we cannot see which: h2 drops `:scheme` where `:authority` is absent.
    Unseen,
}

impl Scheme {
    /// `http::uri::Scheme` equals its constants only in lower case, and h2 passes `HTTPS` on.
    fn of(scheme: &uri::Scheme) -> Self {
        let scheme = scheme.as_str();
        if scheme.eq_ignore_ascii_case("https") {
            Self::Https
        } else if scheme.eq_ignore_ascii_case("http") {
            Self::Http
        } else {
            Self::Other
        }
    }

    pub(crate) fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Other | Self::Unseen => None,
        }
    }
}

/// What a request targets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    version: Version,
    uri: &'a Uri,
    pub(crate) authority: AuthorityRef<'a>,
    /// `Host` names another entity than the request target, which wins (RFC 9112 §3.2.2).
    pub(crate) host_differs: bool,
}

impl<'a> Target<'a> {
    /// The target of a request, whose host is `likely` the server name of its connection.
    #[inline]
    pub(crate) fn of<B>(
        request: &'a Request<B>,
        likely: Option<&'a Host>,
    ) -> Result<Self, Malformed> {
        let (uri, headers) = (request.uri(), request.headers());
        Self::read(request.version(), request.method(), uri, headers, likely)
    }

    #[inline]
    fn read(
        version: Version,
        method: &Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
        likely: Option<&'a Host>,
    ) -> Result<Self, Malformed> {
        let host = host_field(version, headers)?;
        let http1 = version < Version::HTTP_2;
        let Some(in_target) = uri.authority() else {
            // Origin-form, which CONNECT has not (RFC 9112 §3.2.3) unless it is extended (RFC 8441
            // §4), or asterisk-form, which is for OPTIONS (RFC 9112 §3.2.4).
            let suits = match (method, uri.path()) {
                (&Method::OPTIONS, _) => true,
                (_, "*") => false,
                (&Method::CONNECT, path) => !http1 && !path.is_empty(),
                _ => true,
            };
            if !suits {
                return Err(Malformed::InvalidTarget);
            }
            let host = host.ok_or(Malformed::MissingAuthority)?;
            return Self::new(version, uri, host.as_bytes(), likely);
        };

        if http1 {
            // Authority-form belongs to CONNECT, and CONNECT has no other (RFC 9112 §3.2.3); yet
            // `GET foo` reaches us as an authority.
            if uri.scheme().is_none() != (*method == Method::CONNECT) {
                return Err(Malformed::InvalidTarget);
            }
            // RFC 9112 §3.2 wants `Host` whatever the form.
            if host.is_none() && version == Version::HTTP_11 {
                return Err(Malformed::MissingAuthority);
            }
        }
        let target = Self::new(version, uri, in_target.as_str().as_bytes(), likely);
        match host {
            Some(host) => target?.beside(host, http1),
            None => target,
        }
    }

    #[inline(always)]
    fn new(
        version: Version,
        uri: &'a Uri,
        authority: &'a [u8],
        likely: Option<&'a Host>,
    ) -> Result<Self, Malformed> {
        let authority = match likely {
            Some(host) if host.is_spelt(authority) => AuthorityRef {
                host: host.as_ref(),
                port: None,
            },
            _ => AuthorityRef::parse(authority, likely)?,
        };
        Ok(Self {
            version,
            uri,
            authority,
            host_differs: false,
        })
    }

    /// Takes a `Host` field into account that the request has besides.
    fn beside(mut self, host: &HeaderValue, http1: bool) -> Result<Self, Malformed> {
        if self
            .uri
            .authority()
            .is_some_and(|target| host == target.as_str())
        {
            return Ok(self);
        }
        let host = AuthorityRef::parse(host.as_bytes(), None)?;
        self.host_differs = !self.authority.same_entity(&host, self.scheme());
        match self.host_differs && !http1 {
            true => Err(Malformed::ConflictingAuthorities),
            false => Ok(self),
        }
    }
}

impl Target<'_> {
    /// The scheme, where the request names one.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        match self.uri.scheme() {
            Some(scheme) => Some(Scheme::of(scheme)),
            None if self.uri.authority().is_some() || self.version < Version::HTTP_2 => None,
            None => Some(Scheme::Unseen),
        }
    }

    /// Whether the request has, or may have had, the scheme `https`.
    pub(crate) fn may_be_https(&self) -> bool {
        matches!(self.scheme(), Some(Scheme::Https | Scheme::Unseen))
    }
}

/// The only `Host` field, if there is one. A second one is an error in every HTTP version, whether or not
/// the request target overrides it (RFC 9112 §3.2).
#[inline]
fn host_field(version: Version, headers: &HeaderMap) -> Result<Option<&HeaderValue>, Malformed> {
    if version < Version::HTTP_2 {
        let leading = leading_host(headers);
        if leading.is_some() {
            return Ok(leading);
        }
    }
    if !headers.contains_key(&HOST) {
        return Ok(None);
    }
    let mut fields = headers.get_all(&HOST).iter();
    let first = fields.next();
    match fields.next() {
        Some(_) => Err(Malformed::SeveralHosts),
        None => Ok(first),
    }
}

/// The only `Host` field where it is the first of all fields, as user agents send it (RFC 9110 §7.2): that
/// is quicker than to search. Fields of one name come one after the other.
#[inline]
fn leading_host(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut fields = headers.iter();
    let (name, value) = fields.next()?;
    let another = fields.next().is_some_and(|(name, _)| *name == HOST);
    (*name == HOST && !another).then_some(value)
}

/// Gives an HTTP/1.0 request that names no authority the default one, which an inner service then
/// sees as its `Host`.
pub(crate) fn supply_default<B>(request: &mut Request<B>, default: &HeaderValue) {
    let before_1_1 = request.version() < Version::HTTP_11;
    if before_1_1 && request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        request.headers_mut().insert(HOST, default.clone());
    }
}

/// Replaces a `Host` that differs from the request target by the latter (RFC 9112 §3.2.2), so that
/// nothing further in can route by the other one.
pub(crate) fn replace_host<B>(request: &mut Request<B>) {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let value = authority.and_then(|authority| HeaderValue::from_str(authority).ok());
    match value {
        Some(value) => request.headers_mut().insert(HOST, value),
        None => request.headers_mut().remove(HOST),
    };
}
