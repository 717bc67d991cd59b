//! The binding of a connection to the virtual host that accepted it. Every request on the connection is compared with
//! the binding; nothing is refused here.

use std::net::IpAddr;
use std::sync::Arc;

use super::map::{Map, VirtualHost};
use super::relation::Relation;
use super::shared::Shared;
use super::waiting::{Watch, Who};
use crate::host::{Host, Sought};

/// The virtual hosts that accepted a connection, and the virtual host that its handshake selected.
#[derive(Clone)]
pub(crate) struct Binding {
    hosts: Arc<Shared>,
    accepted_by: VirtualHost,
    /// The generation of the virtual hosts that accepted the connection.
    generation: u64,
}

impl Binding {
    /// Binds a handshake with this server name, or without a server name at this local address. Returns `None` if
    /// nothing matches.
    pub(super) fn new(
        hosts: &Arc<Shared>,
        server_name: Option<&Host>,
        local: Option<IpAddr>,
    ) -> Option<Self> {
        hosts.read(|map| {
            Some(Self {
                hosts: hosts.clone(),
                accepted_by: map.select(server_name, local)?.clone(),
                generation: hosts.generation(),
            })
        })
    }

    pub(crate) fn virtual_host(&self) -> &VirtualHost {
        &self.accepted_by
    }

    /// Returns the relation of the server name to the connection, by the current virtual hosts.
    #[inline]
    pub(crate) fn relation_of_server_name(&self, server_name: &Host) -> Relation {
        // The handshake looked up the server name. The same look-up in the same map gives the same result.
        match self.hosts.generation() == self.generation {
            true => Relation::SameVirtualHost,
            false => self.relation(&Sought::new(server_name.as_ref())),
        }
    }

    /// Returns whether the current virtual hosts would select another configuration for the handshake, or none.
    pub(crate) fn is_outdated(&self, server_name: Option<&Host>, local: Option<IpAddr>) -> bool {
        let outdated = |map: &Map| map.outdates(&self.accepted_by, server_name, local);
        self.hosts.generation() != self.generation && self.hosts.read(outdated)
    }

    /// Registers the connection for a wake-up when it becomes outdated.
    pub(crate) fn watch(&self, server_name: Option<&Host>, local: Option<IpAddr>) -> Watch {
        let who = Who::new(server_name, local);
        self.hosts.watch(who, &self.accepted_by)
    }

    /// Returns the virtual host that currently matches the host.
    #[cfg(feature = "tracing")]
    pub(crate) fn virtual_host_of(&self, host: &Sought<'_>) -> Option<VirtualHost> {
        self.hosts.read(|map| map.get(host).cloned())
    }

    /// Returns the relation of the host to the connection, by the current virtual hosts.
    pub(crate) fn relation(&self, host: &Sought<'_>) -> Relation {
        self.hosts.read(|map| match map.get(host) {
            None => Relation::Nobodys,
            Some(host) if !host.same_config(&self.accepted_by) => Relation::OtherConfig,
            Some(host) if host.id() != self.accepted_by.id() => Relation::SameConfig,
            Some(_) => Relation::SameVirtualHost,
        })
    }
}
