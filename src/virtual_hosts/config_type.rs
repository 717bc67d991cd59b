//! The default type of a configuration, so that users of rustls need not name it. Virtual hosts themselves know no
//! TLS stack.

#[cfg(feature = "rustls")]
pub use rustls::ServerConfig;

/// Stands in for `rustls::ServerConfig`, which only the feature `rustls` brings.
#[cfg(not(feature = "rustls"))]
#[derive(Debug)]
pub enum ServerConfig {}
