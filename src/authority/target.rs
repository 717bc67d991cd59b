//! Finds the authority in a request, by HTTP version and form of the request target. The grammar of the authority lives
//! in `host`.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use super::reference::AuthorityRef;
use super::scheme::Scheme;
use crate::host::{self, Host};
use crate::malformed::Malformed;

/// The fields of a request that state its authority. They have not been parsed yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stated<'a> {
    version: Version,
    uri: &'a Uri,
    authority: &'a [u8],
    /// The `Host` field, if the request target has an authority too.
    beside: Option<&'a HeaderValue>,
}

impl<'a> Stated<'a> {
    #[inline(always)]
    pub(crate) fn of<B>(request: &'a Request<B>) -> Result<Self, Malformed> {
        let (uri, headers) = (request.uri(), request.headers());
        Self::find(request.version(), request.method(), uri, headers)
    }

    #[inline(always)]
    pub(super) fn find(
        version: Version,
        method: &Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    ) -> Result<Self, Malformed> {
        let host = host_field(version, headers)?;
        let http1 = version < Version::HTTP_2;
        let Some(in_target) = uri.authority() else {
            // Origin-form, or asterisk-form, which is only for OPTIONS (RFC 9112 §3.2.4). CONNECT has origin-form only
            // if it is extended (RFC 9112 §3.2.3, RFC 8441 §4).
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
            return Ok(Self {
                version,
                uri,
                authority: host.as_bytes(),
                beside: None,
            });
        };

        if http1 {
            // CONNECT has authority-form, and no other method does (RFC 9112 §3.2.3). hyper parses `GET foo` as the
            // authority `foo`.
            if uri.scheme().is_none() != (*method == Method::CONNECT) {
                return Err(Malformed::InvalidTarget);
            }
            // RFC 9112 §3.2 requires `Host` in every form.
            if host.is_none() && version == Version::HTTP_11 {
                return Err(Malformed::MissingAuthority);
            }
        }
        // Asterisk-form, as above. HTTP/1 has no authority beside it.
        if !http1 && *method != Method::OPTIONS && uri.path() == "*" {
            return Err(Malformed::InvalidTarget);
        }
        Ok(Self {
            version,
            uri,
            authority: in_target.as_str().as_bytes(),
            beside: host,
        })
    }

    /// Parses the target. `likely` is the most likely host: the server name of the connection.
    #[inline(always)]
    pub(crate) fn read(&self, likely: Option<&'a Host>) -> Result<Target<'a>, Malformed> {
        let target = Target {
            authority: AuthorityRef::parse(self.authority, likely)?,
            host_differs: false,
        };
        match self.beside {
            Some(host) if host.as_bytes() != self.authority => self.compare(target, host),
            _ => Ok(target),
        }
    }

    /// Compares the target with the `Host` field of the same request.
    #[cold]
    fn compare(&self, mut target: Target<'a>, host: &HeaderValue) -> Result<Target<'a>, Malformed> {
        let host = AuthorityRef::parse(host.as_bytes(), None)?;
        target.host_differs = !target.authority.same_entity(&host, self.scheme());
        match target.host_differs && self.version >= Version::HTTP_2 {
            true => Err(Malformed::ConflictingAuthorities),
            false => Ok(target),
        }
    }

    /// Returns the port if the authority is exactly this name in normal form, with or without a port. Returns `None`
    /// for every other authority, and if two fields state an authority.
    #[inline(always)]
    pub(crate) fn port_after(&self, name: &Host) -> Option<Option<u16>> {
        if self.beside.is_some() {
            return None;
        }
        match name.is_spelled(self.authority) {
            true => Some(None),
            false => self.some_port_after(name),
        }
    }

    #[inline(never)]
    fn some_port_after(&self, name: &Host) -> Option<Option<u16>> {
        let port = name.port_after(self.authority)?;
        host::parse_port(port).ok()
    }

    /// Returns the unchecked text of the host, and the port. Returns `None` if the port is invalid, or if two fields
    /// state an authority.
    #[inline(always)]
    pub(crate) fn parts(&self) -> Option<(&'a [u8], Option<u16>)> {
        if self.beside.is_some() {
            return None;
        }
        let (host, port) = host::split_port(self.authority);
        match port {
            [] => Some((host, None)),
            _ => Some((host, host::parse_port(port).ok()?)),
        }
    }

    /// Returns the scheme, if the request names one.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        match self.uri.scheme() {
            Some(scheme) => Some(Scheme::of(scheme)),
            None if self.uri.authority().is_some() || self.version < Version::HTTP_2 => None,
            None => Some(Scheme::Unseen),
        }
    }
}

/// The target of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) authority: AuthorityRef<'a>,
    /// Whether `Host` names another host or port than the request target. The target wins (RFC 9112 §3.2.2).
    pub(crate) host_differs: bool,
}

/// Returns the `Host` field, if there is one. A second `Host` field is an error in every HTTP version, even if the
/// request target overrides it (RFC 9112 §3.2).
#[inline]
fn host_field(version: Version, headers: &HeaderMap) -> Result<Option<&HeaderValue>, Malformed> {
    if version < Version::HTTP_2 {
        let leading = leading_host(headers);
        if leading.is_some() {
            return Ok(leading);
        }
    }
    if !has_host(headers) {
        return Ok(None);
    }
    let mut fields = headers.get_all(&HOST).iter();
    let first = fields.next();
    match fields.next() {
        Some(_) => Err(Malformed::SeveralHosts),
        None => Ok(first),
    }
}

/// Returns whether there is a `Host` field. Comparing a few names is faster than hashing one name. Not inlined, because
/// HTTP/1 rarely needs it.
#[inline(never)]
fn has_host(headers: &HeaderMap) -> bool {
    match headers.keys_len() {
        0..=8 => headers.keys().any(|name| *name == HOST),
        _ => many_have_host(headers),
    }
}

#[inline(never)]
fn many_have_host(headers: &HeaderMap) -> bool {
    headers.contains_key(&HOST)
}

/// Returns the `Host` field if it is the first field, as user agents should send it (RFC 9110 §7.2), and no field name
/// occurs twice. This is faster than a search.
#[inline]
fn leading_host(headers: &HeaderMap) -> Option<&HeaderValue> {
    let (name, value) = headers.iter().next()?;
    // `len` counts values and `keys_len` counts names, so no name has two values if they are equal.
    (*name == HOST && headers.len() == headers.keys_len()).then_some(value)
}
