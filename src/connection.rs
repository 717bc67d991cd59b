//! What a connection is known to be: the facts that the layer judges by and that handlers may read.
//! Acceptors fill it in; anyone else can, for tests and for other TLS stacks.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::certificate::CertificateNames;
use crate::host::{Host, HostRef};
#[cfg(feature = "rustls")]
use crate::virtual_hosts::{Binding, VirtualHost, VirtualHosts};

/// What the server knows about the connection that a request arrived on.
///
/// One cheap clone of a shared value per request. The acceptors of this crate make it from the
/// handshake; [`ConnectionInfo::tls`] and its siblings make it by hand.
///
/// The layer looks for it in the request's extensions: as a `ConnectionInfo` itself, or, with the
/// feature `axum`, inside `ConnectInfo` or `MockConnectInfo`, in that order.
///
/// ```
/// use tower_misdirected::{CertificateNames, ConnectionInfo, TlsVersion};
///
/// let info = ConnectionInfo::tls()
///     .server_name("app.example")
///     .certificate_names(CertificateNames::from_sans(["app.example", "api.example"], []))
///     .alpn("h2")
///     .tls_version(TlsVersion::V1_3)
///     .peer_addr("192.0.2.7:50000".parse()?)
///     .build();
/// assert_eq!(info.server_name(), Some("app.example"));
/// assert!(info.is_tls());
/// # Ok::<_, std::net::AddrParseError>(())
/// ```
#[derive(Clone)]
pub struct ConnectionInfo(Arc<Facts>);

/// All of it, for acceptors, which fill it in where it is: a builder is copied by each of its methods.
pub(crate) struct Facts {
    security: Security,
    server_name: Option<Host>,
    pub(crate) certificate_names: CertificateNames,
    /// Whether those names cover the server name, or might since nobody knows them.
    covers_server_name: bool,
    pub(crate) alpn: Option<Box<[u8]>>,
    pub(crate) tls_version: Option<TlsVersion>,
    pub(crate) peer_addr: Option<SocketAddr>,
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) client_certificates: Box<[Box<[u8]>]>,
    #[cfg(feature = "rustls")]
    pub(crate) binding: Option<Binding>,
}

impl Facts {
    pub(crate) fn new(security: Security) -> Self {
        Self {
            security,
            server_name: None,
            certificate_names: CertificateNames::unknown(),
            covers_server_name: false,
            alpn: None,
            tls_version: None,
            peer_addr: None,
            local_addr: None,
            client_certificates: Box::default(),
            #[cfg(feature = "rustls")]
            binding: None,
        }
    }

    /// An IP address counts as none.
    pub(crate) fn set_server_name(&mut self, name: Option<Host>) {
        self.server_name = name.filter(|name| name.ip().is_none());
    }

    pub(crate) fn into_info(mut self) -> ConnectionInfo {
        if let Some(name) = &self.server_name {
            self.covers_server_name = self.certificate_names.covers(name).unwrap_or(true);
        }
        ConnectionInfo(Arc::new(self))
    }
}

/// Who, if anyone, terminated TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Plaintext,
    /// A plaintext hop from a gateway that terminated TLS and that the operator vouches for.
    TrustedGateway,
    Tls,
}

impl ConnectionInfo {
    /// A TLS connection to this server.
    ///
    /// Without [`certificate_names`](ConnectionInfoBuilder::certificate_names) they are unknown, and
    /// the layer serves the server name only.
    pub fn tls() -> ConnectionInfoBuilder {
        ConnectionInfoBuilder::new(Security::Tls)
    }

    /// A connection without TLS. The layer answers 421 to an `https` request on it (RFC 9110 §7.4).
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// let info = ConnectionInfo::plaintext().build();
    /// assert!(!info.is_tls() && info.server_name().is_none());
    /// ```
    pub fn plaintext() -> ConnectionInfoBuilder {
        ConnectionInfoBuilder::new(Security::Plaintext)
    }

    /// A connection without TLS from a gateway that terminated TLS for the client: `https` requests
    /// are at home on it.
    ///
    /// # Security
    ///
    /// Only for peers that the operator controls and that strangers cannot pose as. The gateway is
    /// then the one who must have matched the client's connection with the authority.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// let info = ConnectionInfo::trusted_gateway().build();
    /// assert!(info.is_trusted_gateway() && !info.is_tls());
    /// ```
    pub fn trusted_gateway() -> ConnectionInfoBuilder {
        ConnectionInfoBuilder::new(Security::TrustedGateway)
    }

