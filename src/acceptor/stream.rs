//! A TLS connection together with what is known of it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

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
///     let (_tcp, _connection) = stream.get_ref().get_ref();
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

    /// What is known of the connection, for the extensions of its requests.
    pub fn connection_info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The stream of tokio-rustls, which gives access to the transport and to the rustls connection.
    pub fn get_ref(&self) -> &tokio_rustls::server::TlsStream<IO> {
        &self.inner
    }

    /// The stream of tokio-rustls, unwrapped.
    pub fn into_inner(self) -> tokio_rustls::server::TlsStream<IO> {
        self.inner
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
