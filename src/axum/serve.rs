//! Listeners for `axum::serve` that give every request its connection info. Accepting TLS connections lives in `tls`.

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::connection::ConnectionInfo;

/// Creates the info of a plaintext TCP connection: [`ConnectionInfo::plaintext`] with both addresses.
///
/// A plaintext connection has no certificate to compare with the host, so `MisdirectedLayer::new()` alone serves every
/// host on it. Restrict the hosts, and the peers that may use plaintext:
///
/// ```
/// use axum::Router;
/// use tokio::net::TcpListener;
/// use tower_misdirected::{ConnectionInfo, MisdirectedLayer, Peers};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let gateways = Peers::new(["10.0.0.0/24"])?;
/// let app = Router::new().layer(MisdirectedLayer::behind_gateway(gateways, ["app.example"])?);
/// let listener = TcpListener::bind("0.0.0.0:8080").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await?;
/// # Ok(())
/// # }
/// ```
impl Connected<IncomingStream<'_, TcpListener>> for ConnectionInfo {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let info = Self::plaintext().peer_addr(*stream.remote_addr());
        match stream.io().local_addr() {
            Ok(local) => info.local_addr(local).build(),
            Err(_) => info.build(),
        }
    }
}

/// Creates the info of a plaintext Unix socket: [`ConnectionInfo::plaintext`] without addresses, because a Unix socket
/// has no IP address.
#[cfg(unix)]
impl Connected<IncomingStream<'_, UnixListener>> for ConnectionInfo {
    fn connect_info(_: IncomingStream<'_, UnixListener>) -> Self {
        Self::plaintext().build()
    }
}

#[cfg(feature = "rustls")]
mod tls {
    use std::io;
    use std::net::SocketAddr;

    use axum::extract::connect_info::Connected;
    use axum::serve::{IncomingStream, Listener, TapIo};
    use tokio::net::TcpStream;
    #[cfg(unix)]
    use tokio::net::unix;

    use crate::axum::over::Over;
    use crate::connection::ConnectionInfo;
    use crate::listening::InnerListener;
    use crate::tls::{TlsListener, TlsStream};

    impl<L: InnerListener + Send + 'static> Listener for TlsListener<L> {
        type Io = TlsStream<L::Io>;
        type Addr = L::Addr;

        async fn accept(&mut self) -> (Self::Io, Self::Addr) {
            Self::accept(self).await
        }

        fn local_addr(&self) -> io::Result<L::Addr> {
            Self::local_addr(self)
        }
    }

    impl<L: InnerListener + Send + 'static> Connected<IncomingStream<'_, TlsListener<L>>>
        for ConnectionInfo
    {
        fn connect_info(stream: IncomingStream<'_, TlsListener<L>>) -> Self {
            stream.io().connection_info().clone()
        }
    }

    // axum implements `Connected` of a `TapIo` for the address type of any listener. So an impl for all address types
    // would conflict, and each address type that is not `ConnectionInfo` has a separate impl.

    impl<F> Connected<IncomingStream<'_, TapIo<TlsListener, F>>> for ConnectionInfo
    where
        F: FnMut(&mut TlsStream<TcpStream>) + Send + 'static,
    {
        fn connect_info(stream: IncomingStream<'_, TapIo<TlsListener, F>>) -> Self {
            stream.io().connection_info().clone()
        }
    }

    type Tapped<L, A, F> = TapIo<TlsListener<Over<L, A>>, F>;

    impl<L, F> Connected<IncomingStream<'_, Tapped<L, SocketAddr, F>>> for ConnectionInfo
    where
        L: Listener<Addr = SocketAddr>,
        F: FnMut(&mut TlsStream<L::Io>) + Send + 'static,
    {
        fn connect_info(stream: IncomingStream<'_, Tapped<L, SocketAddr, F>>) -> Self {
            stream.io().connection_info().clone()
        }
    }

    #[cfg(unix)]
    impl<L, F> Connected<IncomingStream<'_, Tapped<L, unix::SocketAddr, F>>> for ConnectionInfo
    where
        L: Listener<Addr = unix::SocketAddr>,
        F: FnMut(&mut TlsStream<L::Io>) + Send + 'static,
    {
        fn connect_info(stream: IncomingStream<'_, Tapped<L, unix::SocketAddr, F>>) -> Self {
            stream.io().connection_info().clone()
        }
    }
}

#[cfg(feature = "proxy-protocol")]
mod plaintext {
    use std::io;

    use axum::extract::connect_info::Connected;
    use axum::serve::{IncomingStream, Listener};

    use crate::connection::ConnectionInfo;
    use crate::listening::InnerListener;
    use crate::plaintext::{PlaintextListener, PlaintextStream};

    impl<L: InnerListener + Send + 'static> Listener for PlaintextListener<L> {
        type Io = PlaintextStream<L::Io>;
        type Addr = L::Addr;

        async fn accept(&mut self) -> (Self::Io, Self::Addr) {
            Self::accept(self).await
        }

        fn local_addr(&self) -> io::Result<L::Addr> {
            Self::local_addr(self)
        }
    }

    impl<L: InnerListener + Send + 'static> Connected<IncomingStream<'_, PlaintextListener<L>>>
        for ConnectionInfo
    {
        fn connect_info(stream: IncomingStream<'_, PlaintextListener<L>>) -> Self {
            stream.io().connection_info().clone()
        }
    }
}
