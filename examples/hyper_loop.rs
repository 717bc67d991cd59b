//! A server with hyper and without axum: an accept loop, and a graceful shutdown on Ctrl-C.
//!
//! ```sh
//! cargo run --example hyper_loop
//! ```

mod common;

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tower::{ServiceBuilder, service_fn};
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{EffectiveAuthority, MisdirectedLayer, TlsListener};

use crate::common::Result;

#[tokio::main]
async fn main() -> ExitCode {
    common::arguments("hyper_loop", 0..=0);
    common::run(serve()).await
}

async fn serve() -> Result<()> {
    let mut listener = TlsListener::bind("127.0.0.1:0", server_config()?).await?;
    println!("listening on https://{}", listener.local_addr()?);

    let misdirected = MisdirectedLayer::new().json();
    let graceful = GracefulShutdown::new();
    let mut ctrl_c = std::pin::pin!(tokio::signal::ctrl_c());

    loop {
        tokio::select! {
            (stream, _peer) = listener.accept() => {
                // Every request of the connection gets the `ConnectionInfo`.
                let service = ServiceBuilder::new()
                    .layer(AddExtensionLayer::new(stream.connection_info().clone()))
                    .layer(misdirected.clone())
                    .service(service_fn(hello));
                let connection = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .into_owned();
                tokio::spawn(graceful.watch(connection));
            }
            _ = &mut ctrl_c => break,
        }
    }
    // Stops accepting, and ends pending handshakes.
    drop(listener);
    // Clients may keep connections open, so the wait has a limit.
    let _ = tokio::time::timeout(Duration::from_secs(10), graceful.shutdown()).await;
    Ok(())
}

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // The layer refuses requests without an authority, so this does not fail.
    let body = match EffectiveAuthority::of(&request) {
        Ok(authority) => format!("hello from {}\n", authority.host()),
        Err(malformed) => format!("{malformed}\n"),
    };
    Ok(Response::new(Full::from(body)))
}

fn server_config() -> Result<Arc<ServerConfig>> {
    let names = ["app.localhost", "api.localhost"].map(String::from);
    let key = rcgen::generate_simple_self_signed(names)?;
    let private_key = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private_key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
