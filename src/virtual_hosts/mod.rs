//! Virtual hosts: which TLS configuration serves which name. One matcher answers for the handshake and
//! for every request after it, so that the two cannot disagree.

mod builder;
mod error;
mod overlaps;
mod probe;

use std::collections::BTreeSet;
use std::fmt;
#[cfg(feature = "tracing")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use rustls::ServerConfig;

pub use self::builder::VirtualHostsBuilder;
pub use self::error::{InvalidName, VirtualHostsError};
pub use self::overlaps::Overlap;
use crate::acceptor::{Certificates, Sessions};
use crate::host::{Host, HostRef};
use crate::names::NameMap;
use crate::rejection::Rejection;
use crate::verdict::Coalescing;

/// TLS configurations by host name.
///
/// The server name of a ClientHello chooses the configuration of the handshake, and the host of a
/// request is looked up in the same way: an exact name before a wildcard, which stands for one label,
/// before the default. Under [`Coalescing::SameTlsConfig`], the layer's default, a request is served
/// where both look-ups give the same `Arc<ServerConfig>`. So hosts that share one coalesce, and all
/// others are kept apart.
///
/// A [`TlsAcceptor`](crate::TlsAcceptor) is made from it. A client without a server name, or with one
/// that nothing matches, gets the default; without a default its handshake is refused with the alert
/// `unrecognized_name` (RFC 6066 §3).
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
/// # Changing them while serving
///
/// Clones are handles to the same virtual hosts. [`replace`](Self::replace) changes them for all at
/// once, and requests on open connections are judged by what it put there: a host whose configuration
/// is another one now answers 421 on old connections until they end. Not every client leaves them by
/// itself: see [`guide::clients`](crate::guide::clients). Hosts that kept their `Arc<ServerConfig>`
/// notice nothing.
///
/// To renew a certificate leave the configuration as it is and renew inside its certificate resolver;
/// that causes no 421 at all.
///
/// # Client certificates
///
/// Where a host's configuration requires client certificates, no request for it on a connection that
/// these virtual hosts accepted reaches the inner service without one: not by coalescing, since the
/// host's configuration is another; not by resumption, since sessions are bound to the configuration that
/// they began under, even where configurations share a session store or a ticketer; not by 0-RTT data,
/// which come under a resumed session; and not by a change of the virtual hosts, since open connections
/// are judged by the new ones. [`ConnectionInfo`] has the certificate, verified.
///
/// That is so at [`Coalescing::SameTlsConfig`] and above. A [report-only] layer refuses nothing. And it
/// is so for these connections: if the same service is also served on plaintext, add
/// [`require_tls`], and serve it on no TLS listener without these virtual hosts.
///
/// The binding of sessions lasts as long as the process: a ticket from another process, by a ticketer
/// that they share, leads to a full handshake. Virtual hosts that were built twice are apart too; TCP and
/// QUIC resume each other's sessions where both have clones of one.
///
/// # IP addresses
///
/// SNI cannot carry one (RFC 6066 §3), so `https://192.0.2.1/` is served under the default. A request
/// for an address matches the entry with that address, if there is one; give it the default's
/// configuration.
///
/// [`ConnectionInfo`]: crate::ConnectionInfo
/// [report-only]: crate::MisdirectedLayer::report_only
/// [`require_tls`]: crate::MisdirectedLayer::require_tls
#[derive(Clone)]
pub struct VirtualHosts(Arc<Shared>);

struct Shared {
    current: RwLock<Arc<Map>>,
    /// How often `current` has been replaced. Changes while it is locked.
    generation: AtomicU64,
    /// Held while a new map is made from the current one.
    replacing: Mutex<()>,
    certificates: Arc<Certificates>,
    #[cfg(feature = "tracing")]
    warned: AtomicBool,
}

/// One that there never is.
const NO_GENERATION: u64 = u64::MAX;

struct Map {
    names: NameMap<VirtualHost>,
    default: Option<VirtualHost>,
}

impl Map {
    #[inline]
    fn get(&self, host: &HostRef<'_>) -> Option<&VirtualHost> {
        self.names.get(host).or(self.default.as_ref())
    }

    /// Every entry, once for each of its names.
    fn entries(&self) -> impl Iterator<Item = &VirtualHost> {
        self.names.values().chain(&self.default)
    }
}

/// An entry of [`VirtualHosts`]: some names and the TLS configuration that serves them.
///
/// ```
/// use std::sync::Arc;
/// use rustls::ServerConfig;
/// use tower_misdirected::{VirtualHosts, VirtualHostsError};
///
/// fn example(config: Arc<ServerConfig>) -> Result<(), VirtualHostsError> {
///     let hosts = VirtualHosts::builder()
///         .virtual_host("site", ["example.com", "*.example.com"], config)
///         .build()?;
///     let host = hosts.get(&"www.example.com".parse().unwrap()).unwrap();
///     assert_eq!(host.id(), "site");
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct VirtualHost(Arc<Entry>);

struct Entry {
    id: Box<str>,
    config: Arc<ServerConfig>,
    sessions: Arc<Sessions>,
}

