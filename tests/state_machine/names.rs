//! The names that sequences play with, each in several spellings. The model compares plain spellings as
//! text, so that it needs no grammar.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;

/// What requests ask for, and clients say in their handshakes.
const HOSTS: [&str; 8] = [
    "site.test",
    "www.site.test",
    "admin.site.test",
    "a.www.site.test",
    "other.test",
    "stranger.test",
    V4,
    V6,
];

/// What virtual hosts and lists of hosts match.
const PATTERNS: [&str; 11] = [
    "site.test",
    "www.site.test",
    "admin.site.test",
    "*.site.test",
    "*.www.site.test",
    "**.test",
    "**.site.test",
    "**.www.site.test",
    "other.test",
    V4,
    V6,
];

pub const V4: &str = "192.0.2.1";
pub const V6: &str = "[2001:db8::1]";

/// A name in one of its spellings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// Lower case, without a trailing dot, an IPv6 address in its shortest form.
    pub plain: &'static str,
    spelling: Spelling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    Plain,
    Capitals,
    TrailingDot,
}

impl Name {
    pub fn is_address(self) -> bool {
        is_address(self.plain)
    }

    pub fn text(self) -> String {
        match (self.plain, self.spelling) {
            (V6, Spelling::Plain) => V6.to_owned(),
            (V6, _) => "[2001:DB8:0:0::0.0.0.1]".to_owned(),
            (name, Spelling::Capitals) => name.to_uppercase(),
            (name, Spelling::TrailingDot) if !self.is_address() => format!("{name}."),
            (name, _) => name.to_owned(),
        }
    }
}

pub fn is_address(plain: &str) -> bool {
    plain == V4 || plain == V6
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

fn spelt(plain: &'static str) -> impl Strategy<Value = Name> {
    let spelling = prop_oneof![
        4 => Just(Spelling::Plain),
        1 => Just(Spelling::Capitals),
        1 => Just(Spelling::TrailingDot),
    ];
    spelling.prop_map(move |spelling| Name { plain, spelling })
}

pub fn host() -> impl Strategy<Value = Name> {
    select(&HOSTS[..]).prop_flat_map(spelt)
}

/// Distinct ones, in any order.
pub fn patterns(count: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Name>> {
    proptest::sample::subsequence(&PATTERNS[..], count)
        .prop_flat_map(|patterns| patterns.into_iter().map(spelt).collect::<Vec<_>>())
        .prop_shuffle()
}
