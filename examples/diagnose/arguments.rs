//! The command line: its usage and its options.

use std::time::Duration;

use hyper::http::uri::PathAndQuery;

use crate::common::Arguments;
use crate::subject::Subject;

pub const USAGE: &str = "diagnose HOST[:PORT] [OTHER-HOST...] [OPTION...]

Finds the causes of 421s of any HTTPS server. The program connects to the first host, with each host as the server name
(SNI) and without a server name. On every connection it sends a GET request for every host. `Host` is each host as you
pass it, including a port or a trailing dot. At most 16 hosts.

options:
  --connect-to ADDRESS[:PORT]  connect to this address instead of the first host's
  --ca FILE                    trust the authorities in this PEM file instead of the system's
  --cert FILE --key FILE       send this client certificate (PEM) if the server asks for one
  --http 1.1|2|3               use only this version; the default is 1.1, 2 and, if the server advertises it, 3
  --path PATH                  request this path instead of /
  --timeout SECONDS            time limit of each step: connecting, the handshake, an answer (1 to 60; default 5)
  --json                       print one JSON object

The program sends one request at a time. If the server has ended the connection, it repeats the request once. It reads
at most 64 KiB of each answer. It accepts every certificate, and reports certificates that clients would refuse. It
sends no credentials except the client certificate.

exit status:
  0  nothing to mend; 421s from which clients recover on another connection are all right
  1  something to mend, or a warning
  2  wrong arguments
  3  the server cannot be reached, or answers no request";

/// The most hosts that are asked for. The number of requests grows with its square.
pub const MAX_HOSTS: usize = 16;

pub struct Options {
    /// At least one.
    pub hosts: Vec<Subject>,
    pub connect_to: Option<(String, Option<u16>)>,
    pub ca: Option<String>,
    /// The files of a client certificate and its key.
    pub credentials: Option<(String, String)>,
    /// `None` for all versions that the server offers.
    pub http: Option<Version>,
    pub path: PathAndQuery,
    pub timeout: Duration,
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
    Http3,
}

impl Version {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
            Self::Http3 => "3",
        }
    }

    pub fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
            Self::Http3 => b"h3",
        }
    }
}

impl std::str::FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let versions = [Self::Http1, Self::Http2, Self::Http3];
        let version = versions
            .into_iter()
            .find(|version| version.as_str() == text);
        version.ok_or(())
    }
}

impl Options {
    /// Reads the command line. `--help` and mistakes end the program.
    pub fn read() -> Self {
        let mut arguments = Arguments::new(USAGE);
        let mut hosts = Vec::new();
        let (mut connect_to, mut ca, mut cert, mut key, mut http) = (None, None, None, None, None);
        let mut path = PathAndQuery::from_static("/");
        let (mut timeout, mut json) = (5, false);
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--connect-to" => {
                    let value: String = arguments.value("--connect-to", "an address");
                    let parsed = address(&value);
                    connect_to = Some(parsed.unwrap_or_else(|problem| arguments.misused(problem)));
                }
                "--ca" => ca = Some(arguments.value("--ca", "a file")),
                "--cert" => cert = Some(arguments.value("--cert", "a file")),
                "--key" => key = Some(arguments.value("--key", "a file")),
                "--http" => http = Some(arguments.value("--http", "1.1, 2 or 3")),
                "--path" => {
                    path = arguments.value("--path", "a path such as /health");
                    if !path.path().starts_with('/') {
                        arguments.misused(format_args!("--path: `{path}` does not begin with /"));
                    }
                }
                "--timeout" => {
                    timeout = arguments.value("--timeout", "a whole number of seconds");
                    if !(1..=60).contains(&timeout) {
                        arguments.misused(format_args!(
                            "--timeout: `{timeout}` is not within 1 to 60 seconds"
                        ));
                    }
                }
                "--json" => json = true,
                option if option.starts_with('-') => arguments.unexpected(option),
                host => match host.parse::<Subject>() {
                    Ok(host) if hosts.contains(&host) => {
                        arguments.misused(format_args!("`{host}` is given twice"));
                    }
                    Ok(host) => hosts.push(host),
                    Err(problem) => arguments.misused(problem),
                },
            }
        }
        if hosts.is_empty() {
            arguments.misused("a host is missing");
        }
        if hosts.len() > MAX_HOSTS {
            arguments.misused(format_args!(
                "{} hosts are too many: give at most {MAX_HOSTS}",
                hosts.len()
            ));
        }
        let credentials = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => arguments.misused("--cert needs --key"),
            (None, Some(_)) => arguments.misused("--key needs --cert"),
        };
        Self {
            hosts,
            connect_to,
            ca,
            credentials,
            http,
            path,
            timeout: Duration::from_secs(timeout),
            json,
        }
    }

    /// The address to connect to, and its port.
    pub fn target(&self) -> (String, u16) {
        let first = &self.hosts[0];
        let port = first.port().unwrap_or(443);
        match &self.connect_to {
            Some((address, own)) => (address.clone(), own.unwrap_or(port)),
            None => {
                let ip = first.host().ip().map(|ip| ip.to_string());
                let name = || first.host().to_string();
                (ip.unwrap_or_else(name), port)
            }
        }
    }
}

/// An address with or without a port. Unlike a host, it may be an IPv6 address without brackets.
fn address(value: &str) -> Result<(String, Option<u16>), String> {
    let subject: Subject = value
        .parse()
        .map_err(|problem| format!("--connect-to: {problem}"))?;
    let ip = subject.host().ip().map(|ip| ip.to_string());
    let address = ip.unwrap_or_else(|| subject.host().to_string());
    Ok((address, subject.port()))
}