impl VirtualHost {
    /// What the builder was told to call it: an id of its own, the name where it has a single one, or
    /// `default`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its TLS configuration.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.0.config
    }

    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.0.sessions
    }
}

impl fmt::Debug for VirtualHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualHost").field(&self.id()).finish()
    }
}

impl VirtualHosts {
    /// Begins with no virtual host at all.
    pub fn builder() -> VirtualHostsBuilder {
        VirtualHostsBuilder::new()
    }

    fn new(map: Map) -> Self {
        Self(Arc::new(Shared {
            current: RwLock::new(Arc::new(map)),
            generation: AtomicU64::new(0),
            replacing: Mutex::new(()),
            certificates: Arc::new(Certificates::new()),
            #[cfg(feature = "tracing")]
            warned: AtomicBool::new(false),
        }))
    }

    /// Puts what the builder has in place of the present virtual hosts, at once for all handles.
    ///
    /// Handshakes and requests that have begun are not waited for. The cost is that of building: it
    /// grows with the number of hosts, and requests do not wait for it.
    ///
    /// # Errors
    ///
    /// As [`VirtualHostsBuilder::build`]. Then the present virtual hosts stay.
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
        // Dropped last, for what is in it may have a `drop` that comes back here.
        let present;
        let replacing = self.0.replacing.lock();
        let _replacing = replacing.unwrap_or_else(PoisonError::into_inner);
        present = self.current().clone();
        let next = Arc::new(hosts.map(Some(&present))?);
        let current = self.0.current.write();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        *current = next;
        self.0.generation.fetch_add(1, Release);
        Ok(())
    }

    /// The virtual host that matches a request for `host` at present.
    ///
    /// ```
    /// use axum::extract::State;
    /// use tower_misdirected::{EffectiveAuthority, VirtualHosts};
    ///
    /// async fn which(State(hosts): State<VirtualHosts>, authority: EffectiveAuthority) -> String {
    ///     match hosts.get(authority.host()) {
    ///         Some(host) => host.id().to_owned(),
    ///         None => "nobody's".to_owned(),
    ///     }
    /// }
    /// # let _: axum::routing::MethodRouter<VirtualHosts> = axum::routing::get(which);
    /// ```
    pub fn get(&self, host: &Host) -> Option<VirtualHost> {
        self.current().get(&host.as_ref()).cloned()
    }

    /// The configurations, once for each name.
    #[cfg(feature = "quinn")]
    pub(crate) fn configs(&self) -> Vec<Arc<ServerConfig>> {
        let map = self.current();
        map.entries().map(|host| host.config().clone()).collect()
    }

    pub(crate) fn certificates(&self) -> &Arc<Certificates> {
        &self.0.certificates
    }

    fn current(&self) -> RwLockReadGuard<'_, Arc<Map>> {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for VirtualHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.current().clone();
        let names = map.names.iter().map(|(name, _)| name.to_string());
        f.debug_struct("VirtualHosts")
            .field("names", &names.collect::<BTreeSet<_>>())
            .field("default", &map.default)
            .finish()
    }
}

/// The virtual hosts that accepted a connection, and the one of them that its handshake matched.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    hosts: VirtualHosts,
    /// `None` only in a connection made by hand that would have been refused.
    accepted_by: Option<VirtualHost>,
    /// That of the virtual hosts when one of them accepted it.
    generation: u64,
}

impl Binding {
    /// Of a handshake with this server name, or with none.
    pub(crate) fn new(hosts: &VirtualHosts, server_name: Option<&Host>) -> Self {
        let map = hosts.current();
        let accepted_by = match server_name {
            Some(host) => map.get(&host.as_ref()),
            None => map.default.as_ref(),
        };
        Self {
            hosts: hosts.clone(),
            accepted_by: accepted_by.cloned(),
            generation: match accepted_by {
                Some(_) => hosts.0.generation.load(Acquire),
                None => NO_GENERATION,
            },
        }
    }

    pub(crate) fn virtual_host(&self) -> Option<&VirtualHost> {
        self.accepted_by.as_ref()
    }

    /// Whether the host's virtual host, as of now, is as good as the one that accepted the connection.
    #[inline]
    pub(crate) fn judge(
        &self,
        host: &HostRef<'_>,
        is_server_name: bool,
        level: Coalescing,
    ) -> Result<(), Rejection> {
        // The server name has been looked up by the handshake, and would be found again.
        let unchanged = self.hosts.0.generation.load(Acquire) == self.generation;
        if level < Coalescing::SameTlsConfig || is_server_name && unchanged {
            return Ok(());
        }
        self.look_up(host, level)
    }

    fn look_up(&self, host: &HostRef<'_>, level: Coalescing) -> Result<(), Rejection> {
        let map = self.hosts.current();
        let matching = map.get(host).ok_or(Rejection::UnknownHost)?;
        let Some(accepted_by) = &self.accepted_by else {
            return Err(Rejection::DifferentTlsConfig);
        };
        if !Arc::ptr_eq(matching.config(), accepted_by.config()) {
            return Err(Rejection::DifferentTlsConfig);
        }
        if level >= Coalescing::SameVirtualHost && matching.id() != accepted_by.id() {
            return Err(Rejection::OtherVirtualHost);
        }
        Ok(())
    }
}
