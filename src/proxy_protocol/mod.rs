//! PROXY protocol headers, versions 1 and 2: the grammar, reading a header from a connection, and the setting for the
//! peers that send one. Using the address of the client lives in the acceptors, and the lists of peers live in `peers`.

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
