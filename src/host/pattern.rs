//! An entry of a list of hosts: a name, a wildcard or an address, parsed from configuration. Matching hosts against
//! many entries lives in `name_map`.

use std::fmt;
use std::net::IpAddr;

use super::borrowed::HostRef;
use super::grammar;
use super::labels::after_first_label;
use super::name::NameRef;
use super::owned::Host;

/// One entry of a list of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Pattern {
    /// A name, in lower case and without a trailing dot.
    Exact(Box<[u8]>),
    /// The name after `*.`, in lower case and without a trailing dot.
    Wildcard(Box<[u8]>),
    /// The name after `**.`, in lower case and without a trailing dot.
    Subdomains(Box<[u8]>),
    Ip(IpAddr),
}

impl Pattern {
    /// Parses a DNS name, a wildcard for one label or for several labels, or an IP address.
    pub(crate) fn parse(text: &str) -> Result<Self, HostProblem> {
        let pattern = Self::ip(text)
            .or_else(|| Self::dns(text))
            .or_else(|| Self::subdomains(text));
        pattern.ok_or_else(|| HostProblem::of(text))
    }

    /// Parses a DNS name, or `*.` before a DNS name (RFC 9525 §6.3: a wildcard is the whole left-most label).
    pub(crate) fn dns(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(base) => NameRef::parse(base).map(|name| Self::Wildcard(owned(name))),
            None => NameRef::parse(text).map(|name| Self::Exact(owned(name))),
        }
    }

    /// Parses `**.` before a DNS name. Certificates have no such wildcard.
    fn subdomains(text: &str) -> Option<Self> {
        let base = NameRef::parse(text.strip_prefix("**.")?)?;
        Some(Self::Subdomains(owned(base)))
    }

    /// Parses an IP address. IPv6 may be in brackets.
    pub(crate) fn ip(text: &str) -> Option<Self> {
        let bracketed = || text.parse::<Host>().ok()?.ip();
        text.parse().ok().or_else(bracketed).map(Self::Ip)
    }
}

impl Pattern {
    /// Returns the name after `*.` in the wildcard for one label that equals or matches this pattern.
    pub(crate) fn base(&self) -> Option<&[u8]> {
        match self {
            Self::Exact(name) => after_first_label(name),
            Self::Wildcard(base) => Some(base),
            Self::Subdomains(_) | Self::Ip(_) => None,
        }
    }
}

fn owned(name: NameRef<'_>) -> Box<[u8]> {
    name.lowered(|name| name.into())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(&String::from_utf8_lossy(name)),
            Self::Wildcard(base) => write!(f, "*.{}", String::from_utf8_lossy(base)),
            Self::Subdomains(base) => write!(f, "**.{}", String::from_utf8_lossy(base)),
            Self::Ip(ip) => HostRef::of_ip(*ip).fmt(f),
        }
    }
}

/// The reason for which a text is not a pattern. The fix for some problems depends on the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostProblem {
    Port,
    Star,
    Other(&'static str),
}

impl HostProblem {
    fn of(host: &str) -> Self {
        let has_port = grammar::parse(host.as_bytes()).is_ok();
        if host.is_empty() {
            Self::Other("is empty; give a DNS name or an IP address")
        } else if !host.is_ascii() {
            Self::Other("is not ASCII; give the name in Punycode, as `xn--…` (RFC 5890)")
        } else if has_port {
            Self::Port
        } else if host.contains('/') {
            Self::Other("is more than a host; give it without scheme and path")
        } else if host.contains('*') {
            Self::Star
        } else {
            Self::Other(
                "is not a host; expected a DNS name, `*.` or `**.` before a DNS name, or an IP address",
            )
        }
    }
}
