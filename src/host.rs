//! The grammar of a host and a port, and how two of them compare. Nothing here knows of requests.
//!
//! `http::uri::Authority` is no judge of either: it accepts `a@b@c`, `[not-ip]` and port `99999`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::rejection::Malformed;

/// The longest DNS name in octets, without a trailing dot (RFC 1035 §2.3.4 less the root's octet).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host that a request targets: a DNS name in normal form, or an IP address.
///
/// The normal form of a name is lower case and without a trailing dot, so that two equal hosts are
/// equal values. An IPv6 address compares as an address, however it was written.
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
    /// The DNS name, lower case and without a trailing dot; `None` for an IP address.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Name(name) => Some(name),
            Kind::Ip(_) => None,
        }
    }

    /// The IP address; `None` for a DNS name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0 {
            Kind::Name(_) => None,
            Kind::Ip(ip) => Some(ip),
        }
    }

    pub(crate) fn as_ref(&self) -> HostRef<'_> {
        match &self.0 {
            Kind::Name(text) => HostRef::Name(NameRef {
                text,
                lowercase: true,
            }),
            Kind::Ip(ip) => HostRef::Ip(*ip),
        }
    }
}

/// Reads a host without a port: a DNS name, an IPv4 address, or an IPv6 address in brackets
/// (RFC 3986 §3.2.2, without its percent-encoding and IPvFuture).
///
/// Anything else, an attached port included, is [`Malformed::InvalidHost`].
impl FromStr for Host {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (host, rest) = split(text).ok_or(Malformed::InvalidHost)?;
        match rest {
            "" => Ok(host.to_owned()),
            _ => Err(Malformed::InvalidHost),
        }
    }
}

/// As in a URI: IPv6 in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

/// True where the text names this host, in whatever spelling.
impl PartialEq<str> for Host {
    fn eq(&self, text: &str) -> bool {
        matches!(split(text), Some((host, "")) if host == self.as_ref())
    }
}

impl PartialEq<&str> for Host {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

/// A [`Host`] borrowed from the request, as it was spelt there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HostRef<'a> {
    Name(NameRef<'a>),
    Ip(IpAddr),
}

impl PartialEq for HostRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.text.eq_ignore_ascii_case(b.text),
            (Self::Ip(a), Self::Ip(b)) => a == b,
            _ => false,
        }
    }
}

impl HostRef<'_> {
    pub(crate) fn is_ip(&self) -> bool {
        matches!(self, Self::Ip(_))
    }

    pub(crate) fn to_owned(self) -> Host {
        match self {
            Self::Name(name) => Host(Kind::Name(name.text.to_ascii_lowercase().into())),
            Self::Ip(ip) => Host(Kind::Ip(ip)),
        }
    }
}

impl fmt::Display for HostRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) if name.lowercase => f.write_str(name.text),
            Self::Name(name) => f.write_str(&name.text.to_ascii_lowercase()),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// A DNS name that the grammar accepts, in any case, without its trailing dot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameRef<'a> {
    text: &'a str,
    lowercase: bool,
}

impl<'a> NameRef<'a> {
    /// Letters, digits, hyphens and underscores in labels of 1 to 63 octets, at most 253 in all, one
    /// trailing dot ignored. A last label of digits alone would read as an IPv4 address
    /// (RFC 1123 §2.1), so it is none.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.len() > MAX_NAME {
            return None;
        }
        let (mut label, mut digits, mut lowercase) = (0, true, true);
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'-' | b'_' => digits = false,
                b'0'..=b'9' => {}
                b'A'..=b'Z' => (digits, lowercase) = (false, false),
                b'.' if label == 0 => return None,
                b'.' => {
                    (label, digits) = (0, true);
                    continue;
                }
                _ => return None,
            }
            label += 1;
            if label > MAX_LABEL {
                return None;
            }
        }
        (label > 0 && !digits).then_some(Self { text, lowercase })
    }

    /// Hands `look_up` the name in lower case, without allocating.
    pub(crate) fn lowered<T>(self, look_up: impl FnOnce(&[u8]) -> T) -> T {
        if self.lowercase {
            return look_up(self.text.as_bytes());
        }
        let mut buffer = [0; MAX_NAME];
        let lowered = &mut buffer[..self.text.len()];
        lowered.copy_from_slice(self.text.as_bytes());
        lowered.make_ascii_lowercase();
        look_up(lowered)
    }
}

/// Reads `host[:port]`, the port being `None` where no digit follows the colon.
pub(crate) fn parse(text: &[u8]) -> Result<(HostRef<'_>, Option<u16>), Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed::InvalidHost)?;
    let (host, rest) = split(text).ok_or(Malformed::InvalidHost)?;
    match rest.strip_prefix(':') {
        Some(digits) => Ok((host, parse_port(digits)?)),
        None => Ok((host, None)),
    }
}

/// Splits a host from what follows it, which is empty or begins with a colon.
fn split(text: &str) -> Option<(HostRef<'_>, &str)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (ip, rest) = bracketed.split_once(']')?;
        let ip: Ipv6Addr = ip.parse().ok()?;
        let separated = rest.is_empty() || rest.starts_with(':');
        return separated.then_some((HostRef::Ip(ip.into()), rest));
    }
    let colon = text.bytes().position(|byte| byte == b':');
    let (host, rest) = text.split_at(colon.unwrap_or(text.len()));
    let host = match NameRef::parse(host) {
        Some(name) => HostRef::Name(name),
        None => HostRef::Ip(host.parse::<Ipv4Addr>().ok()?.into()),
    };
    Some((host, rest))
}

/// `str::parse` alone would take `+80`; RFC 3986 §3.2.3 has digits only.
fn parse_port(digits: &str) -> Result<Option<u16>, Malformed> {
    if digits.is_empty() {
        return Ok(None);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed::InvalidPort);
    }
    digits.parse().map(Some).map_err(|_| Malformed::InvalidPort)
}
