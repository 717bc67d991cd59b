//! The example `reverse_proxy`, run as a program between clients and upstreams with real TLS.

#[path = "../client_recipes/connector.rs"]
mod connector;
#[path = "../../examples/tonic/greeter.rs"]
mod greeter;
#[path = "../pki/mod.rs"]
mod pki;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../client_recipes/site.rs"]
mod site;
#[path = "../wire/mod.rs"]
mod wire;

mod fields;
mod framing;
mod front;
mod mistakes;
mod refused;
mod streams;
