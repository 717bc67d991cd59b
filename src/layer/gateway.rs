//! The settings for a server behind a gateway that terminates TLS. The list of gateways lives in `peers`, and `verdict`
//! decides what they may do.

use super::error::ConfigError;
use super::misdirected_layer::MisdirectedLayer;
use crate::peers::Peers;

impl MisdirectedLayer {
    /// Creates a layer for a plaintext server behind gateways that terminate TLS. The layer serves only these hosts. It
    /// is short for [`new`](Self::new), [`gateway`](Self::gateway) and [`allowed_hosts`](Self::allowed_hosts).
    ///
    /// With [`Peers::any()`], the layer needs no connection info. With a list of networks, the layer needs it: serve
    /// the application with `into_make_service_with_connect_info::<ConnectionInfo>()`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if a host is invalid or the list of hosts is empty.
    ///
    /// ```
    /// use tower_misdirected::{MisdirectedLayer, Peers};
    ///
    /// // Behind nginx on the same machine, listening on 127.0.0.1:8080:
    /// let layer = MisdirectedLayer::behind_gateway(Peers::any(), ["app.example", "*.app.example"])?;
    ///
    /// // Behind load balancers in a network that others share:
    /// let balancers = Peers::new(["10.0.0.0/24"])?;
    /// let layer = MisdirectedLayer::behind_gateway(balancers, ["app.example"])?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn behind_gateway<I>(gateways: Peers, hosts: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        Self::new().gateway(gateways).allowed_hosts(hosts)
    }
}

impl<R> MisdirectedLayer<R> {
    /// Sets which peers are gateways that terminate TLS. The default is none.
    ///
    /// The layer treats a plaintext connection from such a peer like a
    /// [trusted gateway](crate::ConnectionInfo::trusted_gateway), so `https` requests pass. On any other plaintext
    /// connection, the layer refuses every request with
    /// [`InsecureConnection`](crate::Rejection::InsecureConnection), whatever the scheme, and even at
    /// [`Coalescing::Unchecked`](crate::Coalescing::Unchecked). The setting does not affect TLS connections to this
    /// server, nor a `ConnectionInfo` that was built by `trusted_gateway`.
    ///
    /// The peer's address is [`ConnectionInfo::peer_addr`](crate::ConnectionInfo::peer_addr), the other end of the
    /// connection. The layer ignores [`client_addr`](crate::ConnectionInfo::client_addr), `Forwarded` and
    /// `X-Forwarded-*` here. A peer without an IP address, such as on a Unix socket, is a gateway only under
    /// [`Peers::any()`].
    ///
    /// Also set [`allowed_hosts`](Self::allowed_hosts), as [`behind_gateway`](Self::behind_gateway) does. Nothing else
    /// limits the hosts that a gateway may request.
    ///
    /// # Security
    ///
    /// Under [`Peers::any()`] every connection comes from a gateway. So if allowed hosts are set, a request without a
    /// [`ConnectionInfo`](crate::ConnectionInfo) passes too. If the server also terminates TLS itself, list the
    /// networks of the gateways instead. A request without a `ConnectionInfo` then gets 500.
    ///
    /// The layer relies on the gateway to check that the client's connection suits the host, including client
    /// certificates.
    ///
    /// ```
    /// use axum::Router;
    /// use tokio::net::TcpListener;
    /// use tower_misdirected::{ConnectionInfo, MisdirectedLayer, Peers};
    ///
    /// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = MisdirectedLayer::new()
    ///     .gateway(Peers::new(["10.0.0.0/24"])?)
    ///     .allowed_hosts(["app.example"])?;
    /// let app = Router::new().layer(layer);
    /// let listener = TcpListener::bind("0.0.0.0:8080").await?;
    /// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn gateway(self, gateways: Peers) -> Self {
        self.set(|settings| settings.rules.gateways = Some(gateways))
    }
}
