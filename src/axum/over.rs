//! TLS and PROXY protocol headers over any axum listener. Handshakes live in `tls`, and the connect info lives in
//! `serve`.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::serve::Listener;

use crate::listening::{Addresses, InnerListener, Sealed};
#[cfg(feature = "proxy-protocol")]
use crate::plaintext::PlaintextListener;
#[cfg(feature = "proxy-protocol")]
use crate::proxy_protocol::ProxyProtocol;
#[cfg(feature = "rustls")]
use crate::tls::{TlsAcceptor, TlsListener};

/// The inner listener of a [`TlsListener`](crate::TlsListener) returned by
/// [`TlsListener::over`](crate::TlsListener::over).
///
/// You need this type only to name the listener: `TlsListener<Over<UnixListener>>`. `A` is the address type of the
/// inner listener.
///
/// ```
/// use tokio::net::TcpListener;
/// use tower_misdirected::{Over, TlsAcceptor, TlsListener};
///
/// struct Server {
///     listener: TlsListener<Over<TcpListener>>,
/// }
///
/// fn server(tcp: TcpListener, tls: TlsAcceptor) -> Server {
///     Server { listener: TlsListener::over(tcp, tls) }
/// }
/// ```
pub struct Over<L: Listener, A = <L as Listener>::Addr> {
    // The lock is never taken. It makes the future `Sync`.
    accepting: Mutex<Accepting<L>>,
    local_addr: io::Result<A>,
    // A function pointer instead of a bound. With a bound, the connect info of tapped listeners over Unix sockets would
    // not compile with tokio before 1.46.
    clone_addr: fn(&A) -> A,
    addresses: Box<Find<L::Io, A>>,
}

/// A future that returns the listener and the next connection. It is kept until it is complete, because dropping the
/// future of a listener that is not cancel safe may lose a connection.
type Accepting<L> = Pin<Box<dyn Future<Output = Accepted<L>> + Send>>;

type Find<IO, A> = dyn Fn(&IO, &A) -> Addresses + Send + Sync;

type Accepted<L> = (L, (<L as Listener>::Io, <L as Listener>::Addr));

fn accept<L: Listener>(mut listener: L) -> Accepting<L> {
    Box::pin(async move {
        let accepted = listener.accept().await;
        (listener, accepted)
    })
}

#[cfg(feature = "rustls")]
impl<L> TlsListener<Over<L>>
where
    L: Listener<Addr: Clone + 'static>,
{
    /// Creates a TLS listener from any axum [`Listener`]: a Unix socket, a listener that limits connections, a listener
    /// with [`tap_io`](axum::serve::ListenerExt::tap_io), or your own listener.
    ///
    /// Handshakes run concurrently. The `accept` method of the listener does not have to be cancel safe: the future is
    /// kept until it is complete, so no connection is lost. Dropping the `TlsListener` drops the future.
    ///
    /// The inner listener must set the options of its transports, such as `TCP_NODELAY`, and handle the errors of its
    /// socket. Only the [listener over TCP](Self::from_tcp) ends old handshakes if the process has no file descriptors
    /// left.
    ///
    /// # Addresses
    ///
    /// [`ConnectionInfo::peer_addr`](crate::ConnectionInfo::peer_addr) is the address that the listener returns with a
    /// connection, if that address is a [`SocketAddr`]. [`local_addr`](crate::ConnectionInfo::local_addr) is the
    /// address of the socket, if the transport is a `TcpStream`. Otherwise the addresses are unknown, unless you set a
    /// function with [`addresses`](Self::addresses). The peer of a Unix socket has no IP address.
    ///
    /// This method calls `local_addr` of the listener once and keeps the address, so the address type must be `Clone`.
    /// The address type of a Unix socket is `Clone` since tokio 1.46.
    ///
    /// # Limits
    ///
    /// If the listener limits connections, a transport may hold a permit. A pending handshake holds the permit until it
    /// fails, at the latest after [`handshake_timeout`](TlsAcceptor::handshake_timeout). So clients that send nothing
    /// can use up the permits for that time. Set a short time limit, or allow many more connections than you expect.
    ///
    /// ```
    /// use axum::Router;
    /// use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener, VirtualHosts};
    ///
    /// # #[cfg(unix)]
    /// # async fn serve(hosts: VirtualHosts) -> std::io::Result<()> {
    /// let app = Router::new().layer(MisdirectedLayer::new());
    /// let listener = TlsListener::over(tokio::net::UnixListener::bind("/run/app.sock")?, hosts);
    /// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await
    /// # }
    /// ```
    pub fn over(listener: L, tls: impl Into<TlsAcceptor>) -> Self {
        Self::with_inner(Over::new(listener), tls.into())
    }

    /// Sets a function that returns the addresses of a connection, from the transport and the address that the listener
    /// returned.
    ///
    /// The listener calls `addresses` once for each connection, before the handshake begins. `addresses` must not
    /// block. If the transport is a `TcpStream`, an address that `addresses` does not set is read from the socket.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// use axum::serve::Listener;
    /// use tokio::net::TcpStream;
    /// use tower_misdirected::{Addresses, Over, TlsAcceptor, TlsListener};
    /// # use std::pin::Pin;
    /// # use std::task::{Context, Poll};
    /// # use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    ///
    /// struct Counted {
    ///     tcp: TcpStream,
    ///     // …
    /// }
    /// # impl AsyncRead for Counted {
    /// #     fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
    /// #         Pin::new(&mut self.tcp).poll_read(cx, buf)
    /// #     }
    /// # }
    /// # impl AsyncWrite for Counted {
    /// #     fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
    /// #         Pin::new(&mut self.tcp).poll_write(cx, buf)
    /// #     }
    /// #     fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
    /// #         Pin::new(&mut self.tcp).poll_flush(cx)
    /// #     }
    /// #     fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
    /// #         Pin::new(&mut self.tcp).poll_shutdown(cx)
    /// #     }
    /// # }
    ///
    /// fn listener<L>(inner: L, tls: TlsAcceptor) -> TlsListener<Over<L>>
    /// where
    ///     L: Listener<Io = Counted, Addr = SocketAddr>,
    /// {
    ///     TlsListener::over(inner, tls).addresses(|counted, _| Addresses::from(&counted.tcp))
    /// }
    /// ```
    #[must_use]
    pub fn addresses(
        mut self,
        addresses: impl Fn(&L::Io, &L::Addr) -> Addresses + Send + Sync + 'static,
    ) -> Self {
        self.inner_mut().addresses = Box::new(addresses);
        self
    }
}

