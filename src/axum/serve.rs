//! Listeners for `axum::serve` that give every request its connection info. Accepting TLS connections lives in `tls`.

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::TcpListener;

use crate::connection::ConnectionInfo;

/// Describes the connections of a plaintext listener: [`ConnectionInfo::plaintext`] with both addresses.
///
/// ```no_run
/// use axum::Router;
/// use tokio::net::TcpListener;
/// use tower_misdirected::{ConnectionInfo, MisdirectedLayer};
///
/// # async fn serve() -> std::io::Result<()> {
/// let app = Router::new().layer(MisdirectedLayer::new());
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await
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

#[cfg(feature = "rustls")]
mod tls {
    use std::io;
    use std::net::SocketAddr;

    use axum::extract::connect_info::Connected;
    use axum::serve::{IncomingStream, Listener, TapIo};
    use tokio::net::TcpStream;

    use crate::connection::ConnectionInfo;
    use crate::tls::{TlsListener, TlsStream};

    impl Listener for TlsListener {
        type Io = TlsStream<TcpStream>;
        type Addr = SocketAddr;

        async fn accept(&mut self) -> (Self::Io, Self::Addr) {
            Self::accept(self).await
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Self::local_addr(self)
        }
    }

    impl Connected<IncomingStream<'_, TlsListener>> for ConnectionInfo {
        fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
            stream.io().connection_info().clone()
        }
    }

    impl<F> Connected<IncomingStream<'_, TapIo<TlsListener, F>>> for ConnectionInfo
    where
        F: FnMut(&mut TlsStream<TcpStream>) + Send + 'static,
    {
        fn connect_info(stream: IncomingStream<'_, TapIo<TlsListener, F>>) -> Self {
            stream.io().connection_info().clone()
        }
    }
}
