//! Certificate renewal inside your own TLS configuration. New connections present the new certificate, and no request
//! on an open connection gets 421.
//!
//! ```sh
//! cargo run --example renewal -- CHAIN.pem KEY.pem [ADDRESS]
//! ```
//!
//! The example `pem_files` is shorter, because the crate creates the configuration. This example changes settings of
//! the configuration, and also reads the files on SIGHUP.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use rustls::crypto::ring;
use tower_misdirected::{
    CertificateFiles, ConnectionInfo, EffectiveAuthority, MisdirectedLayer, TlsListener,
};

use crate::common::Result;

/// The interval at which the files are read.
const INTERVAL: Duration = Duration::from_secs(1);

const USAGE: &str = "renewal CHAIN.pem KEY.pem [ADDRESS]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = common::arguments(USAGE, 2..=3);
    let addr = arguments.get(2).map_or("127.0.0.1:0", String::as_str);
    common::run(serve(&arguments[0], &arguments[1], addr)).await
}

async fn serve(chain: &str, key: &str, addr: &str) -> Result<()> {
    let provider = Arc::new(ring::default_provider());
    let certificate = CertificateFiles::open_with_provider(chain, key, provider.clone())?;

    // The server keeps this configuration, so a renewal changes nothing for open connections.
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certificate.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    let app = Router::new()
        .fallback(|authority: EffectiveAuthority| async move {
            format!("hello from {}\n", authority.host())
        })
        .layer(MisdirectedLayer::new().json());

    certificate.watch_with(INTERVAL, |renewed| match renewed {
        Ok(()) => println!("renewed"),
        Err(error) => eprintln!("not renewed, the old certificate stays: {error}"),
    });
    #[cfg(unix)]
    reload_on_hangup(certificate)?;

    let listener = TlsListener::bind(addr, Arc::new(config)).await?;
    println!("listening on https://{}", listener.local_addr()?);
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<ConnectionInfo>(),
    )
    .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
    .await?;
    Ok(())
}

/// Reads the files when SIGHUP arrives, for example from a hook of certbot.
#[cfg(unix)]
fn reload_on_hangup(certificate: Arc<CertificateFiles>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match certificate.reload() {
                Ok(true) => println!("renewed"),
                Ok(false) => println!("nothing has changed"),
                Err(error) => eprintln!("not renewed, the old certificate stays: {error}"),
            }
        }
    });
    Ok(())
}