#[cfg(feature = "proxy-protocol")]
impl<L> PlaintextListener<Over<L>>
where
    L: Listener<Addr: Clone + 'static>,
{
    /// Creates a plaintext listener from any axum [`Listener`], such as a Unix socket. The `accept` method of the
    /// listener does not have to be cancel safe. For the addresses of connections, see
    /// [`TlsListener::over`](crate::TlsListener::over).
    ///
    /// ```
    /// use axum::Router;
    /// use tower_misdirected::{ConnectionInfo, Peers, PlaintextListener, ProxyProtocol};
    ///
    /// # #[cfg(unix)]
    /// # async fn serve(app: Router) -> std::io::Result<()> {
    /// let unix = tokio::net::UnixListener::bind("/run/app.sock")?;
    /// // Only the gateway may have access to the socket.
    /// let listener = PlaintextListener::over(unix, ProxyProtocol::from_peers(Peers::any()));
    /// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await
    /// # }
    /// ```
    pub fn over(listener: L, proxy_protocol: ProxyProtocol) -> Self {
        Self::with_inner(Over::new(listener), proxy_protocol)
    }

    /// Sets a function that returns the addresses of a connection; see
    /// [`TlsListener::addresses`](crate::TlsListener::addresses).
    #[must_use]
    pub fn addresses(
        mut self,
        addresses: impl Fn(&L::Io, &L::Addr) -> Addresses + Send + Sync + 'static,
    ) -> Self {
        self.inner_mut().addresses = Box::new(addresses);
        self
    }
}

impl<L: Listener<Addr: Clone + 'static>> Over<L> {
    fn new(listener: L) -> Self {
        Self {
            local_addr: listener.local_addr(),
            clone_addr: Clone::clone,
            accepting: Mutex::new(accept(listener)),
            addresses: Box::new(|_, addr| Addresses::new().peer_addr(socket_addr(addr))),
        }
    }
}

impl<L: Listener, A> Sealed for Over<L, A> {}

impl<L, A> InnerListener for Over<L, A>
where
    L: Listener<Addr = A>,
    A: Send + 'static,
{
    type Io = L::Io;
    type Addr = A;

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(L::Io, A)>> {
        let accepting = self.accepting.get_mut();
        let accepting = accepting.unwrap_or_else(PoisonError::into_inner);
        let (listener, accepted) = ready!(accepting.as_mut().poll(context));
        *accepting = accept(listener);
        Poll::Ready(Ok(accepted))
    }

    fn local_addr(&self) -> io::Result<A> {
        match &self.local_addr {
            Ok(addr) => Ok((self.clone_addr)(addr)),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    fn addresses(&self, io: &L::Io, addr: &A) -> Option<Addresses> {
        Some((self.addresses)(io, addr))
    }
}

impl<L: Listener, A: fmt::Debug> fmt::Debug for Over<L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Over")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

fn socket_addr<A: 'static>(addr: &A) -> Option<SocketAddr> {
    (addr as &dyn Any).downcast_ref().copied()
}
