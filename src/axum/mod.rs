//! The integration with axum: extractors, listeners for `axum::serve`, and listeners over other axum listeners.
//! Everything here needs the feature `axum`.

mod extract;
#[cfg(any(feature = "rustls", feature = "proxy-protocol"))]
mod over;
mod serve;

pub use self::extract::MissingConnectionInfo;
#[cfg(any(feature = "rustls", feature = "proxy-protocol"))]
pub use self::over::Over;
