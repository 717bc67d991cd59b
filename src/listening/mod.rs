//! Accepting connections that begin with something slow: a TLS handshake or a PROXY protocol header. Those beginnings
//! live in `tls` and `plaintext`.

mod addresses;
mod bind;
mod bounds;
mod concurrent;
mod inner;
mod pending;

pub use self::addresses::Addresses;
#[cfg(all(feature = "rustls", feature = "proxy-protocol"))]
pub(crate) use self::addresses::is_reset;
pub(crate) use self::addresses::{Given, local_addr, or_accepted, peer_addr};
pub use self::bind::BindError;
pub(crate) use self::bind::bind;
pub(crate) use self::bounds::{Bounds, Late};
pub(crate) use self::concurrent::Concurrent;
pub use self::inner::InnerListener;
#[cfg(feature = "axum")]
pub(crate) use self::inner::Sealed;
pub(crate) use self::pending::Pending;
