//! The addresses of a connection, given by the caller or read from a `TcpStream`. `accepting` decides when to read
//! them.

use std::any::Any;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::connection::canonical;

/// The peer address and the local address of a connection, as far as they are known.
///
/// Pass the addresses to [`TlsAcceptor::accept_with_addresses`](crate::TlsAcceptor::accept_with_addresses) if the
/// transport is not a [`TcpStream`]. They become [`ConnectionInfo::peer_addr`](crate::ConnectionInfo::peer_addr) and
/// [`ConnectionInfo::local_addr`](crate::ConnectionInfo::local_addr). An IPv4-mapped IPv6 address counts as IPv4.
///
/// # Security
///
/// A handshake without a server name selects the virtual host of the local address. So take the addresses only from the
/// operating system or from a peer that you trust.
///
/// ```
/// use tokio::net::TcpStream;
/// use tower_misdirected::Addresses;
///
/// fn of(tcp: &TcpStream) -> Addresses {
///     Addresses::from(tcp)
/// }
/// let known = Addresses::new().peer_addr("192.0.2.7:50000".parse::<std::net::SocketAddr>()?);
/// assert_ne!(known, Addresses::new());
/// # Ok::<_, std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Addresses {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
    /// The address of the client as a gateway reported it.
    pub(crate) client: Option<SocketAddr>,
    /// Whether a gateway reported that the connection is its own, as in health checks.
    pub(crate) is_gateways_own: bool,
}

impl Addresses {
    /// Creates a value without known addresses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the address of the other end of the connection. `None` means unknown.
    pub fn peer_addr(mut self, addr: impl Into<Option<SocketAddr>>) -> Self {
        self.peer = addr.into().map(canonical);
        self
    }

    /// Sets the address of this end of the connection. `None` means unknown.
    pub fn local_addr(mut self, addr: impl Into<Option<SocketAddr>>) -> Self {
        self.local = addr.into().map(canonical);
        self
    }
}

/// Reads the addresses of the socket. If the operating system returns an error, the address is unknown.
impl From<&TcpStream> for Addresses {
    fn from(tcp: &TcpStream) -> Self {
        Self::new()
            .peer_addr(tcp.peer_addr().ok())
            .local_addr(tcp.local_addr().ok())
    }
}

/// Addresses that the caller provided. Boxed, so that connections without them stay small.
pub(crate) type Given = Option<Box<Addresses>>;

/// Returns the address of the peer: the given address, or else the address of the socket if `io` is a `TcpStream`.
pub(crate) fn peer_addr<IO: 'static>(given: &Given, io: &IO) -> Option<SocketAddr> {
    let given = given.as_ref().and_then(|given| given.peer);
    given.or_else(|| tcp(io)?.peer_addr().ok().map(canonical))
}

/// Returns the local address: the given address, or else the address of the socket if `io` is a `TcpStream`.
pub(crate) fn local_addr<IO: 'static>(given: &Given, io: &IO) -> Option<SocketAddr> {
    let given = given.as_ref().and_then(|given| given.local);
    given.or_else(|| tcp(io)?.local_addr().ok().map(canonical))
}

/// Returns the given addresses, or else the address that was accepted with the transport. If the peer has reset the
/// connection, as health checks often do, the socket no longer knows the address.
pub(crate) fn or_accepted<A: 'static>(given: Given, accepted: &A) -> Given {
    given.or_else(|| {
        let peer: &SocketAddr = (accepted as &dyn Any).downcast_ref()?;
        Some(Box::new(Addresses::new().peer_addr(*peer)))
    })
}

/// Returns whether `io` is a socket whose peer has already reset the connection, and the address of the peer was not
/// given.
#[cfg(all(feature = "rustls", feature = "proxy-protocol"))]
pub(crate) fn is_reset<IO: 'static>(given: &Given, io: &IO) -> bool {
    tcp(io).is_some() && peer_addr(given, io).is_none()
}

fn tcp<IO: 'static>(io: &IO) -> Option<&TcpStream> {
    (io as &dyn Any).downcast_ref()
}
