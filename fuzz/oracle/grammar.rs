//! Rules A6 to A8, the grammar of an authority, as regular expressions after RFC 3986 §3.2. What the
//! addresses in it stand for is left to the standard library.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex_lite::Regex;

/// A host in normal form: lower case, no trailing dot, an address as an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Name(String),
    Ip(IpAddr),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    pub host: Host,
    pub port: Option<u16>,
}

static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(?<name>[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?$").unwrap());
static V4: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("^{IPV4}$")).unwrap());
static V6: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^(?:{})$", ipv6_forms())).unwrap());
static AUTHORITY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(?<host>\[[^\]]*\]|[^:\[\]]*)(?::(?<port>[0-9]*))?$").unwrap());

const IPV4: &str = r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3})";

/// The nine forms of `IPv6address`, in the order of RFC 3986 §3.2.2.
fn ipv6_forms() -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let last = format!("(?:{group}:{group}|{IPV4})");
    let upto = |n: usize| format!("(?:(?:{group}:){{0,{n}}}{group})?");
    [
        format!("(?:{group}:){{6}}{last}"),
        format!("::(?:{group}:){{5}}{last}"),
        format!("{}::(?:{group}:){{4}}{last}", upto(0)),
        format!("{}::(?:{group}:){{3}}{last}", upto(1)),
        format!("{}::(?:{group}:){{2}}{last}", upto(2)),
        format!("{}::{group}:{last}", upto(3)),
        format!("{}::{last}", upto(4)),
        format!("{}::{group}", upto(5)),
        format!("{}::", upto(6)),
    ]
    .join("|")
}

/// A6: letters, digits, hyphens and underscores, labels of 1 to 63 octets, at most 253 in all, the last
/// label not all digits, one trailing dot.
pub fn name(text: &str) -> Option<String> {
    let name = NAME.captures(text)?.name("name")?.as_str();
    let labels: Vec<_> = name.split('.').collect();
    let fits = name.len() <= 253 && labels.iter().all(|label| label.len() <= 63);
    let numeric = labels.last()?.chars().all(|c| c.is_ascii_digit());
    (fits && !numeric).then(|| name.to_ascii_lowercase())
}

/// A dotted quad.
fn ipv4(text: &str) -> Option<IpAddr> {
    let ip = || text.parse::<Ipv4Addr>().expect("RFC 3986 and std");
    V4.is_match(text).then(|| ip().into())
}

/// Without brackets and without zone.
fn ipv6(text: &str) -> Option<IpAddr> {
    let ip = || text.parse::<Ipv6Addr>().expect("RFC 3986 and std");
    V6.is_match(text).then(|| ip().into())
}

/// An address, without brackets.
pub fn address(text: &str) -> Option<IpAddr> {
    ipv4(text).or_else(|| ipv6(text))
}

/// A host as in a URI: IPv6 in brackets, and nothing else in them.
pub fn host(text: &str) -> Option<Host> {
    if let Some(bracketed) = text.strip_prefix('[') {
        return ipv6(bracketed.strip_suffix(']')?).map(Host::Ip);
    }
    name(text)
        .map(Host::Name)
        .or_else(|| ipv4(text).map(Host::Ip))
}

/// A7: after a colon digits up to 65535, or nothing, which is no port.
pub fn authority(text: &[u8]) -> Option<Authority> {
    let captures = AUTHORITY.captures(std::str::from_utf8(text).ok()?)?;
    let digits = captures.name("port").map_or("", |port| port.as_str());
    let significant = digits.trim_start_matches('0');
    let port = match (digits, significant) {
        ("", _) => None,
        (_, "") => Some(0),
        _ => Some(u16::try_from(significant.parse::<u64>().ok()?).ok()?),
    };
    let host = host(captures.name("host")?.as_str())?;
    Some(Authority { host, port })
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// Whether the crate's host is this one.
impl PartialEq<tower_misdirected::Host> for Host {
    fn eq(&self, host: &tower_misdirected::Host) -> bool {
        match self {
            Self::Name(name) => host.name() == Some(name) && host.ip().is_none(),
            Self::Ip(ip) => host.ip() == Some(*ip) && host.name().is_none(),
        }
    }
}

/// Whether the crate's authority is this one.
impl PartialEq<tower_misdirected::EffectiveAuthority> for Authority {
    fn eq(&self, authority: &tower_misdirected::EffectiveAuthority) -> bool {
        self.host == *authority.host() && self.port == authority.port()
    }
}
