//! The one matcher for every list of hosts: certificate names, allowed hosts and virtual hosts. What the
//! values mean is up to its users.

use std::iter;
use std::net::IpAddr;

use foldhash::HashMap;

use super::borrowed::HostRef;
use super::pattern::{Pattern, after_first_label, labels};

/// Values by pattern. The cost of a look-up does not grow with the number of entries.
///
/// Tenants may choose the entries, through a certificate or a domain of their own. So every map has a random
/// hash seed, and nobody can choose names in advance that all collide.
#[derive(Clone, Debug)]
pub(crate) struct NameMap<V> {
    exact: HashMap<Box<[u8]>, V>,
    wildcard: HashMap<Box<[u8]>, V>,
    subdomains: HashMap<Box<[u8]>, V>,
    /// Which numbers of labels the keys of `subdomains` have, a bit each. A name has at most 127 labels.
    depths: u128,
    ips: HashMap<IpAddr, V>,
}

impl<V> NameMap<V> {
    /// Returns the value of the best match: an exact name, then a wildcard for one label, then the longest wildcard
    /// for several. No wildcard matches the name that follows it: `*.example.com` does not match `example.com`.
    pub(crate) fn get(&self, host: &HostRef<'_>) -> Option<&V> {
        let Some(name) = host.name() else {
            return self.ips.get(&host.ip()?);
        };
        name.lowered(|name| {
            let exact = self.exact.get(name);
            exact.or_else(|| self.below(after_first_label(name)?))
        })
    }

    /// Returns the value of this very pattern.
    pub(crate) fn of(&self, pattern: &Pattern) -> Option<&V> {
        match pattern {
            Pattern::Exact(name) => self.exact.get(name),
            Pattern::Wildcard(base) => self.wildcard.get(base),
            Pattern::Subdomains(base) => self.subdomains.get(base),
            Pattern::Ip(ip) => self.ips.get(ip),
        }
    }

    /// Returns the value of the best wildcard for names that have one label more than `base`.
    #[inline]
    pub(crate) fn below(&self, base: &[u8]) -> Option<&V> {
        let wildcard = self.wildcard.get(base);
        wildcard.or_else(|| match self.depths {
            0 => None,
            _ => self.longest(base),
        })
    }

    /// Returns the value of the longest of `base` and the names after its dots.
    #[inline(never)]
    fn longest(&self, base: &[u8]) -> Option<&V> {
        self.candidates(base)
            .find_map(|suffix| self.subdomains.get(suffix))
    }

    /// Returns those of `base` and the names after its dots that have as many labels as some key. So a client cannot
    /// cause more look-ups than there are such numbers.
    fn candidates<'a>(&self, base: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, V> {
        let depths = self.depths;
        let suffixes = iter::successors(Some(base), |suffix| after_first_label(suffix));
        let counts = (1..=labels(base)).rev();
        let counted = suffixes.zip(counts);
        let known = counted.filter(move |(_, labels)| depths & bit(*labels) != 0);
        known.map(|(suffix, _)| suffix)
    }

    /// Returns the value of every pattern, in no particular order.
    #[cfg(feature = "quinn")]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        let names = self.exact.values().chain(self.wildcard.values());
        names
            .chain(self.subdomains.values())
            .chain(self.ips.values())
    }

    /// Returns the number of patterns.
    #[cfg(feature = "tracing")]
    pub(crate) fn len(&self) -> usize {
        self.exact.len() + self.wildcard.len() + self.subdomains.len() + self.ips.len()
    }

    /// Returns every pattern and its value, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Pattern, &V)> {
        let exact = self.exact.iter();
        let exact = exact.map(|(name, value)| (Pattern::Exact(name.clone()), value));
        let wildcard = self.wildcard.iter();
        let wildcard = wildcard.map(|(base, value)| (Pattern::Wildcard(base.clone()), value));
        let subdomains = self.subdomains.iter();
        let subdomains = subdomains.map(|(base, value)| (Pattern::Subdomains(base.clone()), value));
        let ips = self.ips.iter();
        let ips = ips.map(|(ip, value)| (Pattern::Ip(*ip), value));
        exact.chain(wildcard).chain(subdomains).chain(ips)
    }
}

impl<V> NameMap<V> {
    /// Inserts a value and returns the one that the pattern had before.
    pub(crate) fn insert(&mut self, pattern: Pattern, value: V) -> Option<V> {
        match pattern {
            Pattern::Exact(name) => self.exact.insert(name, value),
            Pattern::Wildcard(base) => self.wildcard.insert(base, value),
            Pattern::Subdomains(base) => {
                self.depths |= bit(labels(&base));
                self.subdomains.insert(base, value)
            }
            Pattern::Ip(ip) => self.ips.insert(ip, value),
        }
    }

    /// Removes this very pattern and returns its value. The number of labels of a wildcard for several stays known,
    /// which costs a look-up and changes no result.
    pub(crate) fn remove(&mut self, pattern: &Pattern) -> Option<V> {
        match pattern {
            Pattern::Exact(name) => self.exact.remove(name),
            Pattern::Wildcard(base) => self.wildcard.remove(base),
            Pattern::Subdomains(base) => self.subdomains.remove(base),
            Pattern::Ip(ip) => self.ips.remove(ip),
        }
    }
}

/// Returns the bit of a number of labels in `NameMap::depths`.
fn bit(labels: u32) -> u128 {
    1_u128.checked_shl(labels).unwrap_or(0)
}

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        Self {
            exact: HashMap::default(),
            wildcard: HashMap::default(),
            subdomains: HashMap::default(),
            depths: 0,
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

    #[test]
    fn b10_a_long_name_costs_a_look_up_for_each_number_of_labels_that_occurs() {
        let name = |labels: usize| vec!["a"; labels].join(".");
        let bases = [name(2), "b.b".to_owned(), name(5), name(126)];
        let patterns = bases.map(|base| (Pattern::Subdomains(base.into_bytes().into()), ()));
        let map: NameMap<()> = patterns.into_iter().collect();
        let longest = name(127);
        let base = after_first_label(longest.as_bytes()).unwrap();
        let candidates: Vec<_> = map.candidates(base).map(<[u8]>::len).collect();
        assert_eq!(candidates, [126, 5, 2].map(|labels| name(labels).len()));
        assert_eq!(map.candidates(b"a").count(), 0);
        let none = NameMap::<()>::default();
        assert_eq!(none.candidates(base).count(), 0);
    }

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
        assert_ne!(
            one.subdomains.hasher().hash_one(name),
            other.subdomains.hasher().hash_one(name)
        );
        let ip = IpAddr::from([192, 0, 2, 1]);
        assert_ne!(
            one.ips.hasher().hash_one(ip),
            other.ips.hasher().hash_one(ip)
        );
    }
}
