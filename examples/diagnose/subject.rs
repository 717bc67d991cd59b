//! A host as the user passes it, and the values that clients derive from it: the server name of the handshake, and the
//! field `Host`.

use std::fmt::{self, Display};
use std::str::FromStr;

use tower_misdirected::Host;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    given: String,
    host: Host,
    port: Option<u16>,
}

impl Subject {
    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// What `Host` or `:authority` carries.
    pub fn authority(&self) -> &str {
        &self.given
    }

    /// The server name that clients send. It is no IP address, and has no trailing dot (RFC 6066 §3).
    pub fn server_name(&self) -> Option<&str> {
        self.host.name()
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let wrong = |problem: &dyn Display| {
            format!(
                "`{}` is not a host: {problem}; give HOST or HOST:PORT, such as app.example",
                given.escape_debug()
            )
        };
        // A bare IPv6 address is unambiguous, but `Host` needs brackets (RFC 3986 §3.2.2).
        let given = match given.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => given.to_owned(),
        };
        let (name, port) = match given.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => {
                let number = port.parse().ok().filter(|port| *port != 0);
                let Some(number) = number else {
                    return Err(wrong(&format_args!(
                        "`{}` is not a port",
                        port.escape_debug()
                    )));
                };
                (name, Some(number))
            }
            _ => (&*given, None),
        };
        let host = name.parse().map_err(|error| wrong(&error))?;
        Ok(Self { host, port, given })
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}
