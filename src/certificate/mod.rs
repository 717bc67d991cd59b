//! The names of a certificate: what they cover, how they are read from DER, and a cache of them. Which
//! certificate a connection presented is recorded in `handshake`.

#[cfg(feature = "rustls")]
mod cache;
#[cfg(feature = "rustls")]
mod der;
mod names;

#[cfg(feature = "rustls")]
pub(crate) use self::cache::Certificates;
pub use self::names::CertificateNames;
