//! One matcher for every list of host names: certificate names, allowed hosts and virtual hosts are the
//! same thing here, exact names, one-label wildcards and IP addresses.

use std::fmt;
use std::net::IpAddr;

use foldhash::HashMap;

use crate::host::{Host, HostRef, NameRef};

/// What an entry of a list matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Pattern {
    /// Lower case, no trailing dot.
    Exact(Box<[u8]>),
    /// What follows `*.`, lower case, no trailing dot.
    Wildcard(Box<[u8]>),
    Ip(IpAddr),
}

impl Pattern {
    /// A DNS name or `*.` before one (RFC 9525 §6.3: the wildcard is the whole left-most label).
    pub(crate) fn dns(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(base) => NameRef::parse(base).map(|name| Self::Wildcard(owned(name))),
            None => NameRef::parse(text).map(|name| Self::Exact(owned(name))),
        }
    }

    /// An IP address, IPv6 with or without its brackets.
    pub(crate) fn ip(text: &str) -> Option<Self> {
        let bracketed = || text.parse::<Host>().ok()?.ip();
        text.parse().ok().or_else(bracketed).map(Self::Ip)
    }
}

#[cfg(feature = "rustls")]
impl Pattern {
    /// What a wildcard must have after `*.` to be this pattern, or to match it.
    pub(crate) fn base(&self) -> Option<&[u8]> {
        match self {
            Self::Exact(name) => base(name),
            Self::Wildcard(base) => Some(base),
            Self::Ip(_) => None,
        }
    }
}

/// What follows the first label of a name.
fn base(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().position(|&byte| byte == b'.')?;
    Some(&name[dot + 1..])
}

fn owned(name: NameRef<'_>) -> Box<[u8]> {
    name.lowered(|name| name.into())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(&String::from_utf8_lossy(name)),
            Self::Wildcard(base) => write!(f, "*.{}", String::from_utf8_lossy(base)),
            Self::Ip(ip) => HostRef::of_ip(*ip).fmt(f),
        }
    }
}

/// Values by pattern. A look-up costs the same however many entries there are, and whoever chose them: a
/// tenant's certificate or domain is not the operator's. The hash is seeded at random for every map, so that
/// nobody can choose names beforehand that all collide.
#[derive(Clone, Debug)]
pub(crate) struct NameMap<V> {
    exact: HashMap<Box<[u8]>, V>,
    wildcard: HashMap<Box<[u8]>, V>,
    ips: HashMap<IpAddr, V>,
}

impl<V> NameMap<V> {
    /// The value of the best match: exact before wildcard. A wildcard stands for one label, so it
    /// never matches its own base.
    pub(crate) fn get(&self, host: &HostRef<'_>) -> Option<&V> {
        let Some(name) = host.name() else {
            return self.ips.get(&host.ip()?);
        };
        name.lowered(|name| {
            let exact = self.exact.get(name);
            exact.or_else(|| self.wildcard.get(base(name)?))
        })
    }

    /// The value of every pattern, in no particular order.
    #[cfg(feature = "rustls")]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        let names = self.exact.values().chain(self.wildcard.values());
        names.chain(self.ips.values())
    }

    /// Every pattern and its value, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Pattern, &V)> {
        let exact = self.exact.iter();
        let exact = exact.map(|(name, value)| (Pattern::Exact(name.clone()), value));
        let wildcard = self.wildcard.iter();
        let wildcard = wildcard.map(|(base, value)| (Pattern::Wildcard(base.clone()), value));
        let ips = self.ips.iter();
        let ips = ips.map(|(ip, value)| (Pattern::Ip(*ip), value));
        exact.chain(wildcard).chain(ips)
    }
}

impl<V> NameMap<V> {
    /// Returns the value that the pattern had before.
    pub(crate) fn insert(&mut self, pattern: Pattern, value: V) -> Option<V> {
        match pattern {
            Pattern::Exact(name) => self.exact.insert(name, value),
            Pattern::Wildcard(base) => self.wildcard.insert(base, value),
            Pattern::Ip(ip) => self.ips.insert(ip, value),
        }
    }
}

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        Self {
            exact: HashMap::default(),
            wildcard: HashMap::default(),
            ips: HashMap::default(),
        }
    }
}

impl<V> FromIterator<(Pattern, V)> for NameMap<V> {
    fn from_iter<I: IntoIterator<Item = (Pattern, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (pattern, value) in entries {
            map.insert(pattern, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    /// Of a certificate with 10,000 names that collide a look-up would cost thousands of times what D2
    /// promises, and whoever may bring a certificate, or name a host, of their own could make one.
    #[test]
    fn d2_nobody_can_tell_beforehand_which_names_collide() {
        let [one, other] = [(); 2].map(|()| NameMap::<()>::default());
        let name: &[u8] = b"www.test";
        assert_ne!(
            one.exact.hasher().hash_one(name),
            other.exact.hasher().hash_one(name)
        );
        assert_ne!(
            one.wildcard.hasher().hash_one(name),
            other.wildcard.hasher().hash_one(name)
        );
        let ip = IpAddr::from([192, 0, 2, 1]);
        assert_ne!(
            one.ips.hasher().hash_one(ip),
            other.ips.hasher().hash_one(ip)
        );
    }
}
