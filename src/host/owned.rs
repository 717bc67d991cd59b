//! The public `Host`: an owned host name or address. The borrowed form of requests lives in `borrowed`.

use std::fmt;
use std::net::IpAddr;
use std::str::{self, FromStr};

use super::borrowed::HostRef;
use super::grammar::split;
use super::name::NameRef;
use crate::malformed::Malformed;

/// A host: a DNS name or an IP address, in normal form (RFC 9110 §7.2).
///
/// The normal form of a name is lower case without a trailing dot, so equal hosts are equal values. IPv6 addresses are
/// compared as addresses, not as text.
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

    /// Returns whether `text` is exactly the normal form of this name. Returns `false` for an address, which must
    /// always be parsed.
    #[inline]
    pub(crate) fn is_spelled(&self, text: &[u8]) -> bool {
        match &self.0 {
            Kind::Name(name) => name.as_bytes() == text,
            Kind::Ip(_) => false,
        }
    }

    /// Returns the colon and the text after it, if `text` is the normal form of this name with a port.
    pub(crate) fn port_after<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let name = self.name()?.as_bytes();
        let (host, port) = text.split_at_checked(name.len())?;
        (port.first() == Some(&b':') && host == name).then_some(port)
    }

    /// Returns whether both are the same host.
    #[inline]
    pub(crate) fn is(&self, host: &HostRef<'_>) -> bool {
        // A `HostRef` created from this host points to its text, which then does not have to be compared.
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

    /// Copies a host from a request, in normal form.
    pub(crate) fn of_ref(host: HostRef<'_>) -> Self {
        Self(match (host.ip(), host.name()) {
            (Some(ip), _) => Kind::Ip(ip),
            // A name is ASCII.
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

/// Parses a host without a port: a DNS name, an IPv4 address, or an IPv6 address in brackets (RFC 3986 §3.2.2, without
/// percent-encoding and IPvFuture).
///
/// # Errors
///
/// Returns [`Malformed::InvalidHost`] for any other text, including a host with a port.
impl FromStr for Host {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let Some((host, b"")) = split(text.as_bytes()) else {
            return Err(Malformed::InvalidHost);
        };
        match host.name() {
            // The text is already in normal form.
            Some(name) if name.lowercase && name.text.len() == text.len() => {
                Ok(Self(Kind::Name(text.into())))
            }
            _ => Ok(Self::of_ref(host)),
        }
    }
}

/// Writes the host as in a URI: an IPv6 address is in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

/// Compares the host with text in any spelling.
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
