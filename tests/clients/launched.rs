//! Servers and proxies that may be installed, and how each is started in the foreground with a configuration file.
//! What is in the files is not here.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::{installed, wire};

/// A server that is a program of its own.
pub struct Program {
    pub name: &'static str,
    /// Where it may be installed.
    places: &'static [&'static str],
    version: &'static str,
    /// What stands before its configuration file.
    arguments: &'static [&'static str],
}

pub const NGINX: Program = Program {
    name: "nginx",
    places: &["nginx"],
    version: "-v",
    arguments: &["-e", "stderr", "-c"],
};

pub const HTTPD: Program = Program {
    name: "httpd",
    places: &["apache2", "httpd"],
    version: "-v",
    // One process.
    arguments: &["-X", "-f"],
};

pub const HAPROXY: Program = Program {
    name: "haproxy",
    places: &["haproxy"],
    version: "-v",
    arguments: &["-db", "-f"],
};

pub const CADDY: Program = Program {
    name: "caddy",
    places: &["caddy"],
    version: "version",
    arguments: &["run", "--adapter", "caddyfile", "--config"],
};

/// Its entry points are arguments too.
pub const TRAEFIK: Program = Program {
    name: "traefik",
    places: &[
        "traefik",
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/bin/traefik"),
    ],
    version: "version",
    arguments: &[
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--providers.file.filename",
    ],
};

/// It goes by the end of the file's name.
pub const ENVOY: Program = Program {
    name: "envoy",
    places: &[
        "envoy",
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/bin/envoy"),
    ],
    version: "--version",
    arguments: &[
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "-l",
        "error",
        "-c",
    ],
};

impl Program {
    /// How to start it with this configuration file, unless it is not installed.
    pub async fn command(&self, file: &str) -> Option<Command> {
        let program = installed::find(self.places)?;
        installed::announce(self.name, Command::new(&program).arg(self.version)).await;
        let mut command = Command::new(program);
        command.args(self.arguments).arg(file);
        Some(command)
    }

    /// Starts it, and waits until it serves: none says when it is ready. It ends with what is returned.
    pub async fn start(&self, command: &mut Command, serves: impl AsyncFn() -> bool) -> Child {
        let command = command.stdin(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let ready = async {
            while !serves().await {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{} ended early: {ended:?}", self.name);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let ready = tokio::time::timeout(wire::PATIENCE, ready).await;
        ready.expect("a server that serves");
        child
    }
}
