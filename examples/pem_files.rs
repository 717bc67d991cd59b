//! An HTTPS server with a certificate from two PEM files, which it reloads when they are renewed. It supports HTTP/2
//! and answers 421:
//!
//! ```sh
//! cargo run --example pem_files -- fullchain.pem privkey.pem            # on 127.0.0.1, any free port
//! cargo run --example pem_files -- fullchain.pem privkey.pem 0.0.0.0:443
//! ```

mod common;

use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tower_misdirected::{
    CertificateFiles, ConnectionInfo, EffectiveAuthority, MisdirectedLayer, TlsListener,
};

use crate::common::Result;

const USAGE: &str = "pem_files CHAIN.pem KEY.pem [ADDRESS]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = common::arguments(USAGE, 2..=3);
    let addr = arguments.get(2).map_or("127.0.0.1:0", String::as_str);
    common::run(serve(&arguments[0], &arguments[1], addr)).await
}

async fn serve(chain: &str, key: &str, addr: &str) -> Result<()> {
    // Call this once for the process. It fails only if the process already has a default provider.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let app = Router::new()
        .route("/", get(hello))
        .layer(MisdirectedLayer::new().json());

    let certificate = CertificateFiles::open(chain, key)?;
    // `watch` does the same without a function, and writes to the log. For most servers, an interval of a minute is
    // short enough.
    certificate.watch_with(Duration::from_secs(1), |renewed| match renewed {
        Ok(()) => println!("renewed"),
        Err(error) => eprintln!("not renewed, the old certificate stays: {error}"),
    });

    let listener = TlsListener::bind(addr, certificate.server_config()?).await?;
    println!("listening on https://{}", listener.local_addr()?);
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<ConnectionInfo>(),
    )
    .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
    .await?;
    Ok(())
}

async fn hello(authority: EffectiveAuthority) -> String {
    format!("hello from {}\n", authority.host())
}
