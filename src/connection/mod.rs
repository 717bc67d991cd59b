//! The facts about a connection, and their place in a request. The acceptors that find the facts live in `handshake`,
//! `tls` and `quic`.

mod builder;
mod canonical;
mod extensions;
mod facts;
mod info;
mod outdated;
mod tls_version;
mod unread;

pub use self::builder::ConnectionInfoBuilder;
#[cfg(any(feature = "rustls", feature = "proxy-protocol"))]
pub(crate) use self::canonical::canonical;
pub(crate) use self::extensions::connection_info;
pub(crate) use self::facts::Security;
#[cfg(feature = "rustls")]
pub(crate) use self::facts::{Facts, Flag};
pub use self::info::ConnectionInfo;
pub use self::outdated::Outdated;
pub use self::tls_version::TlsVersion;
pub(crate) use self::unread::Unread;
