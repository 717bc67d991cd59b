//! The public `ProxyProtocol`: the peers that send a header, and reading only the header. Reading a header before a TLS
//! handshake lives in `tls`.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;

use super::reader::HeaderReader;
use crate::listening::Pending;
use crate::peers::Peers;

/// An acceptor that reads PROXY protocol headers, versions 1 and 2, from the peers that send them.
///
/// A load balancer that forwards TCP connections can send the address of the client in a header before the first octet
/// of the client. The [guide](crate::guide::servers#proxy-protocol) explains when to use the protocol.
///
/// - With a [`TlsAcceptor`](crate::TlsAcceptor), use its [`proxy_protocol`](crate::TlsAcceptor::proxy_protocol) setting.
/// - Over plaintext, pass it to a [`PlaintextListener`](crate::PlaintextListener), or to axum-server as its acceptor.
/// - With another TLS stack, call [`read`](Self::read) before the handshake.
///
/// ```
/// use std::time::Duration;
///
/// use tokio::net::TcpStream;
/// use tokio::time::timeout;
/// use tower_misdirected::{ConnectionInfo, Peers, ProxyProtocol};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let proxy_protocol = ProxyProtocol::from_peers(Peers::new(["10.0.0.0/8"])?);
///
/// async fn connection_info(proxy_protocol: &ProxyProtocol, tcp: &mut TcpStream) -> std::io::Result<ConnectionInfo> {
///     let peer = tcp.peer_addr()?;
///     let header = proxy_protocol.read(tcp, Some(peer));
///     let client = timeout(Duration::from_secs(10), header).await??;
///     let info = ConnectionInfo::plaintext().peer_addr(peer);
///     Ok(info.client_addr(client.unwrap_or(peer)).build())
/// }
/// # let _ = connection_info;
///
/// let mut io = &b"PROXY TCP4 192.0.2.7 203.0.113.1 49152 443\r\nGET / HTTP/1.1\r\n"[..];
/// let client = proxy_protocol.read(&mut io, Some("10.0.0.1:50000".parse()?)).await?;
/// assert_eq!(client, Some("192.0.2.7:49152".parse()?));
/// assert!(io.starts_with(b"GET /"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProxyProtocol {
    peers: Peers,
    pub(crate) timeout: Duration,
    pub(crate) pending: Arc<Pending>,
}

const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_PENDING_HEADERS: usize = 4096;

impl ProxyProtocol {
    /// Creates an acceptor that requires a header on every connection from these peers. On connections from other
    /// peers, the acceptor reads no header.
    ///
    /// # Security
    ///
    /// These peers can claim any client address. With [`Peers::any`], so can everyone who can reach the port.
    ///
    /// ```
    /// use tower_misdirected::{Peers, ProxyProtocol};
    ///
    /// let proxy_protocol = ProxyProtocol::from_peers(Peers::new(["10.0.0.1", "10.0.0.2"])?);
    /// # Ok::<_, tower_misdirected::PeersError>(())
    /// ```
    pub fn from_peers(peers: Peers) -> Self {
        Self {
            peers,
            timeout: HEADER_TIMEOUT,
            pending: Arc::new(Pending::new(MAX_PENDING_HEADERS)),
        }
    }

    /// Sets the longest time that a plaintext connection may wait for its header, counted from the first poll of
    /// [`accept`](Self::accept). The default is 10 seconds. A [`TlsAcceptor`](crate::TlsAcceptor) has
    /// [its own limit](crate::TlsAcceptor::handshake_timeout).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_misdirected::{Peers, ProxyProtocol};
    ///
    /// let proxy_protocol = ProxyProtocol::from_peers(Peers::any())
    ///     .header_timeout(Duration::from_secs(3))
    ///     .max_pending_headers(1024);
    /// ```
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many plaintext connections may wait for their header at the same time. The default is 4,096, and 0
    /// counts as 1. If the bound is reached, the oldest of these connections ends.
    #[must_use]
    pub fn max_pending_headers(mut self, limit: usize) -> Self {
        self.pending = Arc::new(Pending::new(limit));
        self
    }

    /// Reads the header from a newly accepted connection, and returns the address of the client. `peer` is the other
    /// end of the connection, or `None` if the peer has no IP address.
    ///
    /// If the list does not contain `peer`, returns `None` without reading anything. If the header names no TCP client,
    /// also returns `None`: the header is `LOCAL`, as in health checks, or `UNKNOWN`, or names a UDP or Unix socket.
    ///
    /// For an IPv4 client, returns an IPv4 address, even if the header contains the form `::ffff:192.0.2.7`.
    ///
    /// This method reads at most 4,096 octets, and none after the header. It has no time limit, so add one. If you drop
    /// the future before it completes, close the connection, because a part of the header may have been read.
    ///
    /// # Errors
    ///
    /// Close the connection on every error. The text of an error about the header is at most 400 octets of printable
    /// ASCII.
    ///
    /// - [`InvalidData`](io::ErrorKind::InvalidData), if the header is missing, invalid, or longer than 107 octets
    ///   (version 1) or 4,096 octets (version 2)
    /// - [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), if the connection ended before the header did
    /// - the error of the transport
    pub async fn read<IO>(
        &self,
        io: &mut IO,
        peer: Option<SocketAddr>,
    ) -> io::Result<Option<SocketAddr>>
    where
        IO: AsyncRead + Unpin,
    {
        let Some(mut header) = self.header_from(peer) else {
            return Ok(None);
        };
        poll_fn(|context| header.poll(io, context)).await
    }

    /// Returns the reader for a connection from `peer`, if `peer` must send a header.
    pub(crate) fn header_from(&self, peer: Option<SocketAddr>) -> Option<HeaderReader> {
        HeaderReader::of(&self.peers, peer)
    }
}
