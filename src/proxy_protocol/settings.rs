//! The public `ProxyProtocol`: which peers send a header, and reading one by hand. Reading it before a TLS handshake
//! lives in `tls`.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;

use super::reader::HeaderReader;
use crate::listening::Pending;
use crate::peers::Peers;

/// Reads PROXY protocol headers, versions 1 and 2, from the peers that send them.
///
/// A load balancer that forwards TCP connections sends the address of the client in a header before the first octet
/// of the client. The [guide](crate::guide::servers#proxy-protocol) says when to use it.
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
    /// Requires a header on every connection from these peers, and reads none on others.
    ///
    /// # Security
    ///
    /// A peer in this list can claim any client address.
    /// If the list is [`Peers::any`], everyone who can reach the port can.
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

    /// Sets how long a plaintext connection may wait for its header, counted from [`accept`](Self::accept). The default
    /// is 10 seconds. A [`TlsAcceptor`](crate::TlsAcceptor) has
    /// [a limit of its own](crate::TlsAcceptor::handshake_timeout).
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

    /// Sets how many plaintext connections may wait for their header at once, at least one. The default is 4,096. If the
    /// bound is reached, the oldest of them ends.
    #[must_use]
    pub fn max_pending_headers(mut self, limit: usize) -> Self {
        self.pending = Arc::new(Pending::new(limit));
        self
    }

    /// Reads the header from a connection that has just been accepted, and returns the address of the client. `peer`
    /// is the other end of the connection, or `None` if it has no IP address.
    ///
    /// Returns `None` without reading anything if the list does not contain `peer`, and `None` if the header names no
    /// TCP client: the header is `LOCAL`, as in health checks, or `UNKNOWN`, or names a UDP or a Unix socket.
    ///
    /// An IPv4 client has an IPv4 address, even if the header has it in the form `::ffff:192.0.2.7`.
    ///
    /// This method reads at most 4,096 octets, and none behind the header. It waits until the header has arrived, so
    /// limit its time. If the future is dropped, close the connection, because a part of the header may have been read.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection has to be closed. The text is at most 400 octets of printable ASCII.
    ///
    /// - [`InvalidData`](io::ErrorKind::InvalidData), if the connection does not begin with a header, the header is
    ///   invalid, or the header is longer than 107 octets (version 1) or 4,096 octets (version 2)
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

    /// Returns the reader for a connection from `peer`, if that has to send a header.
    pub(crate) fn header_from(&self, peer: Option<SocketAddr>) -> Option<HeaderReader> {
        HeaderReader::of(&self.peers, peer)
    }
}
