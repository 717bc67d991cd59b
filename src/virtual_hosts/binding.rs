//! What ties a connection to the virtual hosts that accepted it. Every request on the connection is compared with
//! it; nothing is refused here.

use std::sync::Arc;

use super::hosts::VirtualHosts;
use super::map::VirtualHost;
use super::relation::Relation;
use crate::host::{Host, HostRef};

/// The virtual hosts that accepted a connection, and the one of them that its handshake matched.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    hosts: VirtualHosts,
    /// `None` only for a connection made by hand whose handshake would have been refused.
    accepted_by: Option<VirtualHost>,
    /// The generation of the virtual hosts that accepted the connection. `None` like `accepted_by`.
    generation: u64,
}

/// A generation that virtual hosts never reach.
const NO_GENERATION: u64 = u64::MAX;

impl Binding {
    /// Binds a handshake with this server name, or without one.
    pub(crate) fn new(hosts: &VirtualHosts, server_name: Option<&Host>) -> Self {
        let (accepted_by, generation) = hosts.accept(server_name);
        Self {
            hosts: hosts.clone(),
            generation: match accepted_by {
                Some(_) => generation,
                None => NO_GENERATION,
            },
            accepted_by,
        }
    }

    pub(crate) fn virtual_host(&self) -> Option<&VirtualHost> {
        self.accepted_by.as_ref()
    }

    /// Returns what the host is to the connection, by the virtual hosts as they are now.
    #[inline]
    pub(crate) fn relation(&self, host: &HostRef<'_>, is_server_name: bool) -> Relation {
        // The handshake looked the server name up. The same look-up in the same map gives the same answer.
        if is_server_name && self.hosts.generation() == self.generation {
            return Relation::SameVirtualHost;
        }
        self.look_up(host)
    }

    fn look_up(&self, host: &HostRef<'_>) -> Relation {
        self.hosts
            .read(|map| match (map.get(host), &self.accepted_by) {
                (None, _) => Relation::Nobodys,
                (Some(matching), Some(accepted_by))
                    if Arc::ptr_eq(matching.config(), accepted_by.config()) =>
                {
                    match matching.id() == accepted_by.id() {
                        true => Relation::SameVirtualHost,
                        false => Relation::SameConfig,
                    }
                }
                (Some(_), _) => Relation::OtherConfig,
            })
    }
}
