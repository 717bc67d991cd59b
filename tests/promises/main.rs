//! Promises of the guide that no other suite holds, in one program, because each program takes seconds to build. The
//! rules of the layer are tested beside this folder.

mod peer_addresses;
#[path = "../pki/mod.rs"]
mod pki;
#[path = "../server/mod.rs"]
mod server;
mod user_code_and_locks;
#[path = "../wire/mod.rs"]
mod wire;
mod your_part;
