//! Bypasses that really happened to other servers, each against virtual hosts here, on HTTP/1.1, HTTP/2
//! and HTTP/3. One certificate covers nearly every name, so that what tells the hosts apart is their
//! TLS configurations alone (B6). Where a bypass is refused, its honest counterpart is served: no test
//! passes because everything is refused.

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../server/mod.rs"]
mod server;
#[path = "../wire/mod.rs"]
mod wire;

mod client;
mod quic_hello;
mod site;

mod directions;
mod early_data;
mod hello;
mod names;
mod refusal;
mod resumption;
mod swap;
