//! The listener inside a `TlsListener`, which provides the transports. The handshakes live in `listener`.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::addresses::Addresses;
use crate::connection::canonical;

/// The listener inside a [`TlsListener`](crate::TlsListener).
///
/// [`TcpListener`] implements this trait. With the feature `axum`, [`Over`](crate::Over) implements it too, for any
/// listener passed to [`TlsListener::over`](crate::TlsListener::over). The trait is sealed, and serves only as a bound.
///
/// ```
/// use tower_misdirected::{InnerListener, TlsListener};
///
/// async fn greet<L: InnerListener>(listener: &mut TlsListener<L>) {
///     let (stream, _) = listener.accept().await;
///     println!("for {:?}", stream.connection_info().server_name());
/// }
/// ```
pub trait InnerListener: Sealed {
    /// The transport of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The address that comes with a transport.
    type Addr: Send + 'static;

    /// Accepts the next transport. No transport is lost if the caller stops polling for a while.
    #[doc(hidden)]
    fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Io, Self::Addr)>>;

    /// Returns the address that the listener is bound to.
    #[doc(hidden)]
    fn local_addr(&self) -> io::Result<Self::Addr>;

    /// Returns the addresses of a connection, or `None` to read them from the socket when they are needed.
    #[doc(hidden)]
    fn addresses(&self, io: &Self::Io, addr: &Self::Addr) -> Option<Addresses>;
}

/// Keeps other crates from implementing `InnerListener`.
pub trait Sealed {}

impl Sealed for TcpListener {}

impl InnerListener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (tcp, peer) = ready!(TcpListener::poll_accept(self, context))?;
        // Fails only if the connection is already closed.
        let _ = tcp.set_nodelay(true);
        Poll::Ready(Ok((tcp, canonical(peer))))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }

    fn addresses(&self, _: &TcpStream, _: &SocketAddr) -> Option<Addresses> {
        None
    }
}
