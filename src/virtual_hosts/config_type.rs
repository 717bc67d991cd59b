//! The default type of a configuration, so that users of rustls do not have to name it. Virtual hosts themselves depend
//! on no TLS stack.

#[cfg(feature = "rustls")]
pub use rustls::ServerConfig;

/// Placeholder for `rustls::ServerConfig` without the feature `rustls`.
#[cfg(not(feature = "rustls"))]
#[derive(Debug)]
pub enum ServerConfig {}
