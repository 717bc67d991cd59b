//! A table whose keys are hashed by the caller, so that one hash is enough for several tables. `name_map` defines the
//! keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

/// Values by key. The same key must always come with the same hash.
///
/// Two keys with the same hash are two entries: the hash finds an entry, and comparing the key decides.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    by_hash: HashMap<u64, (K, V), BuildHasherDefault<Given>>,
    /// Entries with the same hash as another entry. In practice there are none, because a hash has 64 random bits.
    collided: Vec<(K, V)>,
}

impl<K: Eq, V> Table<K, V> {
    /// Returns the value of the key with this hash for which `is_it` returns `true`.
    #[inline]
    pub(super) fn get(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<&V> {
        match self.by_hash.get(&hash) {
            Some((key, value)) if is_it(key) => Some(value),
            _ if self.collided.is_empty() => None,
            _ => self.get_collided(is_it),
        }
    }

    #[cold]
    fn get_collided(&self, is_it: impl Fn(&K) -> bool) -> Option<&V> {
        let mut collided = self.collided.iter();
        collided.find_map(|(key, value)| is_it(key).then_some(value))
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_hash.is_empty() && self.collided.is_empty()
    }

    /// Inserts a value and returns the former value of the key.
    pub(super) fn insert(&mut self, hash: u64, key: K, value: V) -> Option<V> {
        if let Some((_, former)) = self.collided.iter_mut().find(|(known, _)| *known == key) {
            return Some(std::mem::replace(former, value));
        }
        match self.by_hash.entry(hash) {
            Entry::Vacant(free) => {
                free.insert((key, value));
                None
            }
            Entry::Occupied(mut entry) if entry.get().0 == key => {
                Some(entry.insert((key, value)).1)
            }
            Entry::Occupied(_) => {
                self.collided.push((key, value));
                None
            }
        }
    }

    /// Removes a key and returns its value.
    pub(super) fn remove(&mut self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<V> {
        if let Entry::Occupied(entry) = self.by_hash.entry(hash) {
            if is_it(&entry.get().0) {
                return Some(entry.remove().1);
            }
        }
        let at = self.collided.iter().position(|(key, _)| is_it(key))?;
        Some(self.collided.swap_remove(at).1)
    }

    /// Returns every key and its value, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.by_hash.values().chain(&self.collided);
        entries.map(|(key, value)| (key, value))
    }

    /// Returns the number of entries.
    #[cfg(feature = "tracing")]
    pub(super) fn len(&self) -> usize {
        self.by_hash.len() + self.collided.len()
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            by_hash: HashMap::default(),
            collided: Vec::new(),
        }
    }
}

/// Returns a hash that has already been computed.
#[derive(Clone, Debug, Default)]
struct Given(u64);

impl Hasher for Given {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Never called for a `u64`.
    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(octet);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b10_keys_with_one_hash_are_entries_of_their_own() {
        let mut table = Table::default();
        for key in ["a", "b", "c"] {
            assert_eq!(table.insert(7, key, key), None);
        }
        let get = |table: &Table<&'static str, &'static str>, sought: &str| {
            table.get(7, |key| *key == sought).copied()
        };
        for key in ["a", "b", "c"] {
            assert_eq!(get(&table, key), Some(key));
        }
        assert_eq!(get(&table, "d"), None);
        assert_eq!(table.iter().count(), 3);

        for key in ["a", "c"] {
            assert_eq!(table.insert(7, key, "new"), Some(key));
        }
        assert_eq!([get(&table, "a"), get(&table, "c")], [Some("new"); 2]);
        // The first entry is removed, and the other entries are still found.
        assert_eq!(table.remove(7, |key| *key == "a"), Some("new"));
        assert_eq!(table.remove(7, |key| *key == "a"), None);
        assert_eq!([get(&table, "a"), get(&table, "b")], [None, Some("b")]);
        assert_eq!(table.insert(7, "c", "newer"), Some("new"));
        assert_eq!(table.insert(7, "a", "again"), None);
        assert_eq!(
            [get(&table, "a"), get(&table, "c")],
            [Some("again"), Some("newer")]
        );
        for key in ["a", "b", "c"] {
            assert!(table.remove(7, |known| *known == key).is_some());
        }
        assert!(table.is_empty());
    }

    #[test]
    fn b10_hashes_that_differ_in_few_bits_are_different_hashes() {
        let hashes = (0..u64::BITS).map(|bit| 1_u64 << bit);
        let mut table = Table::default();
        for hash in hashes.clone() {
            table.insert(hash, hash, ());
        }
        assert!(table.collided.is_empty());
        for hash in hashes {
            assert!(table.get(hash, |key| *key == hash).is_some());
            assert!(table.get(!hash, |_| true).is_none());
        }
    }
}
