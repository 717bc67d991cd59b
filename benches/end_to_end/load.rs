//! Requests: the many by h2load, and the few that show whether a server checks.

use std::fmt;
use std::io;
use std::process::Command;
use std::time::Duration;

use crate::cores::{Side, pinned};
use crate::names::{MISDIRECTED, NAME};
use crate::server::Server;
use crate::{pki, wire};

pub const CONNECTIONS: u32 = 16;
/// Requests under way on a connection of HTTP/2.
const STREAMS: u32 = 8;

/// Requests that a new process gets before any that count.
pub const WARM_UP: u32 = 2_000;

#[derive(Clone, Copy, Debug)]
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

/// What h2load found, and what the server needed for it.
pub struct Sample {
    /// Requests per second.
    pub rate: f64,
    /// Requests per second of CPU time that the server had, where the system tells.
    pub per_cpu: Option<f64>,
}

pub fn version() -> io::Result<String> {
    let output = Command::new("h2load").arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// As many requests as the server answers in this time.
pub fn requests_in(time: Duration, server: &Server, protocol: Protocol) -> u32 {
    let rate = run(server, protocol, WARM_UP).rate;
    (rate * time.as_secs_f64()) as u32
}

pub fn run(server: &Server, protocol: Protocol, requests: u32) -> Sample {
    let before = cpu_time(server);
    let mut command = Command::new("h2load");
    match protocol {
        Protocol::Http1 => command.arg("--h1"),
        Protocol::Http2 => command.arg(format!("-m{STREAMS}")),
    };
    command
        .arg(format!("-n{requests}"))
        .arg(format!("-c{CONNECTIONS}"))
        .arg(format!("--connect-to={}", server.addr))
        .arg(format!("https://{NAME}:{}/", server.addr.port()));
    let output = pinned(command, Side::Client).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let all_well = format!("status codes: {requests} 2xx, ");
    assert!(text.contains(&all_well), "{text}");
    let rate = text.lines().find_map(|line| {
        let (_, rest) = line.strip_prefix("finished in ")?.split_once(", ")?;
        rest.split_once(" req/s")?.0.parse().ok()
    });
    let cpu = before.and_then(|before| Some(cpu_time(server)? - before));
    Sample {
        rate: rate.expect("h2load's requests per second"),
        per_cpu: cpu.map(|cpu| f64::from(requests) / cpu),
    }
}

/// Seconds of CPU time that the threads of a server have had: Linux tells them to the nanosecond.
fn cpu_time(server: &Server) -> Option<f64> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).ok()?;
    let times = threads.map(|thread| {
        let path = thread.ok()?.path().join("schedstat");
        let text = std::fs::read_to_string(path).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    Some(times.sum::<Option<f64>>()? / 1e9)
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
