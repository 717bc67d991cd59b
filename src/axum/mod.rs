//! The integration with axum: extractors, and listeners for `axum::serve`. Everything here needs the feature `axum`.

mod extract;
mod serve;

pub use self::extract::MissingConnectionInfo;
