//! A listener for plaintext connections from gateways. Its loop lives in `listening`, and serving the connections is up
//! to `axum::serve` or a loop of the user's.

use std::fmt;
use std::future::poll_fn;
use std::io;

use tokio::net::{TcpListener, ToSocketAddrs};

use super::stream::PlaintextStream;
use crate::listening::{BindError, Concurrent, InnerListener, bind, or_accepted};
use crate::proxy_protocol::ProxyProtocol;

/// A plaintext listener behind gateways that send PROXY protocol headers.
///
/// Headers are read in tasks of their own, so a silent peer does not delay the others. Their time limit and the bound on
/// how many are pending are settings of [`ProxyProtocol`]. Dropping the listener ends the connections that wait for
/// their header. Over TCP, `TCP_NODELAY` is set on every connection.
///
/// # With axum
///
/// With the feature `axum` it is a listener for `axum::serve`. Serve with
/// `into_make_service_with_connect_info::<ConnectionInfo>()`, because that is how requests get their
/// [`ConnectionInfo`](crate::ConnectionInfo). Say who the gateway is, and which hosts there are:
///
/// ```no_run
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
    /// Returns [`BindError`], which names the address.
    pub async fn bind(
        addr: impl ToSocketAddrs + fmt::Debug,
        proxy_protocol: ProxyProtocol,
    ) -> Result<Self, BindError> {
        let tcp = bind(addr).await?;
        Ok(Self::from_tcp(tcp, proxy_protocol))
    }

    /// Reads headers on a listener that is already bound.
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
    /// Returns the error of [`TcpListener::local_addr`], or that of the other listener.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.inner().local_addr()
    }

    /// Waits for the next connection whose header has arrived, and returns it with the address of its peer, which is the
    /// gateway. The client's address is in the stream's [`ConnectionInfo`](crate::ConnectionInfo).
    ///
    /// Connections without a header that they must have are dropped, and logged at debug level with the feature
    /// `tracing`. Errors of the socket are handled like those of [`TlsListener`](crate::TlsListener).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: in a `tokio::select!` no connection is lost if another branch completes first.
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
