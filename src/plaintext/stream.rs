//! A plaintext connection with its `ConnectionInfo`. Accepting it lives in `acceptor`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::ConnectionInfo;

/// A plaintext connection accepted by a [`ProxyProtocol`](crate::ProxyProtocol), with its [`ConnectionInfo`].
///
/// ```
/// use tokio::net::TcpStream;
/// use tower_misdirected::PlaintextStream;
///
/// fn describe(stream: &PlaintextStream<TcpStream>) {
///     let info = stream.connection_info();
///     println!("from {:?} through {:?}", info.client_addr(), info.peer_addr());
/// }
/// ```
#[derive(Debug)]
pub struct PlaintextStream<IO> {
    io: IO,
    info: ConnectionInfo,
}

impl<IO> PlaintextStream<IO> {
    pub(super) fn new(io: IO, info: ConnectionInfo) -> Self {
        Self { io, info }
    }

    /// Returns the facts about the connection. Insert a clone into the extensions of every request.
    pub fn connection_info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// Returns a reference to the transport.
    pub fn get_ref(&self) -> &IO {
        &self.io
    }

    /// Consumes the stream and returns the transport.
    pub fn into_inner(self) -> IO {
        self.io
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for PlaintextStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for PlaintextStream<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
