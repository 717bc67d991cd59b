//! W6: the documented recipe for reqwest, with version 0.13. Everything else is in `tests/client_recipes`.

extern crate reqwest_0_13 as reqwest;

mod pki;
mod server;

#[path = "../src/guide/reqwest.rs"]
mod reqwest_recipe;
#[path = "client_recipes/reqwest_tests.rs"]
mod reqwest_tests;
#[path = "client_recipes/site.rs"]
mod site;

/// Settings with this TLS configuration.
fn settings(tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::ClientBuilder::new().tls_backend_preconfigured(tls)
}
