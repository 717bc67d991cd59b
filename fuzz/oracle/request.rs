//! Rules A1 to A5 and A9: which authority a request has. Read from the text of the request target, where
//! the crate sees what `http::Uri` made of it.

use http::{Method, Version};

use crate::grammar::{self, Authority};

/// What the client sent. In HTTP/2 and HTTP/3 the target is `:scheme`, `:authority` and `:path` together.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    pub version: Version,
    pub method: Method,
    pub target: &'a str,
    /// The values of all `Host` fields.
    pub hosts: Vec<&'a [u8]>,
}

/// The forms of RFC 9112 §3.2.
enum Form<'a> {
    Origin,
    Asterisk,
    Absolute { scheme: &'a str, authority: &'a str },
    Authority(&'a str),
}

impl<'a> Form<'a> {
    fn of(target: &'a str) -> Self {
        if target == "*" {
            Self::Asterisk
        } else if target.starts_with('/') {
            Self::Origin
        } else if let Some((scheme, rest)) = target.split_once("://") {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let authority = &rest[..end];
            Self::Absolute { scheme, authority }
        } else {
            Self::Authority(target)
        }
    }
}

/// A good request's authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub authority: Authority,
    /// Lower case.
    pub scheme: Option<String>,
}

impl Head<'_> {
    /// `None` for a malformed request. `default` is the layer's default host.
    pub fn target(&self, default: Option<&str>) -> Option<Target> {
        let http1 = self.version <= Version::HTTP_11;
        let connect = self.method == Method::CONNECT;
        let host = match &self.hosts[..] {
            [] => None,
            [host] => Some(grammar::authority(host)?),
            _ => return None,
        };
        let (scheme, in_target) = match Form::of(self.target) {
            Form::Origin if http1 && connect => return None,
            Form::Asterisk if self.method != Method::OPTIONS => return None,
            Form::Absolute { .. } if http1 && connect => return None,
            // A9
            Form::Authority(_) if http1 && !connect => return None,
            Form::Origin | Form::Asterisk => (None, None),
            Form::Absolute { scheme, authority } => (Some(scheme), Some(authority)),
            Form::Authority(authority) => (None, Some(authority)),
        };
        // A4, whatever the form of the target.
        if self.version == Version::HTTP_11 && host.is_none() {
            return None;
        }
        let scheme = scheme.map(str::to_ascii_lowercase);
        let authority = match in_target {
            Some(authority) => grammar::authority(authority.as_bytes())?,
            None => {
                let default = default.filter(|_| self.version < Version::HTTP_11);
                host.clone()
                    .or_else(|| grammar::authority(default?.as_bytes()))?
            }
        };
        // A1, where in HTTP/1 the target wins (A2).
        let differs = host.is_some_and(|host| !same(&host, &authority, scheme.as_deref()));
        (http1 || !differs).then_some(Target { authority, scheme })
    }
}

/// Whether both are one, where no port is the default port.
pub fn same(one: &Authority, other: &Authority, scheme: Option<&str>) -> bool {
    let default = match scheme {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    one.host == other.host && one.port.or(default) == other.port.or(default)
}
