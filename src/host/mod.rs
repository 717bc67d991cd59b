//! Host names and IP addresses: their grammar, patterns, and the map that matches them. Nothing here depends on
//! requests or connections.

mod borrowed;
mod grammar;
mod hash;
mod known;
mod labels;
mod name;
mod name_map;
mod owned;
mod pattern;
mod sought;
mod table;

pub(crate) use self::borrowed::HostRef;
pub(crate) use self::grammar::{parse, parse_port, split_port};
pub(crate) use self::labels::{after_first_label, labels};
pub(crate) use self::name_map::NameMap;
pub use self::owned::Host;
pub(crate) use self::pattern::{HostProblem, Pattern};
pub(crate) use self::sought::{Hashed, Sought};
