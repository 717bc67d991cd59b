//! Builds a map of virtual hosts and finds every mistake in it, before the server uses it. The texts of the errors
//! live in `error`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;

use super::error::{InvalidName, VirtualHostsError};
use super::map::{Map, VirtualHost};
use super::sessions::Sessions;
use crate::host::{NameMap, Pattern};

/// The id of a default that is a virtual host of its own.
const DEFAULT: &str = "default";

/// Builds [`VirtualHosts`](crate::VirtualHosts).
///
/// ```
/// use std::sync::Arc;
/// use rustls::ServerConfig;
/// use tower_misdirected::{VirtualHosts, VirtualHostsError};
///
/// fn hosts(
///     public: Arc<ServerConfig>,
///     mutual_tls: Arc<ServerConfig>,
/// ) -> Result<VirtualHosts, VirtualHostsError> {
///     VirtualHosts::builder()
///         .virtual_host("site", ["example.com", "*.example.com"], public)
///         .host("admin.example.com", mutual_tls)
///         .default_to("site") // clients without SNI
///         .build()
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct VirtualHostsBuilder {
    hosts: Vec<Named>,
    default: Vec<Default>,
}

#[derive(Clone)]
struct Named {
    id: Box<str>,
    names: Vec<String>,
    config: Arc<ServerConfig>,
}

#[derive(Clone)]
enum Default {
    Config(Arc<ServerConfig>),
    Id(String),
}

impl VirtualHostsBuilder {
    pub(super) fn new() -> Self {
        Self {
            hosts: Vec::new(),
            default: Vec::new(),
        }
    }

    /// Adds a virtual host with one name, which is also its id.
    ///
    /// The name is a DNS name (`www.example.com`), a wildcard for one label (`*.example.com`, which does not
    /// match `example.com` itself), or an [IP address](crate::VirtualHosts#ip-addresses). Case and a trailing
    /// dot do not matter.
    ///
    /// Hosts have the same configuration if they have clones of one `Arc`. Two equal configurations in two
    /// `Arc`s are different.
    pub fn host(self, name: impl Into<String>, config: Arc<ServerConfig>) -> Self {
        let name = name.into();
        self.virtual_host(name.clone(), [name], config)
    }

    /// Adds a virtual host with an id and several names.
    ///
    /// [`Coalescing::SameVirtualHost`](crate::Coalescing::SameVirtualHost) compares virtual hosts by their ids,
    /// also across [replacements](crate::VirtualHosts::replace).
    pub fn virtual_host<N>(
        mut self,
        id: impl Into<String>,
        names: N,
        config: Arc<ServerConfig>,
    ) -> Self
    where
        N: IntoIterator<Item: Into<String>>,
    {
        self.hosts.push(Named {
            id: id.into().into(),
            names: names.into_iter().map(Into::into).collect(),
            config,
        });
        self
    }

    /// Sets the configuration for clients without a server name, or with one that nothing matches. It becomes a
    /// virtual host with the id `default`.
    ///
    /// A connection under the default serves no host that has another configuration: the layer answers 421.
    pub fn default(mut self, config: Arc<ServerConfig>) -> Self {
        self.default.push(Default::Config(config));
        self
    }

    /// Makes the virtual host with this id the default. That virtual host needs no names.
    pub fn default_to(mut self, id: impl Into<String>) -> Self {
        self.default.push(Default::Id(id.into()));
        self
    }

    /// Builds the map. A configuration that is also in `present` keeps its sessions.
    pub(super) fn map(self, present: Option<&Map>) -> Result<Map, VirtualHostsError> {
        if self.hosts.is_empty() && self.default.is_empty() {
            return Err(VirtualHostsError::Empty);
        }
        let mut entries = Entries::new(present);
        let mut names = NameMap::default();
        for host in self.hosts {
            let is_default =
                |default: &Default| matches!(default, Default::Id(id) if **id == *host.id);
            if host.names.is_empty() && !self.default.iter().any(is_default) {
                return Err(VirtualHostsError::NoNames(host.id.into()));
            }
            let entry = entries.add(host.id, host.config)?;
            for name in host.names {
                let pattern = match Pattern::parse(&name) {
                    Ok(pattern) => pattern,
                    Err(problem) => {
                        let invalid = InvalidName { name, problem };
                        return Err(VirtualHostsError::InvalidName(invalid));
                    }
                };
                if names.insert(pattern.clone(), entry.clone()).is_some() {
                    return Err(VirtualHostsError::DuplicateName(pattern.to_string()));
                }
            }
        }
        let mut defaults = self.default.into_iter();
        let default = match defaults.next() {
            Some(Default::Config(config)) => Some(entries.add(DEFAULT.into(), config)?),
            Some(Default::Id(id)) => match entries.by_id.get(&*id) {
                Some(entry) => Some(entry.clone()),
                None => return Err(VirtualHostsError::UnknownDefault(id)),
            },
            None => None,
        };
        match defaults.next() {
            Some(_) => Err(VirtualHostsError::SeveralDefaults),
            None => Ok(Map { names, default }),
        }
    }
}

/// The virtual hosts built so far, and the sessions of their configurations.
struct Entries {
    by_id: HashMap<Box<str>, VirtualHost>,
    /// By the address of a configuration. An entry or the present map keeps the configuration alive.
    sessions: HashMap<usize, Arc<Sessions>>,
}

impl Entries {
    fn new(present: Option<&Map>) -> Self {
        let present = present.into_iter().flat_map(Map::entries);
        Self {
            by_id: HashMap::new(),
            sessions: present
                .map(|host| (address(host.config()), host.sessions().clone()))
                .collect(),
        }
    }

    fn add(
        &mut self,
        id: Box<str>,
        config: Arc<ServerConfig>,
    ) -> Result<VirtualHost, VirtualHostsError> {
        let sessions = match self.sessions.get(&address(&config)) {
            Some(sessions) => sessions.clone(),
            None => {
                let sessions = Sessions::of(&config);
                let sessions = Arc::new(sessions.ok_or(VirtualHostsError::NoRandomness)?);
                self.sessions.insert(address(&config), sessions.clone());
                sessions
            }
        };
        let host = VirtualHost::new(id.clone(), config, sessions);
        match self.by_id.insert(id, host.clone()) {
            Some(_) => Err(VirtualHostsError::DuplicateId(host.id().to_owned())),
            None => Ok(host),
        }
    }
}

fn address(config: &Arc<ServerConfig>) -> usize {
    Arc::as_ptr(config) as usize
}

impl fmt::Debug for VirtualHostsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.hosts.iter().map(|host| &host.id);
        f.debug_list().entries(ids).finish()
    }
}
