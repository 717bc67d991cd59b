//! Builds a map of virtual hosts and finds every mistake in it, before the server uses it. The texts of the errors
//! live in `error`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::config_type::ServerConfig;
use super::error::{InvalidName, VirtualHostsError};
use super::map::{Map, VirtualHost};
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
#[must_use]
pub struct VirtualHostsBuilder<C = ServerConfig> {
    hosts: Vec<Named<C>>,
    default: Vec<Default<C>>,
}

struct Named<C> {
    id: Box<str>,
    names: Vec<String>,
    config: Arc<C>,
}

enum Default<C> {
    Config(Arc<C>),
    Id(String),
}

impl<C: Send + Sync + 'static> VirtualHostsBuilder<C> {
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
    pub fn host(self, name: impl Into<String>, config: Arc<C>) -> Self {
        let name = name.into();
        self.virtual_host(name.clone(), [name], config)
    }

    /// Adds a virtual host with an id and several names.
    ///
    /// [`Coalescing::SameVirtualHost`](crate::Coalescing::SameVirtualHost) compares virtual hosts by their ids,
    /// also across [replacements](crate::VirtualHosts::replace).
    pub fn virtual_host<N>(mut self, id: impl Into<String>, names: N, config: Arc<C>) -> Self
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
    pub fn default(mut self, config: Arc<C>) -> Self {
        self.default.push(Default::Config(config));
        self
    }

    /// Makes the virtual host with this id the default. That virtual host needs no names.
    pub fn default_to(mut self, id: impl Into<String>) -> Self {
        self.default.push(Default::Id(id.into()));
        self
    }

    /// Builds the map. The builder keeps its configurations, so nothing is dropped in here.
    pub(super) fn map(&self) -> Result<Map, VirtualHostsError> {
        if self.hosts.is_empty() && self.default.is_empty() {
            return Err(VirtualHostsError::Empty);
        }
        let mut by_id = HashMap::new();
        let mut names = NameMap::default();
        for host in &self.hosts {
            let is_default =
                |default: &Default<C>| matches!(default, Default::Id(id) if **id == *host.id);
            if host.names.is_empty() && !self.default.iter().any(is_default) {
                return Err(VirtualHostsError::NoNames((*host.id).into()));
            }
            let entry = add(&mut by_id, &host.id, &host.config)?;
            for name in &host.names {
                let pattern = Pattern::parse(name).map_err(|problem| {
                    let name = name.clone();
                    VirtualHostsError::InvalidName(InvalidName { name, problem })
                })?;
                if names.insert(pattern.clone(), entry.clone()).is_some() {
                    return Err(VirtualHostsError::DuplicateName(pattern.to_string()));
                }
            }
        }
        let default = match &self.default[..] {
            [] => None,
            [Default::Config(config)] => Some(add(&mut by_id, DEFAULT, config)?),
            [Default::Id(id)] => match by_id.get(&**id) {
                Some(entry) => Some(entry.clone()),
                None => return Err(VirtualHostsError::UnknownDefault(id.clone())),
            },
            _ => return Err(VirtualHostsError::SeveralDefaults),
        };
        Ok(Map { names, default })
    }
}

/// Makes a virtual host whose id no other has.
fn add<'a, C: Send + Sync + 'static>(
    by_id: &mut HashMap<&'a str, VirtualHost>,
    id: &'a str,
    config: &Arc<C>,
) -> Result<VirtualHost, VirtualHostsError> {
    let host = VirtualHost::new(id.into(), config.clone());
    match by_id.insert(id, host.clone()) {
        Some(_) => Err(VirtualHostsError::DuplicateId(id.to_owned())),
        None => Ok(host),
    }
}

impl<C> Clone for VirtualHostsBuilder<C> {
    fn clone(&self) -> Self {
        Self {
            hosts: self.hosts.clone(),
            default: self.default.clone(),
        }
    }
}

impl<C> Clone for Named<C> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            names: self.names.clone(),
            config: self.config.clone(),
        }
    }
}

impl<C> Clone for Default<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Config(config) => Self::Config(config.clone()),
            Self::Id(id) => Self::Id(id.clone()),
        }
    }
}

impl<C> fmt::Debug for VirtualHostsBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.hosts.iter().map(|host| &host.id);
        f.debug_list().entries(ids).finish()
    }
}
