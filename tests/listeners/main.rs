//! D5: TLS over listeners other than TCP, and plaintext listeners other than TCP.

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../wire/mod.rs"]
mod wire;

mod flood;
mod limits;
mod lookup;
#[cfg(unix)]
mod unix;
