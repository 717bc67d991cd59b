//! Bypasses that really happened to other servers, each against virtual hosts here, on HTTP/1.1, HTTP/2
//! and HTTP/3. One certificate covers nearly every name, so that what tells the hosts apart is their
//! TLS configurations alone (B6). Where a bypass is refused, its honest counterpart is served: no test
//! passes because everything is refused.

mod pki;
mod server;
mod wire;

#[path = "bypass/client.rs"]
mod client;
#[path = "bypass/memory.rs"]
mod memory;
#[path = "bypass/quic_hello.rs"]
mod quic_hello;
#[path = "bypass/relay.rs"]
mod relay;
#[path = "bypass/single.rs"]
mod single;
#[path = "bypass/site.rs"]
mod site;
#[path = "../examples/client_certificates/verifier.rs"]
mod verifier;

#[path = "bypass/addresses.rs"]
mod addresses;
#[path = "bypass/directions.rs"]
mod directions;
#[path = "bypass/early_data.rs"]
mod early_data;
#[path = "bypass/hello.rs"]
mod hello;
#[path = "bypass/ids.rs"]
mod ids;
#[path = "bypass/names.rs"]
mod names;
#[path = "bypass/processes.rs"]
mod processes;
#[path = "bypass/refusal.rs"]
mod refusal;
#[path = "bypass/resumed.rs"]
mod resumed;
#[path = "bypass/resumption.rs"]
mod resumption;
#[path = "bypass/revocation.rs"]
mod revocation;
#[path = "bypass/swap.rs"]
mod swap;
