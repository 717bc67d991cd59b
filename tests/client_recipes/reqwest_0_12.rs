//! What the tests of reqwest need to know about version 0.12.

use reqwest::ClientBuilder;

/// Settings with this TLS configuration.
pub fn settings(tls: rustls::ClientConfig) -> ClientBuilder {
    ClientBuilder::new().use_preconfigured_tls(tls)
}
