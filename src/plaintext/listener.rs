//! A listener for plaintext connections from gateways. Its loop lives in `listening`. `axum::serve` or the user's own
//! loop serves the connections.

use std::fmt;
use std::future::poll_fn;
use std::io;

use tokio::net::{TcpListener, ToSocketAddrs};

use super::stream::PlaintextStream;
use crate::listening::{BindError, Concurrent, InnerListener, bind, or_accepted};
use crate::proxy_protocol::ProxyProtocol;

/// A listener that accepts plaintext connections from gateways that send PROXY protocol headers.
///
/// Each header is read in its own task, so a silent peer does not delay other peers. To change the time limit and the
/// bound on pending connections, configure the [`ProxyProtocol`]. Dropping the listener ends the connections that wait
/// for their header. Over TCP, the listener sets `TCP_NODELAY` on every connection.
///
/// # With axum
///
/// With the feature `axum`, it is a listener for `axum::serve`. Serve with
/// `into_make_service_with_connect_info::<ConnectionInfo>()`, which inserts the
/// [`ConnectionInfo`](crate::ConnectionInfo) into every request. Pass the gateways and the hosts to the layer:
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_misdirected::{
///     ConnectionInfo, MisdirectedLayer, Peers, PlaintextListener, ProxyProtocol,
/// };
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let gateways = Peers::new(["10.0.0.0/24"])?;
/// let app = Router::new()
///     .route("/", get(|connection: ConnectionInfo| async move {
///         format!("hello {:?}", connection.client_addr())
///     }))
///     .layer(MisdirectedLayer::behind_gateway(gateways.clone(), ["app.example"])?);
///
/// let listener = PlaintextListener::bind("10.0.0.7:8080", ProxyProtocol::from_peers(gateways)).await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PlaintextListener<L: InnerListener = TcpListener> {
    listener: Concurrent<L, PlaintextStream<L::Io>>,
    proxy_protocol: ProxyProtocol,
}

impl PlaintextListener {
    /// Binds a TCP listener to `addr`.
    ///
    /// # Errors
    ///
    /// Returns [`BindError`] if `addr` cannot be resolved or bound.
    pub async fn bind(
        addr: impl ToSocketAddrs + fmt::Debug,
        proxy_protocol: ProxyProtocol,
    ) -> Result<Self, BindError> {
        let tcp = bind(addr).await?;
        Ok(Self::from_tcp(tcp, proxy_protocol))
    }

    /// Creates a listener from a TCP listener that is already bound.
    pub fn from_tcp(tcp: TcpListener, proxy_protocol: ProxyProtocol) -> Self {
        Self::with_inner(tcp, proxy_protocol)
    }
}

impl<L: InnerListener> PlaintextListener<L> {
    pub(crate) fn with_inner(inner: L, proxy_protocol: ProxyProtocol) -> Self {
        Self {
            listener: Concurrent::new(inner),
            proxy_protocol,
        }
    }

    #[cfg(feature = "axum")]
    pub(crate) fn inner_mut(&mut self) -> &mut L {
        self.listener.inner_mut()
    }

    /// Returns the address that the listener is bound to.
    ///
    /// # Errors
    ///
    /// Returns the error of [`TcpListener::local_addr`], or of the other listener.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.inner().local_addr()
    }

    /// Waits for the next connection whose header has arrived, and returns the connection and the address of its peer,
    /// which is the gateway. The address of the client is in the stream's [`ConnectionInfo`](crate::ConnectionInfo).
    ///
    /// The listener drops connections whose header is missing or invalid and, with the feature `tracing`, logs them at
    /// debug level. If accepting from TCP fails, for example because the process has no file descriptors left, the
    /// listener pauses and tries again. If it fails repeatedly, the listener ends the older half of the connections
    /// that were pending before the last pause.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If another branch of a `tokio::select!` completes first, no connection is lost.
    pub async fn accept(&mut self) -> (PlaintextStream<L::Io>, L::Addr) {
        let proxy_protocol = &self.proxy_protocol;
        let begin = |io, addr: &L::Addr, given| {
            let given = or_accepted(given, addr);
            proxy_protocol.accept_given(io, given)
        };
        let listener = &mut self.listener;
        poll_fn(|context| listener.poll_accept(context, proxy_protocol.pending(), begin)).await
    }
}
