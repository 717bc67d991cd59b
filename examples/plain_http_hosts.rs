//! A list of allowed hosts without TLS. A development server or a device on the local network needs
//! one against DNS rebinding: a page of `evil.example` whose name suddenly resolves to 127.0.0.1 still
//! says `Host: evil.example`, and is answered 421.
//!
//! ```sh
//! cargo run --example plain_http_hosts
//! ```

use std::error::Error;

use axum::Router;
use tokio::net::TcpListener;
use tower_misdirected::{Coalescing, EffectiveAuthority, MisdirectedLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let hosts = ["localhost", "*.localhost", "127.0.0.1", "::1"];
    let layer = MisdirectedLayer::new()
        // The host list alone decides, so no connection info is needed.
        .coalescing(Coalescing::Unchecked)
        .allowed_hosts(hosts)?;

    let app = Router::new()
        .fallback(|authority: EffectiveAuthority| async move {
            format!("hello from {}\n", authority.host())
        })
        .layer(layer);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    println!("listening on http://{addr}");
    println!("  curl -i http://{addr}/");
    println!("  curl -i -H 'Host: evil.example' http://{addr}/");
    axum::serve(listener, app).await?;
    Ok(())
}
