//! Client certificates over time. The server replaces the revocation list and the authorities while it runs, and
//! clients with valid certificates are not affected. `app.localhost` resumes sessions, so a resumed handshake does not
//! verify the client certificate again. `admin.localhost` does not resume sessions, so every handshake verifies the
//! certificate.
//!
//! ```sh
//! cargo run --example client_certificates -- CHAIN.pem KEY.pem CLIENT_CA.pem CRL.pem [ADDRESS]
//! ```

#[path = "../common/mod.rs"]
mod common;
mod verifier;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, TlsListener, VirtualHosts,
};

use crate::common::Result;
use crate::verifier::Replaceable;

/// The interval at which the files are read.
const INTERVAL: Duration = Duration::from_secs(1);

const USAGE: &str = "client_certificates CHAIN.pem KEY.pem CLIENT_CA.pem CRL.pem [ADDRESS]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = common::arguments(USAGE, 4..=5);
    common::run(serve(&arguments)).await
}

async fn serve(arguments: &[String]) -> Result<()> {
    let [chain, key, ca, crl] = [0, 1, 2, 3].map(|index| &arguments[index]);
    let addr = arguments.get(4).map_or("127.0.0.1:0", String::as_str);
    let files = Files([ca, crl].map(PathBuf::from));
    let content = files.read().await?;
    let provider = Arc::new(ring::default_provider());
    // Both hosts use this verifier, whose content is replaced.
    let verifier = Arc::new(Replaceable::new(content.verifier(&files, &provider)?));

    let (certificates, private_key) = (common::certificates(chain)?, common::private_key(key)?);
    let mut app = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier.clone())
        .with_single_cert(certificates, private_key)
        .map_err(|error| common::unusable(chain, key, &error))?;
    app.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // No session resumes without a session store and a ticketer. A configuration has no ticketer by default.
    let mut admin = app.clone();
    admin.session_storage = Arc::new(NoServerSessionStorage {});

    let hosts = VirtualHosts::builder()
        .host("app.localhost", Arc::new(app))
        .host("admin.localhost", Arc::new(admin))
        .build()?;
    let router = Router::new()
        .fallback(
            |authority: EffectiveAuthority, connection: ConnectionInfo| async move {
                // The first handshake of the session verified the certificate, perhaps before it was revoked.
                let resumed = connection.resumed();
                format!("hello from {}, resumed: {resumed}\n", authority.host())
            },
        )
        .layer(MisdirectedLayer::new().json());

    let listener = TlsListener::bind(addr, hosts).await?;
    println!("listening on https://{}", listener.local_addr()?);
    tokio::spawn(refresh(verifier, provider, files, content));
    axum::serve(
        listener,
        router.into_make_service_with_connect_info::<ConnectionInfo>(),
    )
    .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
    .await?;
    Ok(())
}

/// Uses the new content of the files as soon as it is valid.
async fn refresh(
    verifier: Arc<Replaceable>,
    provider: Arc<CryptoProvider>,
    files: Files,
    mut present: Content,
) {
    let mut said = None;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let refreshed = match files.read().await {
            Ok(content) if content == present => Ok(None),
            Ok(content) => content
                .verifier(&files, &provider)
                .map(|new| Some((content, new))),
            Err(error) => Err(error),
        };
        match refreshed {
            Ok(None) => said = None,
            Ok(Some((content, new))) => {
                verifier.replace(new);
                present = content;
                said = None;
                println!("refreshed");
            }
            // A file may be half written, so the error is printed once, and the file is read again every time.
            Err(error) => {
                let error = error.to_string();
                if said.as_ref() != Some(&error) {
                    eprintln!("not refreshed, the old lists stay: {error}");
                    said = Some(error);
                }
            }
        }
    }
}

/// The authorities of client certificates, and the revocation lists.
struct Files([PathBuf; 2]);

/// The contents of the files.
#[derive(PartialEq)]
struct Content([Vec<u8>; 2]);

impl Files {
    async fn read(&self) -> Result<Content> {
        let read = async |path: &PathBuf| {
            let content = tokio::fs::read(path).await;
            content.map_err(|error| common::cannot_read(path, &error))
        };
        let Self([authorities, lists]) = self;
        Ok(Content([read(authorities).await?, read(lists).await?]))
    }
}

impl Content {
    /// Makes a verifier. The paths of the files are for errors.
    fn verifier(
        &self,
        Files([ca, crl]): &Files,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>> {
        let Self([authorities, lists]) = self;
        let (named_ca, named_crl) = (ca.display(), crl.display());
        let mut roots = RootCertStore::empty();
        for authority in rustls_pemfile::certs(&mut &**authorities) {
            let authority = authority.map_err(|_| common::not_pem(ca))?;
            common::add_authority(&mut roots, authority, ca)?;
        }
        let lists = rustls_pemfile::crls(&mut &**lists).collect::<Result<Vec<_>, _>>();
        let lists = lists.map_err(|_| common::not_pem(crl))?;
        // An empty file revokes nothing, and would accept every revoked certificate again.
        if lists.is_empty() {
            return Err(format!(
                "there is no revocation list in {named_crl}: give a PEM file with one"
            )
            .into());
        }
        // The verifier refuses a certificate if the list of its issuer is missing or out of date.
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .with_crls(lists)
                .enforce_revocation_expiration()
                .build();
        let verifier =
            verifier.map_err(|error| format!("cannot use {named_ca} with {named_crl}: {error}"))?;
        Ok(verifier)
    }
}
