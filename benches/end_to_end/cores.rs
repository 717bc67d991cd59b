//! Keeps the server and the client on different cores. Nothing here knows what they do.

use std::process::Command;

/// One of two programs that should not disturb each other.
#[derive(Clone, Copy)]
pub enum Side {
    Server,
    Client,
}

pub fn can_pin() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores > 1 && Command::new("taskset").arg("--version").output().is_ok()
}

/// Returns the command that runs a program on the core of its side, if there are two cores.
pub fn pinned(command: Command, side: Side) -> Command {
    if !can_pin() {
        return command;
    }
    let core = match side {
        Side::Server => "0",
        Side::Client => "1",
    };
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", core])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            pinned.env(name, value);
        }
    }
    pinned
}
