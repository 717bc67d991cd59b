//! What happens in one sequence: the server it begins with and the steps after it, as data that shrinks
//! and that reads well when it fails.

use std::fmt;

use crate::material::CLIENT_CHECKS;
use crate::names::Name;
use crate::request::Request;

#[derive(Clone, Debug)]
pub struct Sequence {
    pub server: Server,
    /// Whether the server keeps its sessions in tickets, not in a store. All configurations share either.
    pub tickets: bool,
    /// What each configuration presents at the beginning.
    pub certificates: Vec<usize>,
    /// Whether all configurations share what presents it, too.
    pub one_resolver: bool,
    pub limits: Limits,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Server {
    Hosts(Map),
    /// One configuration, without virtual hosts.
    Alone {
        config: usize,
    },
}

/// Virtual hosts to be.
#[derive(Clone, Debug)]
pub struct Map {
    pub entries: Vec<Entry>,
    pub default: ByDefault,
    /// The ids of the TLS configurations.
    pub ids: Ids,
    /// Why it cannot be built.
    pub mistake: Option<Mistake>,
}

/// The id of each TLS configuration that has one.
pub type Ids = [Option<&'static str>; CONFIGS];

#[derive(Clone)]
pub struct Entry {
    pub id: &'static str,
    pub names: Vec<Name>,
    pub config: usize,
}

#[derive(Clone, Copy, Debug)]
pub enum ByDefault {
    Nobody,
    Own { config: usize },
    Entry(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    NameTwice,
    IdTwice,
    NoSuchDefault,
    TwoConfigIds,
}

/// What the layer was told beside its level.
#[derive(Clone, Debug)]
pub struct Limits {
    pub hosts: Option<Vec<Name>>,
    pub ports: Option<Vec<u16>>,
    pub check_certificate: bool,
    pub strict_scheme: bool,
    pub require_tls: bool,
}

/// Indices count what there is at the time, and begin again at its end.
#[derive(Clone)]
pub enum Step {
    Swap(Map),
    /// Puts back what the server began with.
    SwapBack,
    Connect(Hello),
    Resume {
        session: usize,
        how: Again,
    },
    Ask {
        on: On,
        request: Request,
    },
    Renew {
        config: usize,
        certificate: usize,
    },
    /// Builds every TLS configuration anew, equal to the old one, and swaps the virtual hosts for their like.
    Reload,
}

/// How a client opens the connection that it offers a session on.
#[derive(Clone, Copy, Debug)]
pub enum Again {
    /// As it opened the one before, but perhaps as somebody else, and over something else.
    AsBefore {
        client: Client,
        over: Option<Over>,
    },
    Differently(Hello),
}

/// How a client opens a connection.
#[derive(Clone, Copy)]
pub struct Hello {
    pub server_name: Option<Name>,
    pub client: Client,
    pub over: Over,
}

/// What a connection consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Tls12,
    Tls13,
    /// TLS 1.3 too, and HTTP/3.
    Quic,
}

impl Over {
    pub fn is_tls13(self) -> bool {
        self != Self::Tls12
    }
}

/// How many TLS configurations there are.
pub const CONFIGS: usize = CLIENT_CHECKS.len();

/// Whose certificate a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Nobody,
    One,
    Two,
}

/// What a request comes on.
#[derive(Clone, Copy, Debug)]
pub enum On {
    Connection(usize),
    Plaintext,
    Gateway,
    /// Nobody says.
    Unknown,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {:?} -> config {}",
            self.id, self.names, self.config
        )
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Swap(map) => write!(f, "Swap {map:?}"),
            Self::SwapBack => f.write_str("SwapBack"),
            Self::Connect(hello) => write!(f, "Connect {hello:?}"),
            Self::Resume { session, how } => write!(f, "Resume session {session} {how:?}"),
            Self::Ask { on, request } => write!(f, "Ask {request:?} on {on:?}"),
            Self::Renew {
                config,
                certificate,
            } => write!(f, "Renew config {config} with certificate {certificate}"),
            Self::Reload => f.write_str("Reload"),
        }
    }
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            server_name,
            client,
            over,
        } = self;
        write!(f, "as {client:?} over {over:?} to {server_name:?}")
    }
}
