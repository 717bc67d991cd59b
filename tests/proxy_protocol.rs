//! D6: PROXY protocol headers, from their grammar to what a handler sees.

mod pki;
mod server;
mod wire;

#[path = "proxy_protocol/header.rs"]
mod header;
#[path = "proxy_protocol/oracle.rs"]
mod oracle;

#[path = "proxy_protocol/acceptors.rs"]
mod acceptors;
#[path = "proxy_protocol/grammar.rs"]
mod grammar;
#[path = "proxy_protocol/handshakes.rs"]
mod handshakes;
#[path = "proxy_protocol/listener.rs"]
mod listener;
#[path = "proxy_protocol/random.rs"]
mod random;
