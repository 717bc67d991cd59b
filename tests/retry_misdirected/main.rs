//! W6: clients with [`RetryMisdirectedLayer`](tower_misdirected::client::RetryMisdirectedLayer) repeat a refused
//! request on another connection. The servers are real, and so are the connections. Other servers than this crate's
//! are in `tests/clients`.

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../clients/site.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod site;
#[path = "../wire/mod.rs"]
mod wire;

mod bodies;
mod connections;
mod pool;
mod requests;
mod services;
mod visitor;
