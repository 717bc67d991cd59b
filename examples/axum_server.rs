//! axum-server with hot reload of the certificate. After a reload, new connections present the new certificate. The
//! layer judges each open connection by the certificate that it presented.
//!
//! ```sh
//! cargo run --example axum_server                                  # a certificate made in memory
//! cargo run --example axum_server -- chain.pem key.pem [ADDRESS]   # reloaded on SIGHUP
//! ```

mod common;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower_misdirected::{EffectiveAuthority, MisdirectedLayer, TlsAcceptor};

use crate::common::Result;

const USAGE: &str = "axum_server [CHAIN.pem KEY.pem [ADDRESS]]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = common::arguments(USAGE, 0..=3);
    common::run(serve(arguments)).await
}

async fn serve(arguments: Vec<String>) -> Result<()> {
    let mut arguments = arguments.into_iter();
    let files = match (arguments.next(), arguments.next()) {
        (Some(chain), Some(key)) => Some((chain, key)),
        (None, _) => None,
        _ => return Err(format!("KEY.pem is missing\nusage: {USAGE}").into()),
    };
    let addr = arguments.next().unwrap_or("127.0.0.1:0".to_owned());
    let addr: SocketAddr = addr
        .parse()
        .map_err(|_| format!("`{addr}` is not an address and a port, such as 127.0.0.1:8443"))?;

    let config = RustlsConfig::from_config(match &files {
        Some((chain, key)) => from_pem(chain, key)?,
        None => in_memory()?,
    });

    let app = Router::new()
        .fallback(|authority: EffectiveAuthority| async move {
            format!("hello from {}\n", authority.host())
        })
        .layer(MisdirectedLayer::new().json());

    let handle = Handle::new();
    let server = axum_server::bind(addr)
        .acceptor(TlsAcceptor::from(config.clone()))
        .handle(handle.clone())
        .serve(app.into_make_service());

    tokio::spawn(manage(handle, config, files));
    server.await.map_err(|error| {
        format!("cannot listen on {addr}: {error}; choose another address or port")
    })?;
    Ok(())
}

/// Prints the address of the server, reloads on SIGHUP, and shuts down gracefully on Ctrl-C.
async fn manage(
    handle: Handle<SocketAddr>,
    config: RustlsConfig,
    files: Option<(String, String)>,
) -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                let new = match &files {
                    Some((chain, key)) => from_pem(chain, key),
                    None => in_memory(),
                };
                match new {
                    Ok(new) => {
                        config.reload_from_config(new);
                        println!("reloaded");
                    }
                    Err(error) => eprintln!("not reloaded: {error}"),
                }
            }
        });
    }
    if let Some(addr) = handle.listening().await {
        println!("listening on https://{addr}");
    }
    tokio::signal::ctrl_c().await?;
    handle.graceful_shutdown(Some(Duration::from_secs(10)));
    Ok(())
}

fn from_pem(chain: &str, key: &str) -> Result<Arc<ServerConfig>> {
    let config = server_config(common::certificates(chain)?, common::private_key(key)?);
    config.map_err(|error| common::unusable(chain, key, &error).into())
}

fn in_memory() -> Result<Arc<ServerConfig>> {
    let names = ["app.localhost", "api.localhost"].map(String::from);
    let key = rcgen::generate_simple_self_signed(names)?;
    let private_key = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    Ok(server_config(vec![key.cert.der().clone()], private_key)?)
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
