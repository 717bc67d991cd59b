//! The integration with tonic: the connection info of a stream, and a listener as a stream of connections. Accepting
//! TLS connections lives in `tls`.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tonic::transport::server::Connected;
use futures_core::Stream;
use tokio::net::TcpListener;

use crate::connection::ConnectionInfo;
use crate::listening::InnerListener;
use crate::tls::{TlsListener, TlsStream};

/// Provides the [`ConnectionInfo`] for every request. tonic inserts it into the extensions outside all layers. Services
/// and interceptors read it with `request.extensions().get::<ConnectionInfo>()`.
///
/// tonic's `remote_addr()` and `peer_certs()` return `None`, because they know only tonic's own streams. Call
/// [`ConnectionInfo::peer_addr`] and [`ConnectionInfo::client_certificates`] instead:
///
/// ```
/// use tonic::{Request, Response, Status};
/// use tower_misdirected::ConnectionInfo;
///
/// async fn method(request: Request<String>) -> Result<Response<String>, Status> {
///     let info = request.extensions().get::<ConnectionInfo>();
///     let info = info.ok_or_else(|| Status::internal("no connection info"))?;
///     let certificates = info.client_certificates().count();
///     Ok(Response::new(format!("{certificates} from {:?}", info.peer_addr())))
/// }
/// ```
impl<IO> Connected for TlsStream<IO> {
    type ConnectInfo = ConnectionInfo;

    fn connect_info(&self) -> ConnectionInfo {
        self.connection_info().clone()
    }
}

/// Provides the [`ConnectionInfo`] for every request on a plaintext connection from a gateway.
#[cfg(feature = "proxy-protocol")]
impl<IO> Connected for crate::PlaintextStream<IO> {
    type ConnectInfo = ConnectionInfo;

    fn connect_info(&self) -> ConnectionInfo {
        self.connection_info().clone()
    }
}

impl<L: InnerListener> TlsListener<L> {
    /// Converts the listener into a stream of connections, for tonic's `serve_with_incoming` and
    /// `serve_with_incoming_shutdown`. See [`TlsIncoming`].
    ///
    /// If you need the [`local_addr`](Self::local_addr), read it first.
    pub fn into_incoming(self) -> TlsIncoming<L> {
        TlsIncoming { listener: self }
    }
}

/// A stream of the connections that a [`TlsListener`] accepts, returned by [`TlsListener::into_incoming`] for tonic.
///
/// The stream yields connections whose handshake is complete. It never yields an error and never ends; for failed
/// handshakes and errors of the listener, see [`TlsListener::accept`]. Pending handshakes run even if the stream is not
/// polled. Dropping the stream drops the listener and ends the pending handshakes.
///
/// Add the layer to tonic's server. tonic serves gRPC only over HTTP/2, so set the ALPN protocol `h2` in the TLS
/// configuration:
///
/// ```
/// use tonic::service::Routes;
/// use tonic::transport::Server;
/// use tower_misdirected::{MisdirectedLayer, TlsListener, VirtualHosts};
///
/// # async fn serve(hosts: VirtualHosts, routes: Routes) -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TlsListener::bind("0.0.0.0:443", hosts).await?;
/// Server::builder()
///     .layer(MisdirectedLayer::new())
///     .add_routes(routes)
///     .serve_with_incoming(listener.into_incoming())
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "connections wait until the stream is polled"]
pub struct TlsIncoming<L: InnerListener = TcpListener> {
    listener: TlsListener<L>,
}

impl<L: InnerListener + Unpin> Stream for TlsIncoming<L> {
    type Item = io::Result<TlsStream<L::Io>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = self.listener.poll_accept(cx);
        accepted.map(|(stream, _peer)| Some(Ok(stream)))
    }
}

impl<L: InnerListener> fmt::Debug for TlsIncoming<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIncoming").finish_non_exhaustive()
    }
}
