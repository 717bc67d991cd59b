//! A tonic client that connects with one host as server name, and can make calls with another host as authority. Such
//! calls are like the calls of a client that reuses an open connection.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Error};
use tower::service_fn;

/// Connects with the server name `host`. Calls on this channel have the authority `authority`.
pub async fn connect(
    addr: SocketAddr,
    tls: Arc<ClientConfig>,
    host: &'static str,
    authority: &'static str,
) -> Result<Channel, Error> {
    let connector = service_fn(move |_: Uri| {
        let tls = TlsConnector::from(tls.clone());
        async move {
            let tcp = TcpStream::connect(addr).await?;
            let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
            let stream = tls.connect(name, tcp).await?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    let uri = |host| {
        Uri::builder()
            .scheme("https")
            .authority(host)
            .path_and_query("/")
    };
    let (endpoint, origin) = (uri(host).build(), uri(authority).build());
    Endpoint::from(endpoint.expect("a host"))
        .origin(origin.expect("an authority"))
        .connect_with_connector(connector)
        .await
}
