//! A TLS connection with its `ConnectionInfo`. The handshake lives in `accepting`.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::draining::Draining;
use super::endings::Endings;
use super::lingering::Lingering;
use crate::connection::ConnectionInfo;

/// A TLS connection accepted by a [`TlsAcceptor`](crate::TlsAcceptor), with its [`ConnectionInfo`].
///
/// If the connection uses HTTP/2 and [is outdated](ConnectionInfo::is_outdated), the stream writes one GOAWAY between
/// two frames of the server (RFC 9113 §6.8); see [`TlsAcceptor::drain`](crate::TlsAcceptor::drain). If the layer has
/// refused an upload over HTTP/1, shutting down the stream waits for the client; see
/// [`TlsAcceptor::linger`](crate::TlsAcceptor::linger).
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
    protocol: Protocol,
}

/// The work of the stream in addition to passing octets through.
pub(super) enum Protocol {
    /// HTTP/2 under virtual hosts.
    Http2(Draining),
    Http1(Lingering),
    Other,
}

impl Protocol {
    pub(super) fn of(info: &ConnectionInfo, endings: &Arc<Endings>) -> Self {
        match (info.alpn(), info.virtual_host(), endings.drain) {
            (Some(b"h2"), Some(_), Some(spread)) => Self::Http2(Draining::new(spread)),
            (Some(b"h2"), ..) => Self::Other,
            _ => Self::Http1(Lingering::new(endings.clone())),
        }
    }
}

impl<IO> TlsStream<IO> {
    #[inline]
    pub(super) fn new(
        inner: tokio_rustls::server::TlsStream<IO>,
        info: ConnectionInfo,
        protocol: Protocol,
    ) -> Self {
        Self {
            inner,
            info,
            protocol,
        }
    }

    /// Returns the facts about the connection. Insert a clone into the extensions of every request.
    pub fn connection_info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// Returns the transport and the rustls connection.
    pub fn get_ref(&self) -> (&IO, &ServerConnection) {
        self.inner.get_ref()
    }

    /// Returns the transport and the rustls connection, and drops the [`ConnectionInfo`].
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
        let before = buf.filled().len();
        let result = io.as_mut().poll_read(cx, buf);
        match (&mut this.protocol, &result) {
            (Protocol::Http2(draining), Poll::Pending) => draining.poll_idle(io, &this.info, cx),
            (Protocol::Http1(lingering), Poll::Ready(Ok(()))) => {
                lingering.read(&buf.filled()[before..]);
            }
            _ => {}
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
        match &mut this.protocol {
            Protocol::Http2(draining) => return draining.poll_write(io, cx, buf),
            Protocol::Http1(lingering) => lingering.write(&this.info),
            Protocol::Other => {}
        }
        io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let io = Pin::new(&mut this.inner);
        match &mut this.protocol {
            Protocol::Http2(draining) => return draining.poll_write_vectored(io, cx, bufs),
            Protocol::Http1(lingering) => lingering.write(&this.info),
            Protocol::Other => {}
        }
        io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let io = Pin::new(&mut this.inner);
        match &mut this.protocol {
            Protocol::Http2(draining) => draining.poll_flush(io, cx),
            Protocol::Http1(_) | Protocol::Other => io.poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut io = Pin::new(&mut this.inner);
        match &mut this.protocol {
            Protocol::Http2(draining) => {
                ready!(draining.poll_close(io.as_mut(), cx))?;
                io.poll_shutdown(cx)
            }
            Protocol::Http1(lingering) => {
                if !lingering.has_begun() {
                    ready!(io.as_mut().poll_shutdown(cx))?;
                }
                lingering.poll(io, cx).map(Ok)
            }
            Protocol::Other => io.poll_shutdown(cx),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_keeps_forty_eight_octets() {
        let tls = size_of::<tokio_rustls::server::TlsStream<()>>();
        let info = size_of::<ConnectionInfo>();
        assert_eq!(size_of::<TlsStream<()>>() - tls - info, 48);
    }
}
