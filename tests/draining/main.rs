//! W2 to W4: a connection that a replacement of the virtual hosts makes useless ends gracefully, and no other does.

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../server/mod.rs"]
mod server;
#[path = "../wire/mod.rs"]
mod wire;

mod application;
mod crowds;
mod future;
mod http2;
mod http3;
mod on_the_wire;
mod servers;
mod streams;
