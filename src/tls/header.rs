//! The PROXY protocol header before a TLS handshake on the same transport. Reading a header from any transport lives in
//! `proxy_protocol`.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncRead;

use crate::peers::Peers;
use crate::proxy_protocol::HeaderReader;

/// A transport whose header has not been read yet.
pub(super) struct Header<IO> {
    /// `None` once the header has been read.
    io: Option<IO>,
    reader: HeaderReader,
}

impl<IO: AsyncRead + Unpin> Header<IO> {
    pub(super) fn new(io: IO, reader: HeaderReader) -> Self {
        Self {
            io: Some(io),
            reader,
        }
    }

    /// Returns the transport after its header, and the address of the client if the header contains one.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(IO, Option<SocketAddr>)>> {
        let Some(io) = &mut self.io else {
            return Poll::Pending;
        };
        let client_addr = ready!(self.reader.poll(io, context))?;
        match self.io.take() {
            Some(io) => Poll::Ready(Ok((io, client_addr))),
            None => Poll::Pending,
        }
    }
}

/// Returns whether a connection with this header may be the gateway's own connection, such as a health check: the
/// header names no client, or names the gateway itself, as version 1 headers of HAProxy's checks do.
///
/// A load balancer that connects from the addresses of its clients always names the peer. Such peers are listed only by
/// [`Peers::any`].
pub(super) fn is_gateways_own(
    peers: &Peers,
    peer: Option<SocketAddr>,
    client: Option<SocketAddr>,
) -> bool {
    // The address of a link-local peer has a scope, and a header does not.
    let socket = |addr: SocketAddr| (addr.ip(), addr.port());
    client.is_none() || (client.map(socket) == peer.map(socket) && !peers.is_any())
}