    /// Whether TLS ends at this server.
    pub fn is_tls(&self) -> bool {
        self.0.security == Security::Tls
    }

    /// Whether this is a plaintext hop from a gateway that terminated TLS.
    pub fn is_trusted_gateway(&self) -> bool {
        self.0.security == Security::TrustedGateway
    }

    /// The DNS name in the ClientHello (SNI, RFC 6066 §3), lower case, without a trailing dot.
    ///
    /// `None` without TLS, and where the client sent none or an IP address, which SNI cannot carry.
    pub fn server_name(&self) -> Option<&str> {
        self.0.server_name.as_ref().and_then(Host::name)
    }

    /// The names of the certificate that this connection's handshake presented. Unknown without TLS.
    ///
    /// A handshake that resumes a session presents none: then they are those of the certificate that it
    /// would have presented, the current one, which may have been renewed since the session began.
    pub fn certificate_names(&self) -> &CertificateNames {
        &self.0.certificate_names
    }

    /// The application protocol that the handshake agreed on (ALPN, RFC 7301), such as `h2`.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.0.alpn.as_deref()
    }

    /// The TLS version in use.
    pub fn tls_version(&self) -> Option<TlsVersion> {
        self.0.tls_version
    }

    /// The address of the other end of the connection: the client, or a proxy before it.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr
    }

    /// The address of this end of the connection.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr
    }

    /// The client's certificate chain in DER as it sent it, its own certificate first. Empty where the
    /// client showed none.
    ///
    /// # Security
    ///
    /// The handshake has verified the first one, and that it leads to a trusted root. Any other may be
    /// unrelated and forged: read nothing from it.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// let info = ConnectionInfo::tls().client_certificates([b"DER"]).build();
    /// let own: Option<&[u8]> = info.client_certificates().next();
    /// assert_eq!(own, Some(&b"DER"[..]));
    /// ```
    pub fn client_certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.client_certificates.iter().map(|der| &**der)
    }

    /// The virtual host that this connection's handshake matched; `None` where the server has no
    /// [`VirtualHosts`].
    ///
    /// A request on a coalesced connection may be for another one; see [`VirtualHosts::get`].
    #[cfg(feature = "rustls")]
    pub fn virtual_host(&self) -> Option<&VirtualHost> {
        self.binding()?.virtual_host()
    }

    #[cfg(feature = "rustls")]
    #[inline]
    pub(crate) fn binding(&self) -> Option<&Binding> {
        self.0.binding.as_ref()
    }

    #[inline]
    pub(crate) fn security(&self) -> Security {
        self.0.security
    }

    #[inline]
    pub(crate) fn server_name_host(&self) -> Option<&Host> {
        self.0.server_name.as_ref()
    }

    /// Whether the certificate covers the host. Where nobody knows its names, it is taken to cover the
    /// server name.
    #[inline]
    pub(crate) fn covers(&self, host: &HostRef<'_>, is_server_name: bool) -> bool {
        match is_server_name {
            true => self.0.covers_server_name,
            false => self.0.certificate_names.cover(host).unwrap_or(false),
        }
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ConnectionInfo");
        #[cfg(feature = "rustls")]
        debug.field("virtual_host", &self.virtual_host());
        debug
            .field("security", &self.0.security)
            .field("server_name", &self.server_name())
            .field("certificate_names", &self.0.certificate_names)
            .field("alpn", &self.alpn().map(String::from_utf8_lossy))
            .field("tls_version", &self.0.tls_version)
            .field("peer_addr", &self.0.peer_addr)
            .field("local_addr", &self.0.local_addr)
            .field("client_certificates", &self.0.client_certificates.len())
            .finish()
    }
}

/// Makes a [`ConnectionInfo`] by hand; see [`ConnectionInfo::tls`].
///
/// ```
/// use tower_misdirected::{ConnectionInfo, TlsVersion};
///
/// let info = ConnectionInfo::tls()
///     .server_name("app.example")
///     .alpn("http/1.1")
///     .tls_version(TlsVersion::V1_2)
///     .local_addr("127.0.0.1:443".parse()?)
///     .build();
/// assert_eq!(info.alpn(), Some(&b"http/1.1"[..]));
/// # Ok::<_, std::net::AddrParseError>(())
/// ```
#[must_use]
pub struct ConnectionInfoBuilder {
    facts: Facts,
    /// Those that are to accept it when it is built.
    #[cfg(feature = "rustls")]
    virtual_hosts: Option<VirtualHosts>,
}

