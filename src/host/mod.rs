//! The grammar of a host and a port, and how two of them compare. Nothing here knows of requests.
//!
//! `http::uri::Authority` is no judge of either: it accepts `a@b@c`, `[not-ip]` and port `99999`.

mod name;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::{self, FromStr};

pub(crate) use self::name::NameRef;
use crate::rejection::Malformed;

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

    /// Whether this text is its normal form, so that reading the text would give it again. An address is
    /// always read.
    #[inline]
    pub(crate) fn is_spelt(&self, text: &[u8]) -> bool {
        self.name().is_some_and(|name| name.as_bytes() == text)
    }

    /// The colon and what follows it, where the text is this host's normal form and a port.
    pub(crate) fn port_after<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let name = self.name()?.as_bytes();
        let (host, port) = text.split_at_checked(name.len())?;
        (port.first() == Some(&b':') && host == name).then_some(port)
    }

    /// Whether both are the same host.
    #[inline]
    pub(crate) fn is(&self, host: &HostRef<'_>) -> bool {
        // One place in memory, as where the one was taken for the other, need not be read.
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
/// Anything else, an attached port included, is [`Malformed::InvalidHost`].
impl FromStr for Host {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match split(text.as_bytes()) {
            Some((host, b"")) => Ok(host.to_owned()),
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
        matches!(split(text.as_bytes()), Some((host, b"")) if host == self.as_ref())
    }
}

impl PartialEq<&str> for Host {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

/// A [`Host`] borrowed from the request, as it was spelt there. Its fields stand side by side, where
/// variants would do, so that it travels in registers on the way of every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostRef<'a> {
    kind: KindRef,
    /// A name without its trailing dot; empty for an address.
    name: &'a [u8],
    /// The bits of an address; 0 for a name.
    address: [u64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)] // as wide as what is beside it, so that no padding is copied
enum KindRef {
    LowerCaseName,
    Name,
    V4,
    V6,
}

impl<'a> HostRef<'a> {
    #[inline]
    fn of_name(name: NameRef<'a>) -> Self {
        Self {
            kind: match name.lowercase {
                true => KindRef::LowerCaseName,
                false => KindRef::Name,
            },
            name: name.text,
            address: [0; 2],
        }
    }

    #[inline]
    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        let (kind, address) = match ip {
            IpAddr::V4(ip) => (KindRef::V4, ip.to_bits().into()),
            IpAddr::V6(ip) => (KindRef::V6, ip.to_bits()),
        };
        let address = [(address >> 64) as u64, address as u64];
        Self {
            kind,
            name: b"",
            address,
        }
    }

    #[inline]
    pub(crate) fn name(self) -> Option<NameRef<'a>> {
        let lowercase = self.kind == KindRef::LowerCaseName;
        let name = lowercase || self.kind == KindRef::Name;
        name.then_some(NameRef {
            text: self.name,
            lowercase,
        })
    }

    #[inline]
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self.kind {
            KindRef::LowerCaseName | KindRef::Name => None,
            // Made of 32 bits.
            KindRef::V4 => Some(Ipv4Addr::from_bits(self.address[1] as u32).into()),
            KindRef::V6 => {
                let [high, low] = self.address.map(u128::from);
                Some(Ipv6Addr::from_bits(high << 64 | low).into())
            }
        }
    }

    pub(crate) fn to_owned(self) -> Host {
        Host(match self.ip() {
            Some(ip) => Kind::Ip(ip),
            None => {
                let name = NameRef {
                    text: self.name,
                    lowercase: self.kind == KindRef::LowerCaseName,
                };
                // All of it is ASCII.
                Kind::Name(name.lowered(|name| str::from_utf8(name).unwrap_or_default().into()))
            }
        })
    }
}

impl PartialEq for HostRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.name(), other.name()) {
            (Some(a), Some(b)) if a.lowercase && b.lowercase => a.text == b.text,
            (Some(a), Some(b)) => a.text.eq_ignore_ascii_case(b.text),
            (None, None) => (self.kind, self.address) == (other.kind, other.address),
            _ => false,
        }
    }
}

impl fmt::Display for HostRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.ip()) {
            (Some(name), _) => name.fmt(f),
            (None, Some(IpAddr::V6(ip))) => write!(f, "[{ip}]"),
            (None, Some(IpAddr::V4(ip))) => ip.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

/// Reads `host[:port]`, the port being `None` where no digit follows the colon.
#[inline(always)]
pub(crate) fn parse(text: &[u8]) -> Result<(HostRef<'_>, Option<u16>), Malformed> {
    let (host, rest) = split(text).ok_or(Malformed::InvalidHost)?;
    Ok((host, parse_port(rest)?))
}

/// Splits a host from what follows it, which is empty or begins with a colon.
#[inline(always)]
fn split(text: &[u8]) -> Option<(HostRef<'_>, &[u8])> {
    let name = || NameRef::read(text).map(|(name, rest)| (HostRef::of_name(name), rest));
    // No text is both.
    match text.first()? {
        b'[' | b'0'..=b'9' => split_ip(text).or_else(name),
        _ => name(),
    }
}

fn split_ip(text: &[u8]) -> Option<(HostRef<'_>, &[u8])> {
    let (ip, rest) = match text {
        [b'[', bracketed @ ..] => {
            let end = bracketed.iter().position(|&byte| byte == b']')?;
            let ip = std::str::from_utf8(&bracketed[..end]).ok()?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            (IpAddr::from(ip), &bracketed[end + 1..])
        }
        _ => {
            let colon = text.iter().position(|&byte| byte == b':');
            let (ip, rest) = text.split_at(colon.unwrap_or(text.len()));
            let ip: Ipv4Addr = std::str::from_utf8(ip).ok()?.parse().ok()?;
            (ip.into(), rest)
        }
    };
    matches!(rest, [] | [b':', ..]).then_some((HostRef::of_ip(ip), rest))
}

/// Reads what follows a host: nothing, or a colon and perhaps a port. `str::parse` would take `+80`;
/// RFC 3986 §3.2.3 has digits only.
#[inline]
pub(crate) fn parse_port(after_host: &[u8]) -> Result<Option<u16>, Malformed> {
    let ([] | [b':'], digits) = after_host.split_at(after_host.len().min(1)) else {
        return Err(Malformed::InvalidPort);
    };
    if digits.is_empty() {
        return Ok(None);
    }
    let port = digits.iter().try_fold(0_u16, |port, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        port.checked_mul(10)?.checked_add(digit as u16)
    });
    port.map(Some).ok_or(Malformed::InvalidPort)
}
