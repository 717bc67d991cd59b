//! The names of a certificate: matching hosts, reading from DER, and a cache. Recording the certificate of a handshake
//! lives in `handshake`.

#[cfg(feature = "rustls")]
mod cache;
#[cfg(feature = "rustls")]
mod der;
mod names;

#[cfg(feature = "rustls")]
pub(crate) use self::cache::Certificates;
pub use self::names::CertificateNames;
