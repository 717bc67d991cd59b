//! A TLS connection together with what is known about it. Its handshake lives in `accepting`.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::draining::Draining;
use crate::connection::ConnectionInfo;

/// A TLS connection that [`TlsAcceptor`](crate::TlsAcceptor) accepted, with its [`ConnectionInfo`].
///
/// If it speaks HTTP/2 and [is outdated](ConnectionInfo::is_outdated), the stream writes one GOAWAY between two frames
/// of the server (RFC 9113 §6.8); see [`TlsAcceptor::drain`](crate::TlsAcceptor::drain).
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
pub struct TlsStream<IO> {
    inner: tokio_rustls::server::TlsStream<IO>,
    info: ConnectionInfo,
    /// `None` if the connection never has to be drained.
    draining: Option<Draining>,
}

impl<IO> TlsStream<IO> {
    /// `spread` is how long the draining of connections may take that become outdated at once. `None` turns it off.
    pub(super) fn new(
        inner: tokio_rustls::server::TlsStream<IO>,
        info: ConnectionInfo,
        spread: Option<Duration>,
    ) -> Self {
        let http2 = info.alpn() == Some(b"h2") && info.virtual_host().is_some();
        let spread = spread.filter(|_| http2);
        Self {
            inner,
            info,
            draining: spread.map(Draining::new),
        }
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
        let this = &mut *self;
        let mut io = Pin::new(&mut this.inner);
        let result = io.as_mut().poll_read(cx, buf);
        if let (Poll::Pending, Some(draining)) = (&result, &mut this.draining) {
            draining.poll_idle(io, &this.info, cx);
        }
        result
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let io = Pin::new(&mut this.inner);
        match &mut this.draining {
            Some(draining) => draining.poll_write(io, cx, buf),
            None => io.poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let io = Pin::new(&mut this.inner);
        match &mut this.draining {
            Some(draining) => draining.poll_write_vectored(io, cx, bufs),
            None => io.poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let io = Pin::new(&mut this.inner);
        match &mut this.draining {
            Some(draining) => draining.poll_flush(io, cx),
            None => io.poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut io = Pin::new(&mut this.inner);
        if let Some(draining) = &mut this.draining {
            ready!(draining.poll_close(io.as_mut(), cx))?;
        }
        io.poll_shutdown(cx)
    }
}

impl<IO: fmt::Debug> fmt::Debug for TlsStream<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("inner", &self.inner)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
