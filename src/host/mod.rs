//! Host names and IP addresses: their grammar, patterns of them, and the one map that matches them. Nothing
//! here knows of requests or connections.

mod borrowed;
mod grammar;
mod name;
mod name_map;
mod owned;
mod pattern;

pub(crate) use self::borrowed::HostRef;
pub(crate) use self::grammar::{parse, parse_port};
pub(crate) use self::name_map::NameMap;
pub use self::owned::Host;
pub(crate) use self::pattern::{HostProblem, Pattern, after_first_label, labels};
