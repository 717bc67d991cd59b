//! Builds a map of virtual hosts, and finds every mistake before the server uses the map. The texts of the errors live
//! in `error`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::config_type::ServerConfig;
use super::error::{InvalidName, NameProblem, VirtualHostsError};
use super::map::{Map, VirtualHost};
use crate::config_id::{ConfigId, ConfigIdProblem};
use crate::host::{NameMap, Pattern};

/// The id of the virtual host that [`VirtualHostsBuilder::default`] adds.
const DEFAULT: &str = "default";

/// Builder of [`VirtualHosts`](crate::VirtualHosts).
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
    config_ids: Vec<(Arc<C>, Box<[u8]>)>,
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
            config_ids: Vec::new(),
        }
    }

    /// Adds a virtual host with one name, which is also its id.
    ///
    /// The name is a DNS name (`www.example.com`), a wildcard for one label (`*.example.com`), a wildcard for one or
    /// more labels (`**.example.com`), or an [IP address](crate::VirtualHosts#ip-addresses). No wildcard matches
    /// `example.com` itself. Case and a trailing dot do not matter.
    ///
    /// Two hosts have the same configuration if their `config`s are clones of the same `Arc`. Equal configurations in
    /// separate `Arc`s count as different, unless both have the same [id](Self::config_id).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::VirtualHosts;
    ///
    /// # struct Context;
    /// # fn run(public: Arc<Context>, mutual_tls: Arc<Context>) -> Result<(), Box<dyn std::error::Error>> {
    /// let hosts = VirtualHosts::builder()
    ///     .host("*.example.com", public)
    ///     .host("admin.example.com", mutual_tls)
    ///     .build()?;
    /// assert_eq!(hosts.get(&"www.example.com".parse()?).unwrap().id(), "*.example.com");
    /// assert_eq!(hosts.get(&"Admin.example.com".parse()?).unwrap().id(), "admin.example.com");
    /// assert!(hosts.get(&"example.com".parse()?).is_none());
    /// # Ok(())
    /// # }
    /// # run(Arc::new(Context), Arc::new(Context)).unwrap();
    /// ```
    pub fn host(self, name: impl Into<String>, config: Arc<C>) -> Self {
        let name = name.into();
        self.virtual_host(name.clone(), [name], config)
    }

    /// Adds a virtual host with an id and one or more names. Only the default virtual host may have no names.
    ///
    /// [`Coalescing::SameVirtualHost`](crate::Coalescing::SameVirtualHost) compares virtual hosts by id, also across
    /// [replacements](crate::VirtualHosts::replace). For the syntax of names, see [`host`](Self::host).
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

    /// Sets the configuration for clients whose server name matches no virtual host, or that send no server name. Adds
    /// a virtual host with the id `default`. Without a default, such handshakes are refused.
    ///
    /// A connection under the default serves no host with another configuration: the layer answers 421. The
    /// default also serves every other host that its certificate covers and no virtual host matches. To prevent that,
    /// list the hosts with [`allowed_hosts`](crate::MisdirectedLayer::allowed_hosts).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::VirtualHosts;
    ///
    /// # struct Context;
    /// # fn run(www: Arc<Context>, fallback: Arc<Context>) -> Result<(), Box<dyn std::error::Error>> {
    /// let hosts = VirtualHosts::builder().host("www.example", www).default(fallback).build()?;
    /// let selection = hosts.select(None).ok_or("unrecognized_name")?; // a client without SNI
    /// assert_eq!(selection.virtual_host().id(), "default");
    /// # Ok(())
    /// # }
    /// # run(Arc::new(Context), Arc::new(Context)).unwrap();
    /// ```
    pub fn default(mut self, config: Arc<C>) -> Self {
        self.default.push(Default::Config(config));
        self
    }

    /// Makes the virtual host with this id the default. Use either this method or [`default`](Self::default).
    ///
    /// The default also serves every other host that its certificate covers and no virtual host matches. To prevent
    /// that, list the hosts with [`allowed_hosts`](crate::MisdirectedLayer::allowed_hosts).
    pub fn default_to(mut self, id: impl Into<String>) -> Self {
        self.default.push(Default::Id(id.into()));
        self
    }

    /// Sets the id of a configuration, of 1 to 64 octets. The crate then identifies the configuration by its id instead
    /// of by its `Arc`.
    ///
    /// Without ids, a reload that rebuilds every configuration changes every host: the layer answers 421 on open
    /// connections, and no session resumes. With an id, a new `Arc` with the same id is not a change: the layer serves
    /// open connections, and sessions resume. Sessions also resume on another machine, if the configuration has the
    /// same id there and both machines share a ticketer or a session store.
    ///
    /// The id applies to TCP and to QUIC, and to every virtual host with this `Arc`. With a TLS stack other than
    /// rustls, it applies only to requests.
    ///
    /// Adding, removing or changing an id counts as a change of the configuration.
    ///
    /// # Security
    ///
    /// Two configurations with the same id count as equal: a client that one of them accepted may use the hosts of the
    /// other without another handshake. The crate cannot check that they are equal.
    ///
    /// Derive the id from everything that makes your configurations differ, above all from the client certificates that
    /// they accept. Do not use a version number that someone must remember to increase. Leave out the server
    /// certificate, because its renewal is not a change.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rustls::ServerConfig;
    /// use tower_misdirected::{VirtualHosts, VirtualHostsError};
    ///
    /// // A reload, which has just built both configurations. `client_ca` is a digest of the authorities that
    /// // `mutual_tls` trusts.
    /// fn reload(
    ///     hosts: &VirtualHosts,
    ///     public: Arc<ServerConfig>,
    ///     mutual_tls: Arc<ServerConfig>,
    ///     client_ca: &str,
    /// ) -> Result<(), VirtualHostsError> {
    ///     hosts.replace(
    ///         VirtualHosts::builder()
    ///             .config_id(&public, "public")
    ///             .config_id(&mutual_tls, format!("mutual TLS {client_ca}"))
    ///             .host("www.example.com", public)
    ///             .host("admin.example.com", mutual_tls),
    ///     )
    /// }
    /// ```
    pub fn config_id(mut self, config: &Arc<C>, id: impl AsRef<[u8]>) -> Self {
        self.config_ids.push((config.clone(), id.as_ref().into()));
        self
    }

    /// Builds the map. The builder keeps its configurations, so that nothing is dropped here.
    pub(super) fn map(&self) -> Result<Map, VirtualHostsError> {
        if self.hosts.is_empty() && self.default.is_empty() {
            return Err(VirtualHostsError::Empty);
        }
        let config_ids = self.config_ids()?;
        let mut by_id = HashMap::new();
        let mut names = NameMap::default();
        for host in &self.hosts {
            let is_default =
                |default: &Default<C>| matches!(default, Default::Id(id) if **id == *host.id);
            if host.names.is_empty() && !self.default.iter().any(is_default) {
                return Err(VirtualHostsError::NoNames((*host.id).into()));
            }
            let entry = add(&mut by_id, &host.id, &host.config, &config_ids)?;
            for name in &host.names {
                let pattern = pattern(name).map_err(|problem| {
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
            [Default::Config(config)] => Some(add(&mut by_id, DEFAULT, config, &config_ids)?),
            [Default::Id(id)] => match by_id.get(&**id) {
                Some(entry) => Some(entry.clone()),
                None => return Err(VirtualHostsError::UnknownDefault(id.clone())),
            },
            _ => return Err(VirtualHostsError::SeveralDefaults),
        };
        Ok(Map { names, default })
    }

    /// Returns the ids of the configurations by the addresses of the configurations.
    fn config_ids(&self) -> Result<HashMap<*const C, ConfigId>, VirtualHostsError> {
        let text = |octets: &[u8]| octets.escape_ascii().to_string();
        let mut ids: HashMap<_, ConfigId> = HashMap::new();
        for (config, octets) in &self.config_ids {
            let id = ConfigId::new(octets).map_err(|problem| match problem {
                ConfigIdProblem::Empty => VirtualHostsError::EmptyConfigId,
                ConfigIdProblem::TooLong => VirtualHostsError::LongConfigId(text(octets)),
            })?;
            if let Some(other) = ids.insert(Arc::as_ptr(config), id.clone()) {
                if other != id {
                    let (one, other) = (text(other.as_bytes()), text(octets));
                    return Err(VirtualHostsError::SeveralConfigIds(one, other));
                }
            }
        }
        let own = self.default.iter().filter_map(|default| match default {
            Default::Config(config) => Some(config),
            Default::Id(_) => None,
        });
        let used = self.hosts.iter().map(|host| &host.config).chain(own);
        let used: HashSet<_> = used.map(Arc::as_ptr).collect();
        match ids.iter().find(|(config, _)| !used.contains(*config)) {
            Some((_, id)) => Err(VirtualHostsError::UnusedConfigId(text(id.as_bytes()))),
            None => Ok(ids),
        }
    }
}

/// Parses a name. An IPv4-mapped IPv6 address is invalid, because the local address of an IPv4 connection is an IPv4
/// address.
fn pattern(name: &str) -> Result<Pattern, NameProblem> {
    let pattern = Pattern::parse(name).map_err(NameProblem::Host)?;
    match pattern {
        Pattern::Ip(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(mapped) => Err(NameProblem::Mapped(mapped)),
            None => Ok(pattern),
        },
        _ => Ok(pattern),
    }
}

/// Adds a virtual host, whose id must be unique.
fn add<'a, C: Send + Sync + 'static>(
    by_id: &mut HashMap<&'a str, VirtualHost>,
    id: &'a str,
    config: &Arc<C>,
    config_ids: &HashMap<*const C, ConfigId>,
) -> Result<VirtualHost, VirtualHostsError> {
    let config_id = config_ids.get(&Arc::as_ptr(config)).cloned();
    let host = VirtualHost::new(id.into(), config.clone(), config_id);
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
            config_ids: self.config_ids.clone(),
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
