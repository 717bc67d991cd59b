//! The public handle to virtual hosts. What handles share lives in `shared`, building them in `builder`.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use super::binding::Binding;
use super::builder::VirtualHostsBuilder;
use super::config_type::ServerConfig;
use super::error::VirtualHostsError;
use super::map::VirtualHost;
use super::selection::Selection;
use super::shared::Shared;
use crate::host::{Host, Sought};

/// TLS configurations by host name.
///
/// `C` is the type of a configuration: `rustls::ServerConfig`, or the context of another TLS stack. Virtual hosts
/// only compare configurations, by the identity of their `Arc` or by an
/// [id](VirtualHostsBuilder::config_id).
///
/// The server name of a ClientHello chooses the configuration of the handshake. The host of a request is
/// looked up in the same way: an exact name before `*.example.com`, which stands for one label, before the longest
/// `**.example.com`, which stands for one or more, before the default. Under [`Coalescing::SameTlsConfig`], the
/// layer's default, a request is served if both look-ups give the same configuration. So hosts that share an `Arc` or
/// an id share connections, and all others are kept
/// apart.
///
/// A client without a server name, or with one that nothing matches, gets the default. Without a default its
/// handshake is refused with the alert `unrecognized_name` (RFC 6066 §3).
///
/// With rustls, pass virtual hosts to a [`TlsAcceptor`](crate::TlsAcceptor) or a
/// [`TlsListener`](crate::TlsListener). With another TLS stack, call [`select`](Self::select) when the ClientHello has
/// arrived; [`guide::other_tls_stacks`](crate::guide::other_tls_stacks) has a tested recipe.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use axum::{Router, routing::get};
/// use rustls::ServerConfig;
/// use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener, VirtualHosts};
///
/// # async fn serve(public: Arc<ServerConfig>, mutual_tls: Arc<ServerConfig>) -> Result<(), Box<dyn std::error::Error>> {
/// let hosts = VirtualHosts::builder()
///     .host("www.example.com", public.clone())
///     .host("*.example.com", public)
///     .host("admin.example.com", mutual_tls) // asks for client certificates
///     .build()?;
/// let listener = TlsListener::bind("0.0.0.0:443", hosts).await?;
///
/// let app = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(MisdirectedLayer::new());
/// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Changes while the server runs
///
/// Clones are handles to the same virtual hosts. [`replace`](Self::replace) changes them for all handles at
/// once. Requests on open connections are judged by the new virtual hosts. If a host has a new
/// configuration, its old connections are outdated: they answer 421 for it, and
/// [`TlsStream`](crate::TlsStream) ends them over HTTP/2.
/// [`guide::changing`](crate::guide::changing#outdated-connections) says what happens over
/// other protocols. Hosts that keep their `Arc`, or the
/// [id](VirtualHostsBuilder::config_id) of their configuration, are not affected.
///
/// To renew a certificate, keep the configuration and renew the certificate inside its resolver. That causes
/// no 421.
///
/// # Client certificates
///
/// If the configuration of a host requires client certificates, a request for that host reaches the inner
/// service only on a connection with one. This holds for every connection that these virtual hosts accepted:
///
/// - A coalesced request is refused, because its connection has another configuration.
/// - A session resumes only under the configuration it began under, even if configurations share a session
///   store or a ticketer. 0-RTT data belongs to a resumed session.
/// - After a replacement, open connections are judged by the new virtual hosts.
///
/// [`ConnectionInfo`] has the certificate, verified.
///
/// The layer must use [`Coalescing::SameTlsConfig`] or a stricter level, and must not be
/// [report-only](crate::MisdirectedLayer::report_only). If plaintext connections reach the same service, add
/// [`require_tls`](crate::MisdirectedLayer::require_tls). Do not serve it on TLS listeners without these
/// virtual hosts.
///
/// Sessions are bound to the process: a ticket from another process, from a shared ticketer, leads to a full
/// handshake. If the configuration has an [id](VirtualHostsBuilder::config_id), the ticket resumes in every process
/// that gives its configuration the same id. TCP and QUIC resume each other's sessions if both have the same
/// `Arc<ServerConfig>` or the same id. All this is for rustls; another TLS stack has to keep sessions apart itself, as
/// the recipe does.
///
/// # IP addresses
///
/// SNI cannot carry an address (RFC 6066 §3), so a handshake for `https://192.0.2.1/` has no server name. It gets
/// the entry with the local address of the connection, which is the address that the client connected to. If there
/// is no such entry, the handshake gets the default. A request for an address matches the entry with that address.
/// So an entry `192.0.2.1` can have a configuration of its own, with client certificates for example.
///
/// Over QUIC the local address is not known during the handshake, so a handshake without a server name gets the
/// default. A proxy or a NAT in front of the server changes the address that the client connected to, so give the
/// entry the address of this machine.
///
/// [`Coalescing::SameTlsConfig`]: crate::Coalescing::SameTlsConfig
/// [`ConnectionInfo`]: crate::ConnectionInfo
pub struct VirtualHosts<C = ServerConfig> {
    shared: Arc<Shared>,
    /// All configurations are of this type.
    config: PhantomData<fn(C) -> C>,
}

