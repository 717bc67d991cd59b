//! A reverse proxy whose clients never see a 421 of the upstream. If the upstream refuses a request, the proxy repeats
//! it on another connection. If the upstream refuses it there too, the proxy answers 502.
//!
//! ```sh
//! cargo run --example reverse_proxy -- --upstream http://127.0.0.1:8080
//! cargo run --example reverse_proxy -- --upstream https://127.0.0.1:8443 --ca ca.pem \
//!     --host www.example.com --chain fullchain.pem --key privkey.pem --listen 0.0.0.0:443
//! ```
//!
//! - `--host` names a host that the proxy serves, and may be repeated. The default is `app.localhost` and
//!   `api.localhost`. The proxy answers 421 to requests for other hosts, and does not forward them.
//! - Without `--chain` and `--key`, the proxy presents a certificate created in memory.
//! - `--timeout` is the time limit in seconds until the head of the answer, and for each pause of a body. The default
//!   is 60.
//!
//! The proxy opens separate upstream connections for each host, with the host as server name. So the upstream's
//! certificate must cover the hosts. `--ca` names the file with the authority that signed the certificate.
//!
//! - The upstream gets the client's host without the port. `X-Forwarded-Host` contains both, `X-Forwarded-For` contains
//!   the client's address, and `X-Forwarded-Proto` is `https`. The proxy drops these fields from clients, also if a
//!   name has `_` instead of `-`.
//! - The proxy reads an upload of up to 64 KiB first, so that it can be repeated. It forwards a longer upload, or an
//!   upload of unknown length, as it arrives. If the upstream refuses such an upload, the client gets 502.
//! - The proxy does not forward `CONNECT`, `TRACE` and protocol upgrades such as WebSockets.

#[path = "../common/mod.rs"]
mod common;
mod fields;
mod proxy;
mod upstream;

use std::num::NonZeroU16;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tower_misdirected::{CertificateFiles, ConnectionInfo, MisdirectedLayer, TlsListener};

use crate::common::{Arguments, Result};
use crate::proxy::{Proxy, forward};
use crate::upstream::Upstream;

const USAGE: &str = "reverse_proxy --upstream URL [--ca CA.pem] [--host NAME]... \
                     [--chain CHAIN.pem --key KEY.pem] [--listen ADDRESS] [--timeout SECONDS]";

#[derive(Default)]
struct Options {
    upstream: Option<Upstream>,
    ca: Option<String>,
    hosts: Vec<String>,
    chain: Option<String>,
    key: Option<String>,
    listen: Option<String>,
    timeout: Option<NonZeroU16>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut options = Options::default();
    let mut arguments = Arguments::new(USAGE);
    while let Some(argument) = arguments.next() {
        let mut file = || Some(arguments.value(&argument, "a file"));
        match &*argument {
            "--ca" => options.ca = file(),
            "--chain" => options.chain = file(),
            "--key" => options.key = file(),
            "--host" => options.hosts.push(arguments.value("--host", "a host")),
            "--listen" => options.listen = Some(arguments.value("--listen", "an address")),
            "--timeout" => {
                let expected = "a number of seconds from 1 to 65535";
                options.timeout = Some(arguments.value("--timeout", expected));
            }
            "--upstream" => {
                let expected = "a URL without a path, such as https://127.0.0.1:8443";
                options.upstream = Some(arguments.value("--upstream", expected));
            }
            other => arguments.unexpected(other),
        }
    }
    common::run(serve(options)).await
}

async fn serve(options: Options) -> Result<()> {
    let Some(upstream) = options.upstream else {
        return Err(format!("--upstream is missing\nusage: {USAGE}").into());
    };
    let mut hosts = options.hosts;
    if hosts.is_empty() {
        hosts = ["app.localhost", "api.localhost"].map(String::from).into();
    }
    // This 421 is about the client's connection to the proxy, and a gateway may send it (RFC 9110 §7.4). The list keeps
    // requests for unknown hosts away from the upstream, where each of them would cost a connection.
    let misdirected = MisdirectedLayer::new().allowed_hosts(&hosts)?;
    let tls = match (&options.chain, &options.key) {
        (Some(chain), Some(key)) => from_files(chain, key)?,
        (None, None) => in_memory(&hosts)?,
        _ => return Err(format!("--chain and --key need each other\nusage: {USAGE}").into()),
    };

    let timeout = options.timeout.map_or(60, NonZeroU16::get);
    let timeout = Duration::from_secs(timeout.into());
    let proxy = Proxy::new(upstream, options.ca.as_deref(), timeout)?;
    let app = Router::new()
        .fallback(forward)
        .with_state(proxy)
        .layer(misdirected);

    let listen = options.listen.as_deref().unwrap_or("127.0.0.1:0");
    let listener = TlsListener::bind(listen, tls).await?;
    println!("listening on https://{}", listener.local_addr()?);
    println!("serving {}", hosts.join(", "));
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<ConnectionInfo>(),
    )
    .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
    .await?;
    Ok(())
}

fn from_files(chain: &str, key: &str) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let certificate = CertificateFiles::open_with_provider(chain, key, provider)?;
    // Presents the renewed certificate to new connections.
    certificate.watch(Duration::from_secs(60));
    Ok(certificate.server_config()?)
}

fn in_memory(hosts: &[String]) -> Result<Arc<ServerConfig>> {
    let key = rcgen::generate_simple_self_signed(hosts)?;
    let private_key = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private_key)?;
    Ok(Arc::new(config))
}
