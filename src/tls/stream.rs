//! A TLS connection together with what is known about it. Its handshake lives in `accepting`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::ConnectionInfo;

/// A TLS connection that [`TlsAcceptor`](crate::TlsAcceptor) accepted, with its [`ConnectionInfo`].
///
/// ```
/// use tokio::net::TcpStream;
/// use tower_misdirected::{TlsAcceptor, TlsStream};
///
/// async fn accept(acceptor: &TlsAcceptor, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
///     let stream = acceptor.accept(tcp).await?;
///     println!("for {:?}", stream.connection_info().server_name());
///     let (tcp, connection) = stream.get_ref();
///     println!("from {}, {:?}", tcp.peer_addr()?, connection.handshake_kind());
///     Ok(stream)
/// }
/// ```
#[derive(Debug)]
pub struct TlsStream<IO> {
    inner: tokio_rustls::server::TlsStream<IO>,
    info: ConnectionInfo,
}

impl<IO> TlsStream<IO> {
    pub(super) fn new(inner: tokio_rustls::server::TlsStream<IO>, info: ConnectionInfo) -> Self {
        Self { inner, info }
    }

    /// Returns what is known about the connection. Insert it into the extensions of every request.
    pub fn connection_info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// Returns the transport and the rustls connection.
    pub fn get_ref(&self) -> (&IO, &ServerConnection) {
        self.inner.get_ref()
    }

    /// Takes the stream apart into the transport and the rustls connection.
    pub fn into_inner(self) -> (IO, ServerConnection) {
        self.inner.into_inner()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
