//! The integration with axum: extractors, listeners for `axum::serve`, and TLS over axum's listeners. Everything here needs the feature `axum`.

mod extract;
#[cfg(feature = "rustls")]
mod over;
mod serve;

pub use self::extract::MissingConnectionInfo;
#[cfg(feature = "rustls")]
pub use self::over::Over;
