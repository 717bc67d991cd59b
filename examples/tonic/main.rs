//! A tonic server with two hosts, `app.localhost` and `admin.localhost`. Only `admin.localhost` requires client
//! certificates. A client calls each host on a connection for that host, and then calls `admin.localhost` on a
//! connection for `app.localhost`.
//!
//! ```sh
//! cargo run --example tonic
//! ```

mod client;
#[path = "../common/mod.rs"]
mod common;
mod greeter;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener, VirtualHosts};

use crate::client::connect;
use crate::common::Result;
use crate::greeter::{GreeterClient, GreeterServer};

const APP: &str = "app.localhost";
const ADMIN: &str = "admin.localhost";

#[tokio::main]
async fn main() -> ExitCode {
    common::arguments("tonic", 0..=0);
    common::run(serve()).await
}

async fn serve() -> Result<()> {
    let server = rcgen::generate_simple_self_signed([APP, ADMIN].map(String::from))?;
    let user = rcgen::generate_simple_self_signed(["user.localhost".to_owned()])?;
    let hosts = VirtualHosts::builder()
        .host(APP, server_config(&server, None)?)
        .host(ADMIN, server_config(&server, Some(&user))?)
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", hosts).await?;
    let addr = listener.local_addr()?;
    println!("listening on https://{addr}");

    let client = tokio::spawn(call(addr, client_config(&server, &user)?));
    // An interceptor sees the same extensions as a handler.
    let greeter = InterceptedService::new(GreeterServer::new(hello), log);
    Server::builder()
        .layer(MisdirectedLayer::new())
        .add_service(greeter)
        .serve_with_incoming_shutdown(listener.into_incoming(), async {
            drop(tokio::signal::ctrl_c().await);
        })
        .await?;
    client.await?
}

async fn hello(request: Request<String>) -> Result<Response<String>, Status> {
    let connection = connection(&request)?;
    let known = match connection.client_certificates().next() {
        Some(_) => "with a client certificate",
        None => "without a client certificate",
    };
    Ok(Response::new(format!(
        "hello {}, {known}",
        request.get_ref()
    )))
}

fn log(request: Request<()>) -> Result<Request<()>, Status> {
    eprintln!(
        "on a connection for {:?}",
        connection(&request)?.server_name()
    );
    Ok(request)
}

/// Returns the info that tonic inserted. tonic's `remote_addr` and `peer_certs` return `None` for this connection.
fn connection<T>(request: &Request<T>) -> Result<&ConnectionInfo, Status> {
    let connection = request.extensions().get();
    connection.ok_or_else(|| Status::internal("no connection info"))
}

async fn call(addr: SocketAddr, tls: Arc<ClientConfig>) -> Result<()> {
    for (host, authority) in [(APP, APP), (ADMIN, ADMIN), (APP, ADMIN)] {
        let channel = connect(addr, tls.clone(), host, authority).await?;
        let answer = GreeterClient::new(channel).hello("world").await;
        match answer {
            Ok(answer) => println!("{authority} on a connection for {host}: {answer}"),
            // A client repeats the call on another connection.
            Err(status) => {
                let (code, message) = (status.code(), status.message());
                println!("{authority} on a connection for {host}: {code:?}, {message}");
            }
        }
    }
    println!("serving until Ctrl-C");
    Ok(())
}

/// Creates a configuration. With a user, it requires the certificate of this user.
fn server_config(
    server: &CertifiedKey<KeyPair>,
    user: Option<&CertifiedKey<KeyPair>>,
) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let config = match user {
        None => config.with_no_client_auth(),
        Some(user) => {
            let roots = Arc::new(roots(user)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            config.with_client_cert_verifier(verifier.build()?)
        }
    };
    let mut config =
        config.with_single_cert(vec![server.cert.der().clone()], private_key(server))?;
    // tonic serves only HTTP/2.
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn client_config(
    server: &CertifiedKey<KeyPair>,
    user: &CertifiedKey<KeyPair>,
) -> Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(server)?)
        .with_client_auth_cert(vec![user.cert.der().clone()], private_key(user))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn roots(key: &CertifiedKey<KeyPair>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(key.cert.der().clone())?;
    Ok(roots)
}

fn private_key(key: &CertifiedKey<KeyPair>) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into())
}