impl<C: Send + Sync + 'static> VirtualHosts<C> {
    /// Starts a builder without any virtual host.
    pub fn builder() -> VirtualHostsBuilder<C> {
        VirtualHostsBuilder::new()
    }

    /// Atomically replaces the virtual hosts for every clone.
    ///
    /// Handshakes and requests that have begun are not waited for. A replacement takes time in proportion to the
    /// number of hosts; requests and handshakes do not wait for it. Replacements from several threads take place one
    /// after the other.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`VirtualHostsBuilder::build`]. The current virtual hosts then stay.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rustls::ServerConfig;
    /// use tower_misdirected::{VirtualHosts, VirtualHostsError};
    ///
    /// fn reload(
    ///     hosts: &VirtualHosts, // a clone of those that the acceptor was made from
    ///     www: Arc<ServerConfig>,
    ///     admin: Arc<ServerConfig>,
    /// ) -> Result<(), VirtualHostsError> {
    ///     hosts.replace(VirtualHosts::builder().host("www.example", www).host("admin.example", admin))
    /// }
    /// ```
    pub fn replace(&self, hosts: VirtualHostsBuilder<C>) -> Result<(), VirtualHostsError> {
        let next = Arc::new(hosts.map()?);
        drop(self.shared.replace(next));
        Ok(())
    }

    /// Returns the virtual host that matches a request for `host` now.
    ///
    /// ```
    /// use axum::extract::State;
    /// use tower_misdirected::{EffectiveAuthority, VirtualHosts};
    ///
    /// async fn which(State(hosts): State<VirtualHosts>, authority: EffectiveAuthority) -> String {
    ///     match hosts.get(authority.host()) {
    ///         Some(host) => host.id().to_owned(),
    ///         None => "unknown".to_owned(),
    ///     }
    /// }
    /// # let _: axum::routing::MethodRouter<VirtualHosts> = axum::routing::get(which);
    /// ```
    pub fn get(&self, host: &Host) -> Option<VirtualHost> {
        self.shared
            .read(|map| map.get(&Sought::new(host.as_ref())).cloned())
    }

    /// Selects the virtual host for a handshake with this server name, or without one. `None` means that the
    /// handshake must be refused with the alert `unrecognized_name` (RFC 6066 §3).
    ///
    /// Call it *during* the handshake, when the ClientHello has arrived. Perform the whole handshake under the
    /// [configuration](Selection::config) that was selected, session look-up included; `set_ssl_context` of OpenSSL
    /// is not enough for that. Pass the selection to
    /// [`ConnectionInfoBuilder::selection`](crate::ConnectionInfoBuilder::selection) afterwards. The layer then
    /// knows which configuration the connection was accepted under, whatever is replaced meanwhile.
    ///
    /// With rustls, use a [`TlsAcceptor`](crate::TlsAcceptor) instead. It selects by itself, records the certificate
    /// that the handshake presented, and keeps the sessions of configurations apart.
    ///
    /// A server name that is not a DNS name counts as none. That includes IP addresses, which SNI cannot carry
    /// (RFC 6066 §3).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::{CertificateNames, ConnectionInfo, VirtualHosts};
    ///
    /// # struct Context;
    /// # fn run(www: Arc<Context>, admin: Arc<Context>) -> Result<(), Box<dyn std::error::Error>> {
    /// let hosts = VirtualHosts::builder().host("www.example", www).host("admin.example", admin).build()?;
    ///
    /// // In the handshake:
    /// let selection = hosts.select(Some("www.example")).ok_or("unrecognized_name")?;
    /// let context: &Arc<Context> = selection.config();
    ///
    /// // After the handshake:
    /// let info = ConnectionInfo::tls()
    ///     .selection(selection)
    ///     .certificate_names(CertificateNames::from_sans(["www.example"], []))
    ///     .build();
    /// assert_eq!(info.server_name(), Some("www.example"));
    /// # Ok(())
    /// # }
    /// # run(Arc::new(Context), Arc::new(Context)).unwrap();
    /// ```
    pub fn select(&self, server_name: Option<&str>) -> Option<Selection<C>> {
        self.select_host(read_server_name(server_name), || None)
    }

    /// Like [`select`](Self::select), for a connection whose local address is known. If the client sent no server name,
    /// the virtual host with that address is selected, and the default if there is none.
    ///
    /// Pass the address that the client connected to. If it selected the virtual host, the [`ConnectionInfo`] that gets
    /// the selection also gets the address, with port 0 unless
    /// [`local_addr`](crate::ConnectionInfoBuilder::local_addr) is set too.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::VirtualHosts;
    ///
    /// # struct Context;
    /// # fn run(www: Arc<Context>, address: Arc<Context>) -> Result<(), Box<dyn std::error::Error>> {
    /// let hosts = VirtualHosts::builder().host("www.example", www).host("192.0.2.1", address).build()?;
    ///
    /// let selection = hosts.select_at(None, "192.0.2.1".parse()?).ok_or("unrecognized_name")?;
    /// assert_eq!(selection.virtual_host().id(), "192.0.2.1");
    /// assert!(hosts.select(None).is_none());
    /// # Ok(())
    /// # }
    /// # run(Arc::new(Context), Arc::new(Context)).unwrap();
    /// ```
    ///
    /// [`ConnectionInfo`]: crate::ConnectionInfo
    pub fn select_at(&self, server_name: Option<&str>, local: IpAddr) -> Option<Selection<C>> {
        self.select_host(read_server_name(server_name), || Some(local.to_canonical()))
    }

    /// Selects by a server name that has been read. Without one, `local` is asked for the local address.
    pub(crate) fn select_host(
        &self,
        server_name: Option<Host>,
        local: impl FnOnce() -> Option<IpAddr>,
    ) -> Option<Selection<C>> {
        let server_name = server_name.filter(|name| name.ip().is_none());
        let local = match server_name {
            Some(_) => None,
            None => local(),
        };
        let binding = Binding::new(&self.shared, server_name.as_ref(), local)?;
        Selection::new(binding, server_name, local)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

fn read_server_name(text: Option<&str>) -> Option<Host> {
    text?.parse().ok()
}

#[cfg(feature = "rustls")]
impl VirtualHosts {
    /// Returns the configurations, once for each name.
    #[cfg(feature = "quinn")]
    pub(crate) fn configs(&self) -> Vec<Arc<ServerConfig>> {
        let configs = |map: &super::map::Map| {
            let configs = map.entries().filter_map(VirtualHost::config);
            configs.cloned().collect()
        };
        self.shared.read(configs)
    }

    pub(crate) fn certificates(&self) -> &Arc<crate::certificate::Certificates> {
        &self.shared.certificates
    }
}

impl<C: Send + Sync + 'static> VirtualHostsBuilder<C> {
    /// Builds the virtual hosts.
    ///
    /// # Errors
    ///
    /// Returns [`VirtualHostsError`] if a name or an id occurs twice, a name is invalid, the default does not
    /// exist or is set twice, or there are no virtual hosts at all.
    pub fn build(self) -> Result<VirtualHosts<C>, VirtualHostsError> {
        Ok(VirtualHosts {
            shared: Arc::new(Shared::new(self.map()?)),
            config: PhantomData,
        })
    }
}

impl<C> Clone for VirtualHosts<C> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            config: PhantomData,
        }
    }
}

impl<C> fmt::Debug for VirtualHosts<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.shared.snapshot();
        let names = map.names.iter().map(|(name, _)| name.to_string());
        f.debug_struct("VirtualHosts")
            .field("names", &names.collect::<BTreeSet<_>>())
            .field("default", &map.default)
            .finish()
    }
}
