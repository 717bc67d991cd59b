//! The settings for a server behind a gateway that terminates TLS. Who the gateways are is said in `peers`, and what
//! they may do is decided in `verdict`.

use super::error::ConfigError;
use super::misdirected_layer::MisdirectedLayer;
use crate::peers::Peers;

impl MisdirectedLayer {
    /// Creates a layer for a plaintext server behind gateways that terminate TLS, which serves these hosts. It is short
    /// for [`new`](Self::new), [`gateway`](Self::gateway) and [`allowed_hosts`](Self::allowed_hosts).
    ///
    /// With [`Peers::any()`] this needs no connection info. With a list of networks it does: serve the application with
    /// `into_make_service_with_connect_info::<ConnectionInfo>()`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if an entry of the hosts is invalid, or if there is none.
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
    /// Says which peers are gateways that terminate TLS. The default is none.
    ///
    /// A plaintext connection from such a peer is a [trusted gateway's](crate::ConnectionInfo::trusted_gateway), so
    /// `https` requests pass on it. A plaintext connection from any other peer is refused, whatever the scheme
    /// ([`InsecureConnection`](crate::Rejection::InsecureConnection)), also at
    /// [`Coalescing::Unchecked`](crate::Coalescing::Unchecked). TLS connections of this server are judged as without
    /// this setting, whoever the peer is.
    ///
    /// The peer is [`ConnectionInfo::peer_addr`](crate::ConnectionInfo::peer_addr), the real end of the connection.
    /// Neither [`client_addr`](crate::ConnectionInfo::client_addr) nor `Forwarded` and `X-Forwarded-*` change it. A
    /// peer without an IP address, as on a Unix socket, is a gateway only under [`Peers::any()`].
    ///
    /// Set the [`allowed_hosts`](Self::allowed_hosts) too, as [`behind_gateway`](Self::behind_gateway) does. Nothing
    /// else limits which hosts a gateway may ask for.
    ///
    /// # Security
    ///
    /// Under [`Peers::any()`] and with allowed hosts, a request without a [`ConnectionInfo`](crate::ConnectionInfo) is
    /// the gateway's too, because every connection is. If the server also accepts TLS connections of its own, list the
    /// networks of the gateways. A missing info is then answered 500.
    ///
    /// The layer relies on the gateway to match the client's connection with the host, client certificates included.
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
