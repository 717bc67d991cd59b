//! The matcher for every list of hosts: certificate names, allowed hosts and virtual hosts. Its users define the
//! meaning of the values.

use std::iter;
use std::net::IpAddr;

use super::hash::{hash_of_ip, hash_of_name};
use super::labels::{after_first_label, labels};
use super::name::NameRef;
use super::pattern::Pattern;
use super::sought::Sought;
use super::table::Table;

/// Values by pattern. The cost of a look-up does not grow with the number of entries.
#[derive(Clone, Debug)]
pub(crate) struct NameMap<V> {
    pub(super) exact: Table<Box<[u8]>, V>,
    pub(super) wildcard: Table<Box<[u8]>, V>,
    subdomains: Table<Box<[u8]>, V>,
    /// A bit for each number of labels that a key of `subdomains` has. A name has at most 127 labels.
    depths: u128,
    ips: Table<IpAddr, V>,
}

impl<V> NameMap<V> {
    /// Returns the value of the best match: an exact name, then a wildcard for one label, then the longest wildcard for
    /// several labels. `*.example.com` and `**.example.com` do not match `example.com`.
    pub(crate) fn get(&self, host: &Sought<'_>) -> Option<&V> {
        let Some(name) = host.host().name() else {
            let ip = host.host().ip()?;
            return self.ips.get(host.hash(), |key| *key == ip);
        };
        let exact = self.exact.get(host.hash(), |key| name.is(key));
        exact.or_else(|| self.best_wildcard(host))
    }

    #[inline]
    fn best_wildcard(&self, host: &Sought<'_>) -> Option<&V> {
        if self.wildcard.is_empty() && self.depths == 0 {
            return None;
        }
        let (base, hash) = host.base()?;
        let wildcard = self.wildcard.get(hash, |key| base.is(key));
        wildcard.or_else(|| match self.depths {
            0 => None,
            _ => self.longest_of(base),
        })
    }

    /// Returns the value of exactly this pattern.
    pub(crate) fn of(&self, pattern: &Pattern) -> Option<&V> {
        let hash = hash_of(pattern);
        match pattern {
            Pattern::Exact(name) => self.exact.get(hash, |key| key == name),
            Pattern::Wildcard(base) => self.wildcard.get(hash, |key| key == base),
            Pattern::Subdomains(base) => self.subdomains.get(hash, |key| key == base),
            Pattern::Ip(ip) => self.ips.get(hash, |key| key == ip),
        }
    }

    /// Returns the value of the best wildcard for names with one label more than `base`, which is in lower case.
    pub(crate) fn below(&self, base: &[u8]) -> Option<&V> {
        let wildcard = self.wildcard.get(hash_of_name(base), |key| **key == *base);
        wildcard.or_else(|| self.longest(base))
    }

    #[cold]
    fn longest_of(&self, base: NameRef<'_>) -> Option<&V> {
        base.lowered(|base| self.longest(base))
    }

    /// Returns the value of the longest of `base` and the names after its dots.
    #[inline(never)]
    fn longest(&self, base: &[u8]) -> Option<&V> {
        self.candidates(base).find_map(|suffix| {
            let hash = hash_of_name(suffix);
            self.subdomains.get(hash, |key| **key == *suffix)
        })
    }

    /// Returns `base` and the names after its dots, if they have as many labels as a key. So a client cannot cause more
    /// look-ups than there are different numbers of labels.
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
        let names = self.exact.iter().chain(self.wildcard.iter());
        let names = names.chain(self.subdomains.iter()).map(|(_, value)| value);
        names.chain(self.ips.iter().map(|(_, value)| value))
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
    /// Inserts a value and returns the former value of the pattern.
    pub(crate) fn insert(&mut self, pattern: Pattern, value: V) -> Option<V> {
        let hash = hash_of(&pattern);
        match pattern {
            Pattern::Exact(name) => self.exact.insert(hash, name, value),
            Pattern::Wildcard(base) => self.wildcard.insert(hash, base, value),
            Pattern::Subdomains(base) => {
                self.depths |= bit(labels(&base));
                self.subdomains.insert(hash, base, value)
            }
            Pattern::Ip(ip) => self.ips.insert(hash, ip, value),
        }
    }

    /// Removes exactly this pattern and returns its value. The number of labels of a wildcard for several labels stays
    /// in `depths`, which costs a look-up and changes no result.
    pub(crate) fn remove(&mut self, pattern: &Pattern) -> Option<V> {
        let hash = hash_of(pattern);
        match pattern {
            Pattern::Exact(name) => self.exact.remove(hash, |key| key == name),
            Pattern::Wildcard(base) => self.wildcard.remove(hash, |key| key == base),
            Pattern::Subdomains(base) => self.subdomains.remove(hash, |key| key == base),
            Pattern::Ip(ip) => self.ips.remove(hash, |key| key == ip),
        }
    }
}

/// Returns the hash with which a look-up finds a pattern.
fn hash_of(pattern: &Pattern) -> u64 {
    match pattern {
        Pattern::Exact(name) | Pattern::Wildcard(name) | Pattern::Subdomains(name) => {
            hash_of_name(name)
        }
        Pattern::Ip(ip) => hash_of_ip(*ip),
    }
}

/// Returns the bit of a number of labels in `NameMap::depths`.
fn bit(labels: u32) -> u128 {
    1_u128.checked_shl(labels).unwrap_or(0)
}

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        Self {
            exact: Table::default(),
            wildcard: Table::default(),
            subdomains: Table::default(),
            depths: 0,
            ips: Table::default(),
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

    #[test]
    fn b10_one_hash_finds_a_host_in_every_map() {
        let [one, other] = ["a.test", "*.test"].map(|pattern| {
            let pattern = Pattern::parse(pattern).unwrap();
            NameMap::from_iter([(pattern, ())])
        });
        let host = one.read(b"a.test").unwrap();
        assert!(other.get(&host).is_some());
        let host = other.read(b"a.test").unwrap();
        assert!(one.get(&host).is_some());
    }
}
