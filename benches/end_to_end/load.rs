//! Requests: the many by h2load, and the few that show whether a server checks. What is counted meanwhile lives in
//! `counted` and `rates`.

use std::fmt;
use std::io;
use std::process::Command;

use crate::cores::{Side, pinned};
use crate::names::{MISDIRECTED, NAME};
use crate::server::Server;
use crate::{pki, wire};

/// How h2load asks.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: u32,
    /// Requests under way on each connection.
    pub streams: u32,
    /// h2load runs on a core of its own.
    pub pinned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub const BOTH: [Self; 2] = [Self::Http1, Self::Http2];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        })
    }
}

pub fn version() -> io::Result<String> {
    let output = Command::new("h2load").arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Sends so many requests and returns how many the server answered in a second.
pub fn run(server: &Server, protocol: Protocol, load: Load, requests: u32) -> f64 {
    let mut command = Command::new("h2load");
    match protocol {
        Protocol::Http1 => command.arg("--h1"),
        Protocol::Http2 => command.arg(format!("-m{}", load.streams)),
    };
    command
        .arg(format!("-n{requests}"))
        .arg(format!("-c{}", load.connections))
        .arg(format!("--connect-to={}", server.addr))
        .arg(format!("https://{NAME}/"));
    let mut command = match load.pinned {
        true => pinned(command, Side::Client),
        false => command,
    };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let all_well = format!("status codes: {requests} 2xx, ");
    assert!(text.contains(&all_well), "{text}");
    let rate = text.lines().find_map(|line| {
        let (_, rest) = line.strip_prefix("finished in ")?.split_once(", ")?;
        rest.split_once(" req/s")?.0.parse().ok()
    });
    rate.expect("h2load's requests per second")
}

/// The answers to a request for the host of its connection, and to one for another.
pub fn statuses(server: &Server, protocol: Protocol) -> (u16, u16) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let status = async |host| match protocol {
        Protocol::Http1 => {
            let client = pki::client(&["http/1.1"]);
            let mut tls = wire::connect(server.addr, client, Some(NAME)).await;
            let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
            wire::exchange(&mut tls, &request).await.status
        }
        Protocol::Http2 => {
            let tls = wire::connect(server.addr, pki::client(&["h2"]), Some(NAME)).await;
            let client = wire::http2(tls).await;
            let response = wire::send2(&client, wire::get2(Some(host), &[])).await;
            response.status().as_u16()
        }
    };
    let statuses = async { (status(NAME).await, status(MISDIRECTED).await) };
    runtime.unwrap().block_on(statuses)
}
