//! The documented recipes for OpenSSL and BoringSSL, over real handshakes. They need C libraries that define the
//! same symbols, so a program has one of them. `.ci/recipes` builds and runs both.
#![cfg(any(tls_recipe = "boring", tls_recipe = "openssl"))]

// The recipe and the tests say `openssl`.
#[cfg(tls_recipe = "boring")]
extern crate boring as openssl;

#[path = "../src/guide/axum_server_openssl.rs"]
mod axum_server_recipe;
#[path = "bypass/client.rs"]
#[allow(dead_code, reason = "made for more than TCP")]
mod client;
#[cfg_attr(tls_recipe = "openssl", path = "../src/guide/tokio_openssl.rs")]
#[cfg_attr(tls_recipe = "boring", path = "../src/guide/tokio_boring.rs")]
mod handshake;
#[path = "bypass/memory.rs"]
mod memory;
mod pki;
#[path = "../src/guide/openssl.rs"]
mod recipe;
#[path = "bypass/relay.rs"]
#[allow(dead_code, reason = "made for more than TCP")]
mod relay;
mod wire;

// The recipe for axum-server takes these from the module around it.
use handshake::handshake;
use recipe::{connection_info, select};

#[path = "other_tls_stacks/axum_server.rs"]
mod axum_server_test;
#[path = "other_tls_stacks/contexts.rs"]
mod contexts;
#[path = "other_tls_stacks/raw_client.rs"]
mod raw_client;
#[path = "other_tls_stacks/replacement.rs"]
mod replacement;
#[path = "other_tls_stacks/resumption.rs"]
mod resumption;
#[path = "other_tls_stacks/selection.rs"]
mod selection;
#[path = "other_tls_stacks/site.rs"]
mod site;
#[path = "other_tls_stacks/switching.rs"]
mod switching;
