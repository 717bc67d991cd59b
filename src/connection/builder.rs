//! The builder of a `ConnectionInfo`, for tests and for TLS stacks other than rustls. The acceptors of this crate fill
//! in `Facts` instead.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::canonical::canonical;
use super::facts::{Facts, Flag, Security};
use super::info::ConnectionInfo;
use super::tls_version::TlsVersion;
use crate::certificate::CertificateNames;
use crate::host::Host;
use crate::virtual_hosts::Selection;

/// Builder of a [`ConnectionInfo`], for tests and for TLS stacks other than rustls. It starts with
/// [`ConnectionInfo::tls`], [`plaintext`](ConnectionInfo::plaintext) or
/// [`trusted_gateway`](ConnectionInfo::trusted_gateway). Every fact that you do not set is unknown.
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
    /// The local address that virtual hosts used for the selection.
    selected_by: Option<IpAddr>,
}

impl ConnectionInfo {
    /// Creates a builder for a TLS connection that ends at this server.
    ///
    /// At the default level, the layer serves only the server name. To serve other hosts too, set the
    /// [`certificate_names`](ConnectionInfoBuilder::certificate_names) and either a
    /// [`selection`](ConnectionInfoBuilder::selection) from virtual hosts or
    /// [`single_tls_config`](ConnectionInfoBuilder::single_tls_config).
    pub fn tls() -> ConnectionInfoBuilder {
        ConnectionInfoBuilder::new(Security::Tls)
    }

    /// Creates a builder for a connection without TLS. The layer answers 421 to an `https` request on it
    /// (RFC 9110 §7.4), except at [`Coalescing::Unchecked`](crate::Coalescing::Unchecked).
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

    /// Creates a builder for a connection without TLS from a gateway that terminated TLS for the client. The layer
    /// serves `https` requests on it.
    ///
    /// If the address of the peer shows that it is a gateway, use [`MisdirectedLayer::gateway`] instead.
    ///
    /// [`MisdirectedLayer::gateway`]: crate::MisdirectedLayer::gateway
    ///
    /// # Security
    ///
    /// Use this only for peers that you control and that nobody else can impersonate. The layer relies on the gateway
    /// to check that the client's connection suits the authority.
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
}

impl ConnectionInfoBuilder {
    fn new(security: Security) -> Self {
        Self {
            facts: Facts::new(security),
            selected_by: None,
        }
    }

