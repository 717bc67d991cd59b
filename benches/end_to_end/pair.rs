//! What is compared: one server with its check and without. How it is measured lives in `main`.

use std::io;

use crate::server::Server;

/// A server that can be started with its check and without.
pub trait Pair {
    /// Starts the server and waits until it listens.
    fn start(&self, checks: bool) -> io::Result<Server>;
}
