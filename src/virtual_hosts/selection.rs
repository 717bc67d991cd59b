//! The selection of a virtual host, from the ClientHello to the connection info. The part of it that a connection keeps
//! lives in `binding`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::binding::Binding;
use super::config_type::ServerConfig;
use super::map::VirtualHost;
use crate::host::Host;

/// The virtual host that a handshake selected; see [`VirtualHosts::select`](crate::VirtualHosts::select).
///
/// ```
/// use tower_misdirected::Selection;
///
/// # struct Context;
/// fn describe(selection: &Selection<Context>) {
///     println!("{:?} selected {}", selection.server_name(), selection.virtual_host().id());
/// }
/// ```
pub struct Selection<C = ServerConfig> {
    binding: Binding,
    server_name: Option<Host>,
    local: Option<IpAddr>,
    config: Arc<C>,
}

impl<C: Send + Sync + 'static> Selection<C> {
    pub(super) fn new(
        binding: Binding,
        server_name: Option<Host>,
        local: Option<IpAddr>,
    ) -> Option<Self> {
        let config = binding.virtual_host().config::<C>()?.clone();
        Some(Self {
            binding,
            server_name,
            local,
            config,
        })
    }

    /// Returns the TLS configuration that the handshake must use.
    pub fn config(&self) -> &Arc<C> {
        &self.config
    }

    /// Returns the selected virtual host.
    pub fn virtual_host(&self) -> &VirtualHost {
        self.binding.virtual_host()
    }

    /// Returns the server name that selected the virtual host, in lower case and without a trailing dot. Returns `None`
    /// if the client sent no server name.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_ref().and_then(Host::name)
    }

    /// Returns the parts that the connection keeps: the binding, the server name, and the local address if it was used
    /// for the selection.
    pub(crate) fn into_parts(self) -> (Binding, Option<Host>, Option<IpAddr>) {
        (self.binding, self.server_name, self.local)
    }
}

impl<C> Clone for Selection<C> {
    fn clone(&self) -> Self {
        Self {
            binding: self.binding.clone(),
            server_name: self.server_name.clone(),
            local: self.local,
            config: self.config.clone(),
        }
    }
}

impl<C> fmt::Debug for Selection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection")
            .field(
                "server_name",
                &self.server_name.as_ref().and_then(Host::name),
            )
            .field("virtual_host", self.binding.virtual_host())
            .finish()
    }
}
