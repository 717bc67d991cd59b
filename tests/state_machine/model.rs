//! What servers and clients come to know, as the rules have it: virtual hosts, connections and sessions.
//! How requests are judged by it is in `rules`.

use crate::material::{CERTIFICATES, CLIENT_CHECKS, ClientCheck};
use crate::rules::{is_exactly, is_under, is_wildcard_of};
use crate::sequence::{ByDefault, Client, Hello, Limits, Map, Over, Sequence, Server};

pub struct Model {
    server: Server,
    pub limits: Limits,
    /// What each configuration presents now.
    certificates: Vec<usize>,
    one_resolver: bool,
    /// How often all configurations have been built anew.
    built: usize,
    pub connections: Vec<Connection>,
}

/// What makes a TLS configuration the same as another: its id, or else which one it is and how often it had been
/// built anew (D10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    Id(&'static str),
    Arc { config: usize, built: usize },
}

/// What is known of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub server_name: Option<String>,
    /// Sorted; `None` where nobody can tell.
    pub certificate_names: Option<Vec<String>>,
    /// The id of its virtual host.
    pub virtual_host: Option<String>,
    pub config: usize,
    /// How often the configurations had been built anew.
    pub built: usize,
    pub identity: Identity,
    pub client: Client,
    pub over: Over,
    pub resumed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `unrecognized_name`.
    ServerName,
    /// There is no client certificate, or none of the right authority.
    ClientCertificate,
}

/// A session that a client keeps.
#[derive(Clone, Debug)]
pub struct Session {
    pub opened: Connection,
}

/// What differs, so that a session that a client offers is not resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fresh {
    Config,
    ServerName,
    Version,
}

impl Model {
    pub fn new(sequence: &Sequence) -> Self {
        Self {
            server: sequence.server.clone(),
            limits: sequence.limits.clone(),
            certificates: sequence.certificates.clone(),
            one_resolver: sequence.one_resolver,
            built: 0,
            connections: Vec::new(),
        }
    }

    /// Whether they are taken.
    pub fn swap(&mut self, map: &Map) -> bool {
        let Server::Hosts(present) = &mut self.server else {
            return false;
        };
        if map.mistake.is_some() {
            return false;
        }
        *present = map.clone();
        true
    }

    /// The virtual hosts at present, if they can be reloaded.
    pub fn reload(&mut self) -> Option<Map> {
        match &self.server {
            Server::Hosts(map) => {
                self.built += 1;
                Some(map.clone())
            }
            Server::Alone { .. } => None,
        }
    }

    /// The identity of a configuration at present.
    pub fn identity(&self, config: usize) -> Identity {
        let id = match &self.server {
            Server::Hosts(map) => map.ids[config],
            Server::Alone { .. } => None,
        };
        let built = self.built;
        id.map_or(Identity::Arc { config, built }, Identity::Id)
    }

    /// Whether a connection was accepted under another `Arc` than this configuration has at present.
    pub fn has_another_arc(&self, connection: &Connection, config: usize) -> bool {
        (connection.config, connection.built) != (config, self.built)
    }

    pub fn renew(&mut self, config: usize, certificate: usize) {
        match self.one_resolver {
            true => self.certificates.fill(certificate),
            false => self.certificates[config] = certificate,
        }
    }

    /// The configuration for a host, and the id of its virtual host: exact before `*.` before the longest `**.`
    /// before the default (B10); `None` where none matches and there is no default.
    pub fn look_up(&self, host: Option<&str>) -> Option<(usize, Option<&'static str>)> {
        let map = match &self.server {
            Server::Hosts(map) => map,
            Server::Alone { config } => return Some((*config, None)),
        };
        let matching = |matches: fn(&str, &str) -> bool| {
            let mut entries = map.entries.iter();
            entries.find(|entry| {
                let mut names = entry.names.iter();
                names.any(|name| host.is_some_and(|host| matches(name.plain, host)))
            })
        };
        let longest = || {
            let names = map
                .entries
                .iter()
                .flat_map(|entry| entry.names.iter().map(move |name| (name.plain, entry)));
            let under = names.filter(|(name, _)| host.is_some_and(|host| is_under(name, host)));
            let longest = under.max_by_key(|(name, _)| name.len());
            longest.map(|(_, entry)| entry)
        };
        let default = match map.default {
            ByDefault::Entry(entry) => Some(&map.entries[entry]),
            ByDefault::Nobody | ByDefault::Own { .. } => None,
        };
        let found = matching(is_exactly)
            .or_else(|| matching(is_wildcard_of))
            .or_else(longest)
            .or(default);
        match (found, map.default) {
            (Some(entry), _) => Some((entry.config, Some(entry.id))),
            (None, ByDefault::Own { config }) => Some((config, Some("default"))),
            (None, _) => None,
        }
    }

    /// What becomes of a handshake, and of the session that it offers.
    pub fn connect(
        &self,
        hello: Hello,
        session: Option<&Session>,
    ) -> (Result<Connection, Refused>, Option<Fresh>) {
        // SNI cannot carry an address (RFC 6066 §3).
        let server_name = hello.server_name.filter(|name| !name.is_address());
        let server_name = server_name.map(|name| name.plain);
        let Some((config, virtual_host)) = self.look_up(server_name) else {
            return (Err(Refused::ServerName), None);
        };
        let fresh = session.and_then(|session| {
            if session.opened.identity != self.identity(config) {
                Some(Fresh::Config)
            } else if session.opened.server_name.as_deref() != server_name {
                Some(Fresh::ServerName)
            } else if session.opened.over.is_tls13() != hello.over.is_tls13() {
                Some(Fresh::Version)
            } else {
                None
            }
        });
        let resumed = session.filter(|_| fresh.is_none());
        let client = match resumed {
            // Nobody is asked for a certificate again; the one that was verified counts.
            Some(session) => Ok(session.opened.client),
            None => let_in(CLIENT_CHECKS[config], hello.client),
        };
        let connection = client.map(|client| Connection {
            server_name: server_name.map(str::to_owned),
            certificate_names: CERTIFICATES[self.certificates[config]].names(),
            virtual_host: virtual_host.map(str::to_owned),
            config,
            built: self.built,
            identity: self.identity(config),
            client,
            over: hello.over,
            resumed: resumed.is_some(),
        });
        (connection, fresh)
    }

    /// The session of a connection that has just been opened.
    pub fn session(&self, opened: &Connection) -> Session {
        Session {
            opened: opened.clone(),
        }
    }

    /// Which client a host insists on at present.
    pub fn insists_on(&self, host: &str) -> Option<Client> {
        match CLIENT_CHECKS[self.look_up(Some(host))?.0] {
            ClientCheck::Wants(client) => Some(client),
            ClientCheck::Nothing | ClientCheck::Takes(_) => None,
        }
    }
}

/// Who a configuration sees in a client that is asked, or is not asked, for a certificate.
fn let_in(check: ClientCheck, client: Client) -> Result<Client, Refused> {
    match check {
        ClientCheck::Nothing => Ok(Client::Nobody),
        ClientCheck::Takes(_) if client == Client::Nobody => Ok(Client::Nobody),
        ClientCheck::Takes(wanted) | ClientCheck::Wants(wanted) if client == wanted => Ok(client),
        ClientCheck::Takes(_) | ClientCheck::Wants(_) => Err(Refused::ClientCertificate),
    }
}
