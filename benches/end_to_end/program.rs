//! What is compared: programs that serve. Which there are lives in `ours` and `peers`.

use std::io;
use std::net::SocketAddr;
use std::process::Command;

/// A server in one of the forms that are compared.
pub trait Program {
    /// Returns the command that starts the server, and the address on which it will listen.
    fn command(&self) -> io::Result<(Command, SocketAddr)>;

    /// Returns whether the server refuses misdirected requests.
    fn checks(&self) -> bool;
}
