//! The public `Host`: a host name or address that is kept. `borrowed` has the form that requests are judged
//! in.

use std::fmt;
use std::net::IpAddr;
use std::str::{self, FromStr};

use super::borrowed::HostRef;
use super::grammar::split;
use super::name::NameRef;
use crate::malformed::Malformed;

/// A host that a request targets: a DNS name or an IP address, in normal form.
///
/// The normal form of a name is lower case without a trailing dot, so equal hosts are equal values. An IPv6
/// address compares as an address, however it was written.
///
/// ```
/// use tower_misdirected::Host;
///
/// let host: Host = "App.Example.".parse()?;
/// assert_eq!(host.name(), Some("app.example"));
/// assert_eq!(host, "APP.example");
///
/// let host: Host = "[2001:DB8:0::1]".parse()?;
/// assert_eq!(host.ip(), Some("2001:db8::1".parse().unwrap()));
/// assert_eq!(host.to_string(), "[2001:db8::1]");
/// # Ok::<_, tower_misdirected::Malformed>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Name(Box<str>),
    Ip(IpAddr),
}

impl Host {
    /// Returns the DNS name, in lower case and without a trailing dot, or `None` for an IP address.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Name(name) => Some(name),
            Kind::Ip(_) => None,
        }
    }

    /// Returns the IP address, or `None` for a DNS name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0 {
            Kind::Name(_) => None,
            Kind::Ip(ip) => Some(ip),
        }
    }

    /// Returns whether `text` is exactly the normal form of this name. False for an address, which always
    /// has to be parsed.
    #[inline]
    pub(crate) fn is_spelled(&self, text: &[u8]) -> bool {
        match &self.0 {
            Kind::Name(name) => name.as_bytes() == text,
            Kind::Ip(_) => false,
        }
    }

    /// Returns the colon and what follows it, if `text` is the normal form of this name and a port.
    pub(crate) fn port_after<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let name = self.name()?.as_bytes();
        let (host, port) = text.split_at_checked(name.len())?;
        (port.first() == Some(&b':') && host == name).then_some(port)
    }

    /// Returns whether both are the same host.
    #[inline]
    pub(crate) fn is(&self, host: &HostRef<'_>) -> bool {
        // A `HostRef` made from this very host points to its text, which then need not be compared.
        match &self.0 {
            Kind::Name(name) if std::ptr::eq(name.as_bytes(), host.name) => true,
            _ => self.reads_as(host),
        }
    }

    fn reads_as(&self, host: &HostRef<'_>) -> bool {
        match &self.0 {
            Kind::Name(name) if name.len() != host.name.len() => false,
            _ => self.as_ref() == *host,
        }
    }

    /// Copies a host out of a request, in normal form.
    pub(crate) fn of_ref(host: HostRef<'_>) -> Self {
        Self(match (host.ip(), host.name()) {
            (Some(ip), _) => Kind::Ip(ip),
            // All of it is ASCII.
            (None, Some(name)) => {
                Kind::Name(name.lowered(|name| str::from_utf8(name).unwrap_or_default().into()))
            }
            (None, None) => Kind::Name(Box::default()),
        })
    }

    pub(crate) fn as_ref(&self) -> HostRef<'_> {
        match &self.0 {
            Kind::Name(text) => HostRef::of_name(NameRef {
                text: text.as_bytes(),
                lowercase: true,
            }),
            Kind::Ip(ip) => HostRef::of_ip(*ip),
        }
    }
}

/// Reads a host without a port: a DNS name, an IPv4 address, or an IPv6 address in brackets
/// (RFC 3986 §3.2.2, without its percent-encoding and IPvFuture).
///
/// # Errors
///
/// Returns [`Malformed::InvalidHost`] for anything else, a host with a port included.
impl FromStr for Host {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let Some((host, b"")) = split(text.as_bytes()) else {
            return Err(Malformed::InvalidHost);
        };
        match host.name() {
            // Already in normal form.
            Some(name) if name.lowercase && name.text.len() == text.len() => {
                Ok(Self(Kind::Name(text.into())))
            }
            _ => Ok(Self::of_ref(host)),
        }
    }
}

/// Writes the host as in a URI, with an IPv6 address in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

/// Compares with text in any spelling that names this host.
impl PartialEq<str> for Host {
    fn eq(&self, text: &str) -> bool {
        matches!(split(text.as_bytes()), Some((host, b"")) if host == self.as_ref())
    }
}

impl PartialEq<&str> for Host {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}