impl ConnectionInfoBuilder {
    fn new(security: Security) -> Self {
        Self {
            facts: Facts::new(security),
            #[cfg(feature = "rustls")]
            virtual_hosts: None,
        }
    }

    /// Sets the server name of the ClientHello. A text that is no DNS name, an IP address among
    /// others, counts as none: SNI cannot carry it (RFC 6066 §3).
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// let info = ConnectionInfo::tls().server_name("App.Example").build();
    /// assert_eq!(info.server_name(), Some("app.example"));
    /// let info = ConnectionInfo::tls().server_name(None).build();
    /// assert_eq!(info.server_name(), None);
    /// ```
    pub fn server_name<'a>(mut self, name: impl Into<Option<&'a str>>) -> Self {
        let name = name.into().and_then(|name| name.parse().ok());
        self.facts.set_server_name(name);
        self
    }

    /// Sets the names of the certificate that the handshake presented.
    pub fn certificate_names(mut self, names: CertificateNames) -> Self {
        self.facts.certificate_names = names;
        self
    }

    /// Sets the application protocol that the handshake agreed on.
    pub fn alpn(mut self, protocol: impl AsRef<[u8]>) -> Self {
        self.facts.alpn = Some(protocol.as_ref().into());
        self
    }

    /// Sets the TLS version.
    pub fn tls_version(mut self, version: TlsVersion) -> Self {
        self.facts.tls_version = Some(version);
        self
    }

    /// Sets the address of the other end of the connection.
    pub fn peer_addr(mut self, addr: SocketAddr) -> Self {
        self.facts.peer_addr = Some(addr);
        self
    }

    /// Sets the address of this end of the connection.
    pub fn local_addr(mut self, addr: SocketAddr) -> Self {
        self.facts.local_addr = Some(addr);
        self
    }

    /// Sets the client's certificate chain in DER, its own certificate first. Give it only where the
    /// handshake has verified that one.
    pub fn client_certificates<I>(mut self, chain: I) -> Self
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        self.facts.client_certificates = chain.into_iter().map(|der| der.as_ref().into()).collect();
        self
    }

    /// Makes it a connection that these virtual hosts accept, as they are when it is built, for its
    /// server name.
    ///
    /// Where they would refuse the handshake, no host is servable under
    /// [`Coalescing::SameTlsConfig`](crate::Coalescing::SameTlsConfig).
    ///
    /// ```
    /// use tower_misdirected::{CertificateNames, ConnectionInfo, VirtualHosts};
    ///
    /// fn connection_for_www(hosts: &VirtualHosts) -> ConnectionInfo {
    ///     ConnectionInfo::tls()
    ///         .server_name("www.example")
    ///         .certificate_names(CertificateNames::from_sans(["www.example"], []))
    ///         .virtual_hosts(hosts)
    ///         .build()
    /// }
    /// ```
    #[cfg(feature = "rustls")]
    pub fn virtual_hosts(mut self, hosts: &VirtualHosts) -> Self {
        self.virtual_hosts = Some(hosts.clone());
        self
    }

    #[cfg(feature = "quinn")]
    pub(crate) fn binding(mut self, binding: Option<Binding>) -> Self {
        self.facts.binding = binding;
        self
    }

    /// Makes the info.
    #[cfg_attr(not(feature = "rustls"), expect(unused_mut))]
    pub fn build(mut self) -> ConnectionInfo {
        #[cfg(feature = "rustls")]
        if let Some(hosts) = &self.virtual_hosts {
            self.facts.binding = Some(Binding::new(hosts, self.facts.server_name.as_ref()));
        }
        self.facts.into_info()
    }
}

impl fmt::Debug for ConnectionInfoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfoBuilder")
            .finish_non_exhaustive()
    }
}

/// A version of TLS. Written as its number: `1.3`.
///
/// ```
/// assert_eq!(tower_misdirected::TlsVersion::V1_3.to_string(), "1.3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.0 (RFC 2246), deprecated by RFC 8996.
    V1_0,
    /// TLS 1.1 (RFC 4346), deprecated by RFC 8996.
    V1_1,
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        })
    }
}
