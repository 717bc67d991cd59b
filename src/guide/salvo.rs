use std::io;

use http::Request;
use http::uri::Scheme;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use salvo_core::Service;
use tower::{ServiceBuilder, service_fn};
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{MisdirectedLayer, TlsListener};

/// Serves a service of salvo. A handler reads the connection with
/// `request.extensions().get::<ConnectionInfo>()`.
pub async fn serve(mut listener: TlsListener, service: Service) -> io::Result<()> {
    let local = listener.local_addr()?;
    let layer = MisdirectedLayer::new().json();
    loop {
        let (stream, peer) = listener.accept().await;
        let info = stream.connection_info().clone();
        let (server, client) = (local.into(), peer.into());
        let handler = service.hyper_handler(server, client, Scheme::HTTPS, None, None);
        let service = ServiceBuilder::new()
            .layer(AddExtensionLayer::new(info))
            .layer(layer.clone())
            .service(service_fn(move |request: Request<Incoming>| {
                handler.call(request)
            }));
        let service = TowerToHyperService::new(service);
        tokio::spawn(async move {
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
    }
}
