//! The map from names to virtual hosts. It never changes after it is built; replacing it lives in `shared`.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config_id::ConfigId;
use crate::host::{Host, HostRef, NameMap, Sought};

/// One generation of virtual hosts.
pub(super) struct Map {
    pub(super) names: NameMap<VirtualHost>,
    pub(super) default: Option<VirtualHost>,
}

impl Map {
    #[inline]
    pub(super) fn get(&self, host: &Sought<'_>) -> Option<&VirtualHost> {
        self.names.get(host).or(self.default.as_ref())
    }

    /// Returns the virtual host for a handshake with this server name. SNI cannot carry an address (RFC 6066 §3), so
    /// without a server name the local address of the connection is used, if it is known.
    pub(super) fn select(
        &self,
        server_name: Option<&Host>,
        local: Option<IpAddr>,
    ) -> Option<&VirtualHost> {
        match (server_name, local) {
            (Some(host), _) => self.get(&Sought::new(host.as_ref())),
            (None, Some(ip)) => self.get(&Sought::new(HostRef::of_ip(ip))),
            (None, None) => self.default.as_ref(),
        }
    }

    /// Returns whether a handshake that `accepted_by` accepted, with or without this server name, would get another
    /// configuration now, or none.
    pub(super) fn outdates(
        &self,
        accepted_by: &VirtualHost,
        server_name: Option<&Host>,
        local: Option<IpAddr>,
    ) -> bool {
        let now = self.select(server_name, local);
        now.is_none_or(|now| !now.same_config(accepted_by))
    }

    /// Returns every virtual host, once for each of its names.
    #[cfg(feature = "quinn")]
    pub(super) fn entries(&self) -> impl Iterator<Item = &VirtualHost> {
        self.names.values().chain(&self.default)
    }
}

/// An entry of [`VirtualHosts`](crate::VirtualHosts): an id, names, and the TLS configuration for the names.
///
/// ```
/// use std::sync::Arc;
/// use tower_misdirected::{VirtualHosts, VirtualHostsError};
///
/// # struct Context; // of any TLS stack
/// fn example(context: Arc<Context>) -> Result<(), VirtualHostsError>
/// # where Context: Send + Sync
/// {
///     let hosts = VirtualHosts::builder()
///         .virtual_host("site", ["example.com", "*.example.com"], context.clone())
///         .build()?;
///     let host = hosts.get(&"www.example.com".parse().unwrap()).unwrap();
///     assert_eq!(host.id(), "site");
///     assert!(Arc::ptr_eq(host.config().unwrap(), &context));
///     Ok(())
/// }
/// # example(Arc::new(Context)).unwrap();
/// ```
#[derive(Clone)]
pub struct VirtualHost(Arc<Entry>);

struct Entry {
    id: Box<str>,
    identity: Identity,
    /// An `Arc` of a user's type.
    config: Box<dyn Any + Send + Sync>,
}

/// The identity of a TLS configuration. An address never equals an id.
#[derive(PartialEq, Eq)]
enum Identity {
    /// The address of the configuration. The entry keeps the configuration alive.
    Address(usize),
    Id(ConfigId),
}

impl VirtualHost {
    pub(super) fn new<C: Send + Sync + 'static>(
        id: Box<str>,
        config: Arc<C>,
        config_id: Option<ConfigId>,
    ) -> Self {
        let address = || Identity::Address(Arc::as_ptr(&config) as usize);
        Self(Arc::new(Entry {
            id,
            identity: config_id.map_or_else(address, Identity::Id),
            config: Box::new(config),
        }))
    }

    /// Returns the id that was passed to [`virtual_host`](crate::VirtualHostsBuilder::virtual_host). For
    /// [`host`](crate::VirtualHostsBuilder::host), the id is the name as it was passed. For
    /// [`default`](crate::VirtualHostsBuilder::default), the id is `default`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Returns the TLS configuration, or `None` if `C` is not the type of the configurations.
    pub fn config<C: Send + Sync + 'static>(&self) -> Option<&Arc<C>> {
        self.0.config.downcast_ref()
    }

    /// Returns whether both have the same TLS configuration: the same id, or clones of the same `Arc` without an id.
    pub(super) fn same_config(&self, other: &Self) -> bool {
        self.0.identity == other.0.identity
    }

    /// Returns the id of the TLS configuration, if it has one.
    #[cfg(feature = "rustls")]
    pub(crate) fn config_id(&self) -> Option<&ConfigId> {
        match &self.0.identity {
            Identity::Address(_) => None,
            Identity::Id(id) => Some(id),
        }
    }
}

impl fmt::Debug for VirtualHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualHost").field(&self.id()).finish()
    }
}
