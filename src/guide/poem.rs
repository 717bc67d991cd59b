use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use poem::Endpoint;
use poem::web::{LocalAddr, RemoteAddr};
use tower::{ServiceBuilder, service_fn};
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{MisdirectedLayer, TlsListener};

/// Serves an endpoint of poem. A handler reads the connection with
/// `request.extensions().get::<ConnectionInfo>()`.
pub async fn serve<E>(mut listener: TlsListener, app: E) -> io::Result<()>
where
    E: Endpoint + 'static,
{
    let local = LocalAddr(listener.local_addr()?.into());
    let app = Arc::new(app);
    let layer = MisdirectedLayer::new();
    loop {
        let (stream, peer) = listener.accept().await;
        let info = stream.connection_info().clone();
        let (app, local, peer) = (app.clone(), local.clone(), RemoteAddr(peer.into()));
        let handler = move |request: Request<Incoming>| {
            let request = (request, local.clone(), peer.clone(), Scheme::HTTPS);
            let app = app.clone();
            async move {
                let response = app.get_response(request.into()).await;
                Ok::<_, Infallible>(Response::from(response))
            }
        };
        let service = ServiceBuilder::new()
            .layer(AddExtensionLayer::new(info))
            .layer(layer.clone())
            .service(service_fn(handler));
        let service = TowerToHyperService::new(service);
        tokio::spawn(async move {
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
    }
}
