//! Certificate renewal inside one TLS configuration: new connections get the new certificate, and not one
//! request on an open connection is answered 421.
//!
//! ```sh
//! cargo run --example renewal -- CHAIN.pem KEY.pem [ADDRESS]
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tower_misdirected::{ConnectionInfo, EffectiveAuthority, MisdirectedLayer, TlsListener};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(chain), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: renewal CHAIN.pem KEY.pem [ADDRESS]".into());
    };
    let addr = arguments.next().unwrap_or("127.0.0.1:0".to_owned());

    let files = Files(chain.into(), key.into());
    let content = files.read().await?;
    let certificate = Arc::new(Renewable(RwLock::new(content.parse()?)));

    // This one stays, and with it the policy that connections are judged by.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    let app = Router::new()
        .fallback(|authority: EffectiveAuthority| async move {
            format!("hello from {}\n", authority.host())
        })
        .layer(MisdirectedLayer::new().json());

    let listener = TlsListener::bind(addr, Arc::new(config)).await?;
    println!("listening on https://{}", listener.local_addr()?);
    tokio::spawn(renew(certificate, files, content));
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<ConnectionInfo>(),
    )
    .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
    .await?;
    Ok(())
}

/// Presents whatever comes into the files, once it is a certificate with its key.
async fn renew(certificate: Arc<Renewable>, files: Files, mut present: Content) {
    let mut said = None;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let renewed = match files.read().await {
            Ok(content) if content == present => Ok(None),
            Ok(content) => content.parse().map(|key| Some((content, key))),
            Err(error) => Err(error),
        };
        match renewed {
            Ok(None) => said = None,
            Ok(Some((content, key))) => {
                certificate.replace(key);
                present = content;
                said = None;
                println!("renewed");
            }
            // The two files are never replaced at the same moment, so this may well pass by itself. It is
            // said once, and tried again every time.
            Err(error) => {
                let error = error.to_string();
                if said.as_ref() != Some(&error) {
                    eprintln!("not renewed, the old certificate stays: {error}");
                    said = Some(error);
                }
            }
        }
    }
}

/// Chain and private key.
struct Files(PathBuf, PathBuf);

/// What is in them. It is compared itself: a watch on a path would follow the old file where a new one is
/// renamed over it, and see nothing where a symbolic link further up is turned, as Kubernetes does; and
/// times of modification may go backwards, or stay.
#[derive(PartialEq)]
struct Content(Vec<u8>, Vec<u8>);

impl Files {
    async fn read(&self) -> Result<Content> {
        let read = async |path: &PathBuf| {
            let content = tokio::fs::read(path).await;
            content.map_err(|error| format!("{}: {error}", path.display()))
        };
        Ok(Content(read(&self.0).await?, read(&self.1).await?))
    }
}

impl Content {
    fn parse(&self) -> Result<Arc<CertifiedKey>> {
        let chain = rustls_pemfile::certs(&mut &*self.0).collect::<Result<Vec<_>, _>>()?;
        let key = rustls_pemfile::private_key(&mut &*self.1)?.ok_or("there is no private key")?;
        let key = CertifiedKey::new(chain, ring::sign::any_supported_type(&key)?);
        // A new certificate with the old key would make every handshake fail.
        key.keys_match()?;
        Ok(Arc::new(key))
    }
}

#[derive(Debug)]
struct Renewable(RwLock<Arc<CertifiedKey>>);

impl Renewable {
    fn replace(&self, key: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl ResolvesServerCert for Renewable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(key.clone())
    }
}
