use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum_server::accept::Accept;
use openssl::ssl::SslContext;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_http::add_extension::AddExtension;
use tower_misdirected::ConnectionInfo;

use super::{connection_info, handshake, select};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Accepts connections for axum-server. Clones share the selector.
#[derive(Clone)]
pub struct OpensslAcceptor {
    selector: SslContext,
}

impl OpensslAcceptor {
    /// Takes the context that `selector` returned.
    pub fn new(selector: SslContext) -> Self {
        Self { selector }
    }
}

/// Inserts the `ConnectionInfo` into the extensions of every request.
impl<I, S> Accept<I, S> for OpensslAcceptor
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Send + 'static,
{
    type Stream = Pin<Box<dyn Stream>>;
    type Service = AddExtension<S, ConnectionInfo>;
    type Future = BoxFuture<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, io: I, service: S) -> Self::Future {
        let selector = self.selector.clone();
        Box::pin(async move {
            let handshake = async {
                let (ssl, io) = select(&selector, io).await?;
                handshake(ssl, io).await
            };
            let stream = tokio::time::timeout(Duration::from_secs(10), handshake).await??;
            let info = connection_info(stream.ssl());
            let stream: Pin<Box<dyn Stream>> = Box::pin(stream);
            Ok((stream, AddExtension::new(service, info)))
        })
    }
}

/// The stream of a connection, whose type has no name.
pub trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}
