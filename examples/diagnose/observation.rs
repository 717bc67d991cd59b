//! The observations of a server: connections, certificates and answers, in the form of the JSON output. Fields that the
//! output omits help to find causes.

use serde::Serialize;
use tower_misdirected::{CertificateNames, Host};

/// Everything that was seen of a server.
#[derive(Default, Serialize)]
pub struct Observations {
    pub target: String,
    /// The hosts as the user gave them.
    pub hosts: Vec<String>,
    pub connections: Vec<Connection>,
}

/// All connections with one server name over one version of HTTP.
#[derive(Clone, Default, Serialize)]
pub struct Connection {
    /// The server name of the handshake (SNI), or `None` if the handshake had none.
    pub server_name: Option<String>,
    /// `1.1`, `2` or `3`.
    pub http: &'static str,
    /// `ok`, or why there is no connection.
    pub handshake: String,
    /// Whether the server refused the handshake, in contrast to a network that failed.
    #[serde(skip)]
    pub refused: bool,
    /// `None` if the handshake failed before the certificate.
    pub certificate: Option<Certificate>,
    pub asks_client_certificate: bool,
    pub sent_client_certificate: bool,
    pub answers: Vec<Answer>,
}

#[derive(Clone, Default, Serialize)]
pub struct Certificate {
    /// The DNS names and IP addresses of the certificate, of which there may be more.
    pub names: Vec<String>,
    /// Whether a client with the same roots accepts the certificate for the server name.
    pub verified: bool,
    pub error: Option<String>,
    /// Whether the error is only that the certificate does not name the server name.
    #[serde(skip)]
    pub only_name_differs: bool,
    /// Equal for equal certificates.
    #[serde(skip)]
    pub id: u64,
    /// All names.
    #[serde(skip)]
    pub all: Option<CertificateNames>,
}

impl Certificate {
    /// Whether clients accept the certificate for this host. They do not if it names no host (RFC 9525 §2).
    pub fn covers(&self, host: &Host) -> bool {
        self.all.as_ref().and_then(|names| names.covers(host)) == Some(true)
    }
}

/// What a request for a host was answered.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// The host as the user gave it.
    pub host: String,
    pub status: Option<u16>,
    pub error: Option<String>,
    /// Whether the certificate of the connection covers the host.
    pub covered: bool,
    /// Whether a cache may answer later requests with this 421.
    pub cacheable: bool,
    /// Whether the 421 says how long it stays fresh, so that caches need no heuristics.
    #[serde(skip)]
    pub fresh: bool,
    /// How the server ended the connection after the answer.
    pub ended: Option<Ended>,
    /// Whether the connection is the one that a client opens for the host.
    pub own: bool,
    /// `Server` and `Via`.
    #[serde(skip)]
    pub software: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// `Connection: close`.
    Close,
    Goaway,
    /// The connection ended without a word of HTTP.
    Eof,
}

pub const MISDIRECTED: u16 = 421;

impl Answer {
    pub fn misdirected(&self) -> bool {
        self.status == Some(MISDIRECTED)
    }

    /// Whether the answer is content or a redirect to content.
    pub fn served(&self) -> bool {
        self.status
            .is_some_and(|status| (200..400).contains(&status))
    }
}

impl Connection {
    pub fn established(&self) -> bool {
        self.handshake == "ok"
    }

    pub fn answer(&self, host: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.host == host)
    }
}
