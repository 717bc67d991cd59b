//! TLS connections of hyper-util's clients to a server on loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::{BoxError, Service, service_fn};

use crate::pki;

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to this address, whatever the host, and offers one HTTP version.
pub fn connector(
    addr: SocketAddr,
    alpn: &str,
) -> impl Connect + Clone + Service<Uri, Response = Stream, Error = BoxError, Future: Send> + use<>
{
    let tcp = service_fn(move |_: Uri| async move {
        let stream = TcpStream::connect(addr).await?;
        Ok::<_, std::io::Error>(TokioIo::new(stream))
    });
    HttpsConnector::from((tcp, Arc::new(pki::client(&[alpn]))))
}
