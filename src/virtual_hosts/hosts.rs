//! The public handle to virtual hosts, and replacing them while the server runs. What a map contains lives in
//! `map`, how one is built in `builder`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use super::builder::VirtualHostsBuilder;
use super::error::VirtualHostsError;
use super::map::{Map, VirtualHost};
use crate::certificate::Certificates;
use crate::host::Host;

/// TLS configurations by host name.
///
/// The server name of a ClientHello chooses the configuration of the handshake. The host of a request is
/// looked up in the same way: an exact name before a wildcard, which stands for one label, before the
/// default. Under [`Coalescing::SameTlsConfig`], the layer's default, a request is served if both look-ups
/// give the same `Arc<ServerConfig>`. So hosts that share an `Arc` share connections, and all others are kept
/// apart.
///
/// A [`TlsAcceptor`](crate::TlsAcceptor) is made from virtual hosts. A client without a server name, or with
/// one that nothing matches, gets the default. Without a default the acceptor refuses the handshake with the
/// alert `unrecognized_name` (RFC 6066 §3).
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
/// once. Requests on open connections are judged by the new virtual hosts: if a host has a new
/// configuration, old connections answer 421 for it until they end. Some clients do not end them by
/// themselves; see [`guide::clients`](crate::guide::clients). Hosts that keep their `Arc<ServerConfig>` are
/// not affected.
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
/// handshake. Virtual hosts that were built separately do not resume each other's sessions. TCP and QUIC do,
/// if both have clones of the same virtual hosts.
///
/// # IP addresses
///
/// SNI cannot carry an address (RFC 6066 §3), so a handshake for `https://192.0.2.1/` gets the default. A
/// request for an address matches the entry with that address. Give such an entry the configuration of the
/// default.
///
/// [`Coalescing::SameTlsConfig`]: crate::Coalescing::SameTlsConfig
/// [`ConnectionInfo`]: crate::ConnectionInfo
#[derive(Clone)]
pub struct VirtualHosts(Arc<Shared>);

struct Shared {
    current: RwLock<Arc<Map>>,
    /// How often `current` has been replaced. Changes only while `current` is locked.
    generation: AtomicU64,
    /// Locked while a new map is built from the current one.
    replacing: Mutex<()>,
    certificates: Arc<Certificates>,
}

impl VirtualHosts {
    /// Starts a builder without any virtual host.
    pub fn builder() -> VirtualHostsBuilder {
        VirtualHostsBuilder::new()
    }

    /// Atomically replaces the virtual hosts for every clone.
    ///
    /// Handshakes and requests that have begun are not waited for. Building costs time in proportion to the
    /// number of hosts; requests do not wait for it.
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
    pub fn replace(&self, hosts: VirtualHostsBuilder) -> Result<(), VirtualHostsError> {
        // Dropped last, because a configuration in it may have a `drop` that calls this method.
        let present;
        let replacing = self.0.replacing.lock();
        let _replacing = replacing.unwrap_or_else(PoisonError::into_inner);
        present = self.snapshot();
        let next = Arc::new(hosts.map(Some(&present))?);
        let current = self.0.current.write();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        *current = next;
        self.0.generation.fetch_add(1, Release);
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
        self.read(|map| map.get(&host.as_ref()).cloned())
    }

    /// Returns the virtual host for a handshake with this server name, or without one, and the generation that
    /// it belongs to.
    pub(super) fn accept(&self, server_name: Option<&Host>) -> (Option<VirtualHost>, u64) {
        self.read(|map| {
            let matching = match server_name {
                Some(host) => map.get(&host.as_ref()),
                None => map.default.as_ref(),
            };
            (matching.cloned(), self.generation())
        })
    }

    /// Returns how often these virtual hosts have been replaced.
    #[inline]
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Acquire)
    }

    /// Calls `look_up` with the current map, which cannot be replaced meanwhile.
    #[inline]
    pub(super) fn read<T>(&self, look_up: impl FnOnce(&Map) -> T) -> T {
        look_up(&self.current())
    }

    /// Returns the current map, without keeping it from being replaced.
    pub(super) fn snapshot(&self) -> Arc<Map> {
        self.current().clone()
    }

    /// Returns the configurations, once for each name.
    #[cfg(feature = "quinn")]
    pub(crate) fn configs(&self) -> Vec<Arc<rustls::ServerConfig>> {
        self.read(|map| map.entries().map(|host| host.config().clone()).collect())
    }

    pub(crate) fn certificates(&self) -> &Arc<Certificates> {
        &self.0.certificates
    }

    #[inline]
    fn current(&self) -> RwLockReadGuard<'_, Arc<Map>> {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner)
    }
}

impl VirtualHostsBuilder {
    /// Builds the virtual hosts.
    ///
    /// # Errors
    ///
    /// Returns [`VirtualHostsError`] if a name or an id occurs twice, a name is invalid, the default does not
    /// exist or is set twice, or there are no virtual hosts at all.
    pub fn build(self) -> Result<VirtualHosts, VirtualHostsError> {
        let map = self.map(None)?;
        Ok(VirtualHosts(Arc::new(Shared {
            current: RwLock::new(Arc::new(map)),
            generation: AtomicU64::new(0),
            replacing: Mutex::new(()),
            certificates: Arc::new(Certificates::new()),
        })))
    }
}

impl fmt::Debug for VirtualHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.snapshot();
        let names = map.names.iter().map(|(name, _)| name.to_string());
        f.debug_struct("VirtualHosts")
            .field("names", &names.collect::<BTreeSet<_>>())
            .field("default", &map.default)
            .finish()
    }
}
