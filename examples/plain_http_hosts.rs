//! A plain HTTP server that only the same machine uses, such as a development server. A list of hosts protects it
//! against DNS rebinding: if `evil.example` makes its own name resolve to 127.0.0.1, requests of its pages still have
//! `Host: evil.example`, and get 421.
//!
//! ```sh
//! cargo run --example plain_http_hosts
//! ```

mod common;

use std::process::ExitCode;

use axum::Router;
use tokio::net::TcpListener;
use tower_misdirected::{EffectiveAuthority, MisdirectedLayer};

use crate::common::Result;

#[tokio::main]
async fn main() -> ExitCode {
    common::arguments("plain_http_hosts", 0..=0);
    common::run(serve()).await
}

async fn serve() -> Result<()> {
    let app = Router::new()
        .fallback(|authority: EffectiveAuthority| async move {
            format!("hello from {}\n", authority.host())
        })
        // For a dev container or a phone in the same network, see `loopback_and`.
        .layer(MisdirectedLayer::loopback());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    println!("listening on http://{addr}");
    println!("  curl -i http://{addr}/");
    println!("  curl -i -H 'Host: evil.example' http://{addr}/");
    axum::serve(listener, app).await?;
    Ok(())
}
