//! The keys of the index, ordered so that all names that one entry of a map matches are adjacent. The connections live
//! in `index`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::map::{Map, VirtualHost};
use crate::host::{Host, Pattern, after_first_label, labels};

/// The key that the handshake of a connection looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Who {
    /// Neither a server name nor a known address.
    Nobody,
    /// The local address of a connection without a server name.
    Address(IpAddr),
    /// A server name.
    Name {
        labels: u32,
        /// The octets in reverse order, so that names with the same ending are adjacent.
        reversed: Box<[u8]>,
    },
}

/// The kind of the entry that matches in a map. If two names are in the same scope and in the range of the same
/// pattern, the same entry matches both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope(pub(super) u32);

/// The position of a cohort in the index: first its scope, then its key.
pub(super) type Place = (Scope, Arc<Who>);

impl Who {
    pub(in super::super) fn new(server_name: Option<&Host>, local: Option<IpAddr>) -> Self {
        match (server_name.and_then(Host::name), local) {
            (Some(name), _) => Self::name(labels(name.as_bytes()), name.bytes()),
            (None, Some(ip)) => Self::Address(ip),
            (None, None) => Self::Nobody,
        }
    }

    fn name(labels: u32, name: impl DoubleEndedIterator<Item = u8>) -> Self {
        let reversed = name.rev().collect();
        Self::Name { labels, reversed }
    }

    /// Returns the number of labels of a name, and 0 for other keys.
    pub(super) fn labels(&self) -> u32 {
        match self {
            Self::Nobody | Self::Address(_) => 0,
            Self::Name { labels, .. } => *labels,
        }
    }

    /// Sets the number of labels of a name, unless it is 0.
    fn with_labels(self: &Arc<Self>, labels: u32) -> Arc<Self> {
        match (&**self, labels) {
            (Self::Name { reversed, .. }, 1..) => Arc::new(Self::Name {
                labels,
                reversed: reversed.clone(),
            }),
            _ => self.clone(),
        }
    }

    /// Returns the server name, and the address that was used without one.
    fn selected(&self) -> (Option<Host>, Option<IpAddr>) {
        match self {
            Self::Nobody => (None, None),
            Self::Address(ip) => (None, Some(*ip)),
            Self::Name { reversed, .. } => {
                let name = reversed.iter().rev().copied().collect();
                let name = String::from_utf8(name).ok();
                (name.and_then(|name| name.parse().ok()), None)
            }
        }
    }

    /// Returns whether the map selects another configuration than that of `accepted_by`, or none.
    pub(super) fn is_outdated(&self, accepted_by: &VirtualHost, map: &Map) -> bool {
        let (server_name, local) = self.selected();
        map.outdates(accepted_by, server_name.as_ref(), local)
    }

    /// Returns the scope of the entry that matches in the map.
    pub(super) fn scope(&self, map: &Map) -> Scope {
        let exact = match self {
            Self::Nobody => return Scope::DEFAULT,
            Self::Address(ip) => Pattern::Ip(*ip),
            Self::Name { reversed, .. } => Pattern::Exact(reversed.iter().rev().copied().collect()),
        };
        match map.names.of(&exact) {
            Some(_) => Scope::EXACT,
            None => Scope::without(&exact, map),
        }
    }
}

impl Scope {
    /// The default, or nothing.
    pub(super) const DEFAULT: Self = Self(0);
    const EXACT: Self = Self(1);
    const WILDCARD: Self = Self(2);

    /// A wildcard for several labels before a base with this number of labels.
    fn subdomains(base: &[u8]) -> Self {
        Self(Self::WILDCARD.0 + labels(base))
    }

    pub(super) fn of(pattern: &Pattern) -> Self {
        match pattern {
            Pattern::Exact(_) | Pattern::Ip(_) => Self::EXACT,
            Pattern::Wildcard(_) => Self::WILDCARD,
            Pattern::Subdomains(base) => Self::subdomains(base),
        }
    }

    /// Returns the scope, in a map without this pattern, of the names that the pattern would match best.
    pub(super) fn without(pattern: &Pattern, map: &Map) -> Self {
        match pattern {
            Pattern::Exact(name) => match after_first_label(name) {
                Some(base) if map.names.of(&Pattern::Wildcard(base.into())).is_some() => {
                    Self::WILDCARD
                }
                base => Self::longest(base, map),
            },
            Pattern::Wildcard(base) | Pattern::Subdomains(base) => Self::longest(Some(base), map),
            Pattern::Ip(_) => Self::DEFAULT,
        }
    }

    /// Returns the longest of `base` and the names after its dots that has a wildcard for several labels.
    fn longest(mut base: Option<&[u8]>, map: &Map) -> Self {
        while let Some(suffix) = base {
            if map.names.of(&Pattern::Subdomains(suffix.into())).is_some() {
                return Self::subdomains(suffix);
            }
            base = after_first_label(suffix);
        }
        Self::DEFAULT
    }

    /// Returns the first place of the next scope.
    pub(super) fn end(self) -> Place {
        (Self(self.0 + 1), Arc::new(Who::Nobody))
    }

    /// Returns all places in this scope.
    pub(super) fn all(self) -> RangeInclusive<Place> {
        // No name has so many labels.
        let last = Who::name(u32::MAX, std::iter::empty());
        (self, Arc::new(Who::Nobody))..=(self, Arc::new(last))
    }

    /// Returns the places in this scope of all names that the pattern matches, in one range for each number of labels.
    /// Only a wildcard for several labels asks how many labels a name has at most.
    pub(super) fn places(
        self,
        pattern: &Pattern,
        most_labels: impl FnOnce() -> u32,
    ) -> impl Iterator<Item = RangeInclusive<Place>> {
        let (first, last, labels) = match pattern {
            Pattern::Ip(ip) => (Who::Address(*ip), None, 0..=0),
            Pattern::Exact(name) => {
                let who = Who::name(labels(name), name.iter().copied());
                (who, None, 0..=0)
            }
            Pattern::Wildcard(base) | Pattern::Subdomains(base) => {
                // In reverse order, a name under the wildcard is the base, a dot, and more. No name contains the octet
                // that follows a dot in ASCII.
                let end = |octet| {
                    let name = std::iter::once(octet).chain(base.iter().copied());
                    Who::name(0, Vec::from_iter(name).into_iter())
                };
                let one_more = 1 + labels(base);
                let most = match pattern {
                    Pattern::Wildcard(_) => one_more,
                    _ => most_labels(),
                };
                (end(b'.'), Some(end(b'.' + 1)), one_more..=most)
            }
        };
        let first = Arc::new(first);
        let last = last.map_or_else(|| first.clone(), Arc::new);
        labels.map(move |labels| {
            let [first, last] = [&first, &last].map(|who| who.with_labels(labels));
            (self, first)..=(self, last)
        })
    }
}
