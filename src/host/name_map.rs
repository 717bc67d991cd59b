//! The one matcher for every list of hosts: certificate names, allowed hosts and virtual hosts. What the
//! values mean is up to its users.

use std::net::IpAddr;

use foldhash::HashMap;

use super::borrowed::HostRef;
use super::pattern::{Pattern, base};

/// Values by pattern. The cost of a look-up does not grow with the number of entries.
///
/// Tenants may choose the entries, through a certificate or a domain of their own. So every map has a random
/// hash seed, and nobody can choose names in advance that all collide.
#[derive(Clone, Debug)]
pub(crate) struct NameMap<V> {
    exact: HashMap<Box<[u8]>, V>,
    wildcard: HashMap<Box<[u8]>, V>,
    ips: HashMap<IpAddr, V>,
}

impl<V> NameMap<V> {
    /// Returns the value of the best match, an exact name before a wildcard. A wildcard stands for one
    /// label, so `*.example.com` does not match `example.com`.
    pub(crate) fn get(&self, host: &HostRef<'_>) -> Option<&V> {
        let Some(name) = host.name() else {
            return self.ips.get(&host.ip()?);
        };
        name.lowered(|name| {
            let exact = self.exact.get(name);
            exact.or_else(|| self.wildcard.get(base(name)?))
        })
    }

    /// Returns the value of this very pattern.
    pub(crate) fn of(&self, pattern: &Pattern) -> Option<&V> {
        match pattern {
            Pattern::Exact(name) => self.exact.get(name),
            Pattern::Wildcard(base) => self.wildcard.get(base),
            Pattern::Ip(ip) => self.ips.get(ip),
        }
    }

    /// Returns the value of every pattern, in no particular order.
    #[cfg(feature = "quinn")]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        let names = self.exact.values().chain(self.wildcard.values());
        names.chain(self.ips.values())
    }

    /// Returns every pattern and its value, in no particular order.
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
    /// Inserts a value and returns the one that the pattern had before.
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

    /// A look-up among 10,000 colliding names would cost thousands of times what D2 promises, and a tenant
    /// who brings a certificate could make one.
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
