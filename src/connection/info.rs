//! The public `ConnectionInfo`: the facts about a connection, for the layer and for handlers. Building one by hand
//! lives in `builder`, and outdated connections live in `outdated`.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::canonical::canonical;
use super::facts::{Facts, Flag, Security};
use super::tls_version::TlsVersion;
use super::unread::Unread;
use crate::certificate::CertificateNames;
use crate::host::{Host, Sought};
use crate::virtual_hosts::{Binding, Relation, VirtualHost};

/// The facts that the server knows about the connection of a request.
///
/// The acceptors of this crate create it from the handshake. For tests and for other TLS stacks, build it by hand with
/// [`ConnectionInfo::tls`], [`plaintext`](ConnectionInfo::plaintext) or
/// [`trusted_gateway`](ConnectionInfo::trusted_gateway). A clone only increments a reference count.
///
/// The layer looks in the extensions of a request: first for a `ConnectionInfo`, then, with the feature `axum`, for a
/// `ConnectInfo<ConnectionInfo>` or a `MockConnectInfo<ConnectionInfo>`.
///
/// ```
/// use tower_misdirected::{CertificateNames, ConnectionInfo, TlsVersion};
///
/// let info = ConnectionInfo::tls()
///     .server_name("app.example")
///     .certificate_names(CertificateNames::from_sans(["app.example", "api.example"], []))
///     .single_tls_config()
///     .alpn("h2")
///     .tls_version(TlsVersion::V1_3)
///     .peer_addr("192.0.2.7:50000".parse()?)
///     .build();
/// assert_eq!(info.server_name(), Some("app.example"));
/// assert!(info.is_tls());
/// # Ok::<_, std::net::AddrParseError>(())
/// ```
#[derive(Clone)]
pub struct ConnectionInfo(pub(super) Arc<Facts>);

impl ConnectionInfo {
    pub(crate) fn new(mut facts: Facts) -> Self {
        facts.peer_addr = facts.peer_addr.map(canonical);
        facts.local_addr = facts.local_addr.map(canonical);
        if let Some(name) = &facts.server_name {
            let covers = facts.certificate_names.covers(name).unwrap_or(true);
            facts.set(Flag::CoversServerName, covers);
        }
        let doubtful = facts.is(Flag::OddServerName) && !facts.is(Flag::SingleTlsConfig);
        facts.set(Flag::DoubtfulTlsConfig, doubtful);
        Self(Arc::new(facts))
    }

    /// Returns whether this server terminates TLS on the connection.
    pub fn is_tls(&self) -> bool {
        self.0.security == Security::Tls
    }

    /// Returns whether this is a plaintext connection that was built by [`trusted_gateway`](Self::trusted_gateway). The
    /// setting [`MisdirectedLayer::gateway`](crate::MisdirectedLayer::gateway) does not change the value.
    pub fn is_trusted_gateway(&self) -> bool {
        self.0.security == Security::TrustedGateway
    }

    /// Returns the DNS name in the ClientHello (SNI, RFC 6066 §3), in lower case and without a trailing dot.
    ///
    /// Returns `None` if the client sent no name, or sent an IP address, which SNI cannot carry.
    pub fn server_name(&self) -> Option<&str> {
        self.0.server_name.as_ref().and_then(Host::name)
    }

    /// Returns the names of the certificate that this connection's handshake presented. Without TLS, the names are
    /// unknown.
    ///
    /// A handshake that resumes a session presents no certificate. For such a connection, the names are the names of
    /// the certificate that a full handshake would have presented. The certificate may have been renewed since the
    /// session began.
    pub fn certificate_names(&self) -> &CertificateNames {
        &self.0.certificate_names
    }

