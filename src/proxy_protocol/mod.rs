//! PROXY protocol headers, versions 1 and 2: their grammar, reading one from a connection, and the setting that says
//! which peers send one. Using the client's address lives in the acceptors, and trusting a peer in `peers`.

mod checksum;
mod fields;
mod invalid;
mod reader;
mod settings;
mod v1;
mod v2;
mod version;

#[cfg(feature = "rustls")]
pub(crate) use self::reader::HeaderReader;
pub use self::settings::ProxyProtocol;
