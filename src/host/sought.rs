//! A host to look up in maps: the names of a certificate, virtual hosts, allowed hosts. It is hashed at most once for
//! all maps; the maps live in `name_map`.

use std::cell::Cell;

use super::borrowed::HostRef;
use super::hash::{hash_of_ip, hash_of_name};
use super::labels::after_first_label;
use super::name::NameRef;

/// A host to look up, and its hashes once a map has computed them.
#[derive(Debug)]
pub(crate) struct Sought<'a> {
    host: HostRef<'a>,
    hash: Cell<Option<u64>>,
    /// The part after the first label.
    base: Cell<Option<Base>>,
}

impl<'a> Sought<'a> {
    #[inline]
    pub(crate) fn new(host: HostRef<'a>) -> Self {
        Self {
            host,
            hash: Cell::new(None),
            base: Cell::new(None),
        }
    }

    /// Creates a host from a hashed name in lower case.
    #[inline]
    pub(super) fn of_name(name: NameRef<'a>, hashed: &Hashed<'a>) -> Self {
        Self {
            host: HostRef::of_name(name),
            hash: Cell::new(Some(hashed.hash)),
            base: Cell::new(hashed.base),
        }
    }

    #[inline]
    pub(crate) fn host(&self) -> &HostRef<'a> {
        &self.host
    }

    /// Returns the hash of the host.
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        match self.hash.get() {
            Some(hash) => hash,
            None => self.find_hash(),
        }
    }

    #[inline(never)]
    fn find_hash(&self) -> u64 {
        let hash = match (self.host.name(), self.host.ip()) {
            (Some(name), _) => name.lowered(hash_of_name),
            (None, Some(ip)) => hash_of_ip(ip),
            (None, None) => 0,
        };
        self.hash.set(Some(hash));
        hash
    }

    /// Returns the part of a name after its first label, and its hash.
    #[inline]
    pub(super) fn base(&self) -> Option<(NameRef<'a>, u64)> {
        let name = self.host.name()?;
        let base = |Base { start, hash }| {
            let text = name.text.get(start..)?;
            Some((NameRef { text, ..name }, hash))
        };
        match self.base.get() {
            Some(known) => base(known),
            None => base(self.find_base(name)?),
        }
    }

    #[inline(never)]
    fn find_base(&self, name: NameRef<'_>) -> Option<Base> {
        let text = after_first_label(name.text)?;
        let base = Base {
            start: name.text.len() - text.len(),
            hash: NameRef { text, ..name }.lowered(hash_of_name),
        };
        self.base.set(Some(base));
        Some(base)
    }
}

/// A text that is not a name in a map, and its hashes. The text may not be a valid name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hashed<'a> {
    pub(super) text: &'a [u8],
    pub(super) hash: u64,
    pub(super) base: Option<Base>,
}

impl<'a> Hashed<'a> {
    /// Checks the grammar. Returns the host if the text is a name in normal form.
    pub(crate) fn check(&self) -> Option<Sought<'a>> {
        let (name, rest) = NameRef::read(self.text)?;
        let normal = name.lowercase && rest.is_empty() && name.text.len() == self.text.len();
        normal.then(|| Sought::of_name(name, self))
    }
}

/// The part of a name after its first label, which is the key of a wildcard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    /// The position where the part begins.
    pub(super) start: usize,
    pub(super) hash: u64,
}