    /// Returns the application protocol that the handshake negotiated (ALPN, RFC 7301), such as `h2`. Returns `None` if
    /// the handshake negotiated none.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.0.alpn.as_deref()
    }

    /// Returns the TLS version of the connection, or `None` without TLS or if it is unknown.
    pub fn tls_version(&self) -> Option<TlsVersion> {
        self.0.tls_version
    }

    /// Returns the address of the other end of the connection: the client, or a proxy in front of the server.
    ///
    /// For an IPv4 peer, this is always an IPv4 address: if a listener on `[::]` reports `::ffff:192.0.2.7`, this
    /// method returns `192.0.2.7`. Returns `None` if the address is unknown, such as for a Unix socket.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// let info = ConnectionInfo::plaintext().peer_addr("[::ffff:192.0.2.7]:50000".parse()?).build();
    /// assert_eq!(info.peer_addr(), Some("192.0.2.7:50000".parse()?));
    /// # Ok::<_, std::net::AddrParseError>(())
    /// ```
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr
    }

    /// Returns the address of the client: the address that a gateway reported, or else the
    /// [`peer_addr`](Self::peer_addr). For an IPv4 client, this is always an IPv4 address.
    ///
    /// Use it in logs, rate limits and handlers. Neither the verdict nor the trust in a gateway depends on it.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// let info = ConnectionInfo::trusted_gateway().peer_addr("10.0.0.1:50000".parse()?);
    /// assert_eq!(info.build().client_addr(), Some("10.0.0.1:50000".parse()?));
    /// let info = ConnectionInfo::trusted_gateway()
    ///     .peer_addr("10.0.0.1:50000".parse()?)
    ///     .client_addr("192.0.2.7:49152".parse()?);
    /// assert_eq!(info.build().client_addr(), Some("192.0.2.7:49152".parse()?));
    /// # Ok::<_, std::net::AddrParseError>(())
    /// ```
    pub fn client_addr(&self) -> Option<SocketAddr> {
        let told = self.0.client.as_ref().and_then(|client| client.addr);
        told.or(self.0.peer_addr)
    }

    /// Returns the address of this end of the connection. Over IPv4, this is always an IPv4 address, like
    /// [`peer_addr`](Self::peer_addr).
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr
    }

    /// Returns the certificate chain that the client sent, in DER, starting with the client's own certificate. The
    /// chain is empty if the client sent no certificate.
    ///
    /// # Security
    ///
    /// The handshake verified only the first certificate. The other certificates may be unrelated or forged, so do not
    /// rely on them. If the connection [resumed](Self::resumed) a session, the first handshake of the session did the
    /// verification.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// let info = ConnectionInfo::tls().client_certificates([b"DER"]).build();
    /// let own: Option<&[u8]> = info.client_certificates().next();
    /// assert_eq!(own, Some(&b"DER"[..]));
    /// ```
    pub fn client_certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let chain: &[_] = match &self.0.client {
            Some(client) => &client.certificates,
            None => &[],
        };
        chain.iter().map(|der| &**der)
    }

    /// Returns whether the handshake resumed a session. Over QUIC, this includes handshakes with 0-RTT data.
    ///
    /// A resumed handshake presents no server certificate and does not verify the client's certificate again. The
    /// client's certificate may have expired or been revoked in the meantime. The [guide] explains how to turn
    /// resumption off.
    ///
    /// [guide]: crate::guide::client_certificates#client-certificates-over-time
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// async fn transfer(connection: ConnectionInfo) -> Result<&'static str, StatusCode> {
    ///     match connection.resumed() {
    ///         true => Err(StatusCode::FORBIDDEN), // or look the certificate up in a revocation list
    ///         false => Ok("transferred"),
    ///     }
    /// }
    /// # let _: axum::routing::MethodRouter = axum::routing::get(transfer);
    /// ```
    pub fn resumed(&self) -> bool {
        self.0.is(Flag::Resumed)
    }

    /// Returns the virtual host that this connection's handshake matched, or `None` if the server has no
    /// [`VirtualHosts`](crate::VirtualHosts).
    ///
    /// On a coalesced connection, a request may be for another virtual host. To look up the virtual host of a request,
    /// use [`VirtualHosts::get`](crate::VirtualHosts::get).
    pub fn virtual_host(&self) -> Option<&VirtualHost> {
        self.0.binding.as_ref().map(Binding::virtual_host)
    }

    /// Looks up the host in the current state of the virtual hosts that accepted the connection.
    #[cfg(feature = "tracing")]
    pub(crate) fn virtual_host_of(&self, host: &Sought<'_>) -> Option<VirtualHost> {
        self.0.binding.as_ref()?.virtual_host_of(host)
    }

    /// Tells the stream of the connection that the layer has refused a request.
    pub(crate) fn put_unread(&self, unread: Unread) {
        self.0.unread.put(unread);
    }

    /// Returns the request that the layer has refused since the last call.
    #[cfg(feature = "rustls")]
    #[inline]
    pub(crate) fn take_unread(&self) -> Option<Unread> {
        self.0.unread.take()
    }

    #[inline]
    pub(crate) fn security(&self) -> Security {
        self.0.security
    }

    #[inline]
    pub(crate) fn server_name_host(&self) -> Option<&Host> {
        self.0.server_name.as_ref()
    }

    /// Returns whether the certificate covers the server name. If the names are unknown, it counts as covered.
    #[inline]
    pub(crate) fn covers_server_name(&self) -> bool {
        self.0.is(Flag::CoversServerName)
    }

    /// Returns whether the certificate covers a host that is not the server name. If the names are unknown, no host
    /// counts as covered.
    #[inline]
    pub(crate) fn covers(&self, host: &Sought<'_>) -> bool {
        self.0.certificate_names.cover(host).unwrap_or(false)
    }

    /// Returns the relation of the server name to this connection. Even if the configurations are unknown, the server
    /// name has the configuration of the connection, unless the TLS stack may have looked up another name.
    #[inline]
    pub(crate) fn relation_of_server_name(&self, server_name: &Host) -> Relation {
        match &self.0.binding {
            Some(binding) => binding.relation_of_server_name(server_name),
            None if self.0.is(Flag::DoubtfulTlsConfig) => Relation::OtherConfig,
            None => Relation::SameVirtualHost,
        }
    }

    /// Returns the relation of a host that is not the server name to this connection.
    #[inline]
    pub(crate) fn relation(&self, host: &Sought<'_>) -> Relation {
        match &self.0.binding {
            Some(binding) => binding.relation(host),
            None if self.0.is(Flag::SingleTlsConfig) => Relation::SameVirtualHost,
            None => Relation::OtherConfig,
        }
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo")
            .field("virtual_host", &self.virtual_host())
            .field("single_tls_config", &self.0.is(Flag::SingleTlsConfig))
            .field("security", &self.0.security)
            .field("server_name", &self.server_name())
            .field("certificate_names", &self.0.certificate_names)
            .field("alpn", &self.alpn().map(String::from_utf8_lossy))
            .field("tls_version", &self.0.tls_version)
            .field("peer_addr", &self.0.peer_addr)
            .field("client_addr", &self.client_addr())
            .field("local_addr", &self.0.local_addr)
            .field("client_certificates", &self.client_certificates().len())
            .field("resumed", &self.resumed())
            .finish()
    }
}
