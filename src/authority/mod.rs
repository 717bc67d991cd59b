//! The effective authority of a request (RFC 9110 §7.2): the host and port that it targets, whatever the HTTP
//! version and the form of the request target. Whether the authority can be served lives in `verdict`.
//!
//! `Forwarded` and `X-Forwarded-Host` are never read: any client can send them.

mod effective;
mod reference;
mod rewrite;
mod scheme;
mod target;

pub use self::effective::EffectiveAuthority;
pub(crate) use self::rewrite::{replace_host, supply_default};
pub(crate) use self::scheme::Scheme;
pub(crate) use self::target::{Stated, Target};
