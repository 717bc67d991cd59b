use std::io;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tower::ServiceBuilder;
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{MisdirectedLayer, TlsListener};
use warp::{Filter, Rejection, Reply};

/// Serves a filter of warp. A filter reads the connection with
/// `warp::ext::get::<ConnectionInfo>()`.
pub async fn serve<F>(mut listener: TlsListener, filter: F) -> io::Result<()>
where
    F: Filter<Extract: Reply, Error = Rejection> + Clone + Send + Sync + 'static,
{
    let layer = MisdirectedLayer::new().json();
    loop {
        let (stream, _peer) = listener.accept().await;
        let service = ServiceBuilder::new()
            .layer(AddExtensionLayer::new(stream.connection_info().clone()))
            .layer(layer.clone())
            .service(warp::service(filter.clone()));
        let service = TowerToHyperService::new(service);
        tokio::spawn(async move {
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
    }
}