    /// Sets the server name of the ClientHello (SNI, RFC 6066 §3). The default is no server name.
    ///
    /// A text that is not a DNS name counts as no server name. This includes IP addresses, which SNI cannot carry.
    /// After [`selection`](Self::selection), this method changes nothing.
    ///
    /// Pass the name exactly as the client sent it. A TLS stack may look up `ADMIN.test.` as another name than
    /// `admin.test`. So without a `selection` or [`single_tls_config`](Self::single_tls_config), the layer serves the
    /// server name only if it was sent in normal form.
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
        // The server name of a selection stays: it is the name that was looked up.
        if self.facts.binding.is_some() {
            return self;
        }
        let text = name.into();
        let name: Option<Host> = text.and_then(|name| name.parse().ok());
        let odd = name.as_ref().and_then(Host::name) != text;
        self.facts.set(Flag::OddServerName, odd);
        self.facts.set_server_name(name);
        self
    }

    /// Sets the names of the certificate that the handshake presented. By default the names are unknown. At the default
    /// level, the layer then serves only the server name.
    pub fn certificate_names(mut self, names: CertificateNames) -> Self {
        self.facts.certificate_names = names;
        self
    }

    /// Sets the application protocol that the handshake negotiated (ALPN, RFC 7301).
    pub fn alpn(mut self, protocol: impl AsRef<[u8]>) -> Self {
        self.facts.alpn = Some(protocol.as_ref().into());
        self
    }

    /// Sets the TLS version.
    pub fn tls_version(mut self, version: TlsVersion) -> Self {
        self.facts.tls_version = Some(version);
        self
    }

    /// Sets the address of the other end of the connection. An IPv4-mapped IPv6 address is recorded as IPv4; see
    /// [`ConnectionInfo::peer_addr`].
    pub fn peer_addr(mut self, addr: SocketAddr) -> Self {
        self.facts.peer_addr = Some(addr);
        self
    }

    /// Sets the address of the client as a gateway reported it; see [`ConnectionInfo::client_addr`].
    pub fn client_addr(mut self, addr: SocketAddr) -> Self {
        self.facts.set_client_addr(addr);
        self
    }

    /// Sets the address of this end of the connection. An IPv4-mapped IPv6 address is recorded as IPv4. If a
    /// [`selection`](Self::selection) was made by an IP address, the IP address of the selection stays, and only the
    /// port is set.
    pub fn local_addr(mut self, addr: SocketAddr) -> Self {
        self.facts.local_addr = Some(addr);
        self
    }

    /// Sets the certificate chain of the client in DER, starting with the client's own certificate.
    ///
    /// # Security
    ///
    /// Set it only if the handshake verified the client's own certificate. Handlers rely on this.
    pub fn client_certificates<I>(mut self, chain: I) -> Self
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        self.facts.set_client_certificates(chain);
        self
    }

    /// Sets whether the handshake resumed a session. The default is `false`.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// let info = ConnectionInfo::tls().client_certificates([b"DER"]).resumed(true).build();
    /// assert!(info.resumed());
    /// ```
    pub fn resumed(mut self, resumed: bool) -> Self {
        self.facts.set(Flag::Resumed, resumed);
        self
    }

    /// Sets the virtual host that accepted the connection, and the server name for which it was selected. Replaces the
    /// [`server_name`](Self::server_name), and makes the connection a TLS connection.
    ///
    /// Call [`VirtualHosts::select`](crate::VirtualHosts::select) *during* the handshake, not when you build the info.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::{ConnectionInfo, VirtualHosts};
    ///
    /// # struct Context;
    /// # fn run(context: Arc<Context>) -> Result<(), Box<dyn std::error::Error>> {
    /// let hosts = VirtualHosts::builder().host("www.example", context).build()?;
    /// let selection = hosts.select(Some("www.example")).ok_or("unrecognized_name")?;
    /// let info = ConnectionInfo::tls().selection(selection).build();
    /// assert_eq!(info.virtual_host().unwrap().id(), "www.example");
    /// # Ok(())
    /// # }
    /// # run(Arc::new(Context)).unwrap();
    /// ```
    pub fn selection<C: Send + Sync + 'static>(mut self, selection: Selection<C>) -> Self {
        let (binding, server_name, local) = selection.into_parts();
        self.facts.security = Security::Tls;
        self.facts.set_server_name(server_name);
        self.facts.binding = Some(binding);
        self.facts
            .set(Flag::SelectedWithoutAddress, local.is_none());
        self.selected_by = local;
        self
    }

    /// Declares that this server has a single TLS configuration for every host.
    ///
    /// Without this setting and without a [`selection`](Self::selection), the TLS configuration of other hosts is
    /// unknown. At [`Coalescing::SameTlsConfig`](crate::Coalescing::SameTlsConfig) and stricter levels, the layer then
    /// serves only the server name.
    ///
    /// # Security
    ///
    /// Do not use this if the TLS stack chooses between several contexts and, for example, one of them requires client
    /// certificates. A connection for one host would then reach the other hosts without the checks of their handshakes.
    ///
    /// ```
    /// use tower_misdirected::{CertificateNames, ConnectionInfo};
    ///
    /// let info = ConnectionInfo::tls()
    ///     .server_name("www.example")
    ///     .certificate_names(CertificateNames::from_sans(["www.example", "api.example"], []))
    ///     .single_tls_config() // so the connection also serves api.example
    ///     .build();
    /// ```
    pub fn single_tls_config(mut self) -> Self {
        self.facts.set(Flag::SingleTlsConfig, true);
        self
    }

    /// Builds the [`ConnectionInfo`].
    pub fn build(mut self) -> ConnectionInfo {
        if let Some(ip) = self.selected_by {
            let given = self.facts.local_addr.map(canonical);
            if given.is_none_or(|given| given.ip() != ip) {
                let port = given.map_or(0, |given| given.port());
                self.facts.local_addr = Some(SocketAddr::new(ip, port));
            }
        }
        ConnectionInfo::new(self.facts)
    }
}

impl fmt::Debug for ConnectionInfoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfoBuilder")
            .finish_non_exhaustive()
    }
}
