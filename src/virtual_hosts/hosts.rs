//! The public handle to virtual hosts. The shared state lives in `shared`, and building lives in `builder`.

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

/// A map from host names to TLS configurations.
///
/// `C` is the type of a configuration: `rustls::ServerConfig`, or the context of another TLS stack. Virtual hosts only
/// compare configurations, either by their `Arc` or by an [id](VirtualHostsBuilder::config_id).
///
/// The acceptor looks up the server name of each handshake, and the layer looks up the host of each request in the same
/// map. An exact name matches before `*.example.com` (one label), then the longest `**.example.com` (one or more
/// labels), then the default. At [`Coalescing::SameTlsConfig`], the layer's default level, the layer serves a request
/// only if both look-ups give the same configuration. So hosts with the same `Arc` or the same id may share
/// connections, and other hosts may not.
///
/// If a client sends no server name, or a server name that matches nothing, the handshake uses the default. Without a
/// default, the handshake is refused with the alert `unrecognized_name` (RFC 6066 §3).
///
/// With rustls, pass virtual hosts to a [`TlsAcceptor`](crate::TlsAcceptor) or a
/// [`TlsListener`](crate::TlsListener). With another TLS stack, call [`select`](Self::select) when the ClientHello has
/// arrived; [`guide::other_tls_stacks`](crate::guide::other_tls_stacks) has a tested recipe.
///
/// ```
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
///     .host("admin.example.com", mutual_tls) // requires client certificates
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
/// Clones are handles to the same virtual hosts. [`replace`](Self::replace) changes the virtual hosts of every clone at
/// once. The layer then judges requests on open connections by the new virtual hosts.
///
/// If the configuration of a host changes, the connections that were opened for that host become outdated: the layer
/// answers 421 to requests for the host, and over HTTP/2 [`TlsStream`](crate::TlsStream) ends the connection. For other
/// protocols, see [`guide::changing`](crate::guide::changing#outdated-connections). Hosts whose
/// configuration keeps its `Arc` or its [id](VirtualHostsBuilder::config_id) are not affected.
///
/// To renew a certificate, keep the configuration and replace the certificate inside its resolver. A renewal causes no
/// 421.
///
/// # Client certificates
///
/// If the configuration of a host requires client certificates, a request for that host reaches the inner service only
/// on a connection with a client certificate. This holds for every connection that these virtual hosts accepted:
///
/// - The layer refuses a coalesced request if the connection was accepted under another configuration.
/// - A session resumes only under the configuration under which it began, even if configurations share a session store
///   or a ticketer. 0-RTT data belongs to a resumed session.
/// - After a replacement, the layer judges open connections by the new virtual hosts.
///
/// [`ConnectionInfo::client_certificates`](crate::ConnectionInfo::client_certificates) returns the verified
/// certificate.
///
/// Four conditions are your part:
///
/// - The layer uses [`Coalescing::SameTlsConfig`] or a stricter level, and is not
///   [report-only](crate::MisdirectedLayer::report_only).
/// - If plaintext connections reach the same service, the layer has
///   [`require_tls`](crate::MisdirectedLayer::require_tls).
/// - The service does not run behind TLS listeners without these virtual hosts.
/// - No configuration that accepts clients without a certificate has the same [id](VirtualHostsBuilder::config_id).
///
/// Without an [id](VirtualHostsBuilder::config_id), a session resumes only in the same process. A ticket from another
/// process leads to a full handshake, even with a shared ticketer. With an id, a session resumes in every process whose
/// configuration has the same id. TCP and QUIC resume each other's sessions if both use the same `Arc<ServerConfig>` or
/// the same id.
///
/// All statements about sessions are about rustls. Another TLS stack must keep sessions apart itself, as the
/// [recipe](crate::guide::other_tls_stacks) does.
///
/// # IP addresses
///
/// SNI cannot carry an address (RFC 6066 §3), so a handshake for `https://192.0.2.1/` has no server name. The acceptor
/// looks up the local address of the connection instead, which is the address that the client connected to. If no entry
/// has this address, the handshake uses the default. A request for an address matches the entry with that address. So
/// an entry `192.0.2.1` can have its own configuration, for example with client certificates.
///
/// Over QUIC, the local address is unknown during the handshake, so a handshake without a server name uses the default.
/// If a proxy or a NAT is in front of the server, clients connect to another address than the local address. Give the
/// virtual host both addresses then: the local address matches handshakes, and the public address matches requests.
///
/// [`Coalescing::SameTlsConfig`]: crate::Coalescing::SameTlsConfig
pub struct VirtualHosts<C = ServerConfig> {
    shared: Arc<Shared>,
    /// The type of all configurations.
    config: PhantomData<fn(C) -> C>,
}

impl<C: Send + Sync + 'static> VirtualHosts<C> {
    /// Returns a builder without virtual hosts.
    pub fn builder() -> VirtualHostsBuilder<C> {
        VirtualHostsBuilder::new()
    }

    /// Atomically replaces the virtual hosts for every clone.
    ///
    /// A replacement takes time in proportion to the number of hosts. Requests and handshakes do not wait for it, and
    /// it does not wait for them. Concurrent replacements run one after the other.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`VirtualHostsBuilder::build`]. The current virtual hosts then stay unchanged.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rustls::ServerConfig;
    /// use tower_misdirected::{VirtualHosts, VirtualHostsError};
    ///
    /// fn reload(
    ///     hosts: &VirtualHosts, // a clone of the virtual hosts of the acceptor
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

    /// Returns the virtual host that currently matches a request for `host`, or `None` if there is no match and no
    /// default.
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

    /// Selects the virtual host for a handshake with or without a server name. If this returns `None`, refuse the
    /// handshake with the alert `unrecognized_name` (RFC 6066 §3).
    ///
    /// Call this method *during* the handshake, when the ClientHello has arrived. Run the whole handshake under the
    /// selected [configuration](Selection::config), including the session look-up; `set_ssl_context` of OpenSSL is not
    /// enough for this. After the handshake, pass the selection to
    /// [`ConnectionInfoBuilder::selection`](crate::ConnectionInfoBuilder::selection). The layer then knows the
    /// configuration that accepted the connection, even if the virtual hosts have been replaced in the meantime.
    ///
    /// With rustls, use a [`TlsAcceptor`](crate::TlsAcceptor) instead. It calls this method, records the certificate
    /// that the handshake presented, and keeps the sessions of different configurations apart.
    ///
    /// A server name that is not a DNS name counts as no server name. This includes IP addresses, which SNI cannot
    /// carry (RFC 6066 §3).
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

    /// Selects the virtual host like [`select`](Self::select), for a connection whose local address is known. If the
    /// client sent no server name, this method selects the virtual host with the local address, or else the default.
    ///
    /// Pass the address that the client connected to. If the address selected the virtual host, it becomes the local
    /// address of the [`ConnectionInfo`] built from the selection. The port is 0, unless
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

    /// Selects by a parsed server name. Without a server name, calls `local` for the local address.
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
    /// Returns the configuration of each name.
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
    /// Returns [`VirtualHostsError`] if the builder is empty, or if a name, a virtual host's id, the default or the id
    /// of a configuration is invalid or duplicated. Each variant describes one mistake.
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
