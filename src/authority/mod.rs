//! The effective authority of a request (RFC 9110 §7.2): the host and port that it targets, for every HTTP version and
//! every form of the request target. `verdict` decides whether the connection can serve the authority.
//!
//! This module never reads `Forwarded` and `X-Forwarded-Host`, because any client can send them.

mod effective;
mod reference;
mod rewrite;
mod scheme;
mod target;

pub use self::effective::EffectiveAuthority;
pub(crate) use self::rewrite::{replace_host, supply_default};
pub(crate) use self::scheme::Scheme;
pub(crate) use self::target::{Stated, Target};
