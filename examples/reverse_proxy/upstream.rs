//! The upstream, and the client that sends it requests. Changing requests and answers lives in `proxy`.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::uri::Scheme;
use axum::http::{Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, service_fn};
use tower_misdirected::client::RetryMisdirectedLayer;

use crate::common::{self, Result};

/// The time limit of connecting, without the TLS handshake.
const CONNECT: Duration = Duration::from_secs(5);

/// The time for which an idle connection is kept.
const KEPT: Duration = Duration::from_secs(30);

/// The number of idle HTTP/1.1 connections that are kept for each host. Fewer than `MAX_POOLED_REFUSALS`.
const IDLE: usize = 16;

/// The body of a request: in memory, so that it can be sent twice, or a stream.
pub type Payload = Either<Full<Bytes>, Body>;

/// A client that sends requests to the upstream, for every host in their URI.
pub type Client = BoxCloneSyncService<Request<Payload>, Response<Incoming>, legacy::Error>;

/// The address of the upstream.
pub struct Upstream {
    pub scheme: Scheme,
    host: String,
    port: u16,
}

impl FromStr for Upstream {
    type Err = ();

    fn from_str(url: &str) -> Result<Self, ()> {
        let uri: Uri = url.parse().map_err(drop)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(());
        };
        if uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(());
        }
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err(()),
        };
        Ok(Self {
            scheme: scheme.clone(),
            // Without the brackets of an IPv6 address.
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(default_port),
        })
    }
}

impl Upstream {
    /// Creates a client that trusts the authorities in a PEM file.
    pub fn client(&self, ca: Option<&str>) -> Result<Client> {
        if self.scheme == Scheme::HTTPS && ca.is_none() {
            return Err("an upstream with https needs --ca".into());
        }
        let addr = (self.host.clone(), self.port);
        let tcp = service_fn(move |_: Uri| {
            let addr = addr.clone();
            async move {
                let stream = timeout(CONNECT, TcpStream::connect(addr)).await??;
                stream.set_nodelay(true)?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        });
        let client = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT)
            .pool_max_idle_per_host(IDLE)
            .build(HttpsConnector::from((tcp, client_config(ca)?)));
        // Directly around the client, so that it finds the connection of every attempt.
        let client = ServiceBuilder::new()
            .layer(RetryMisdirectedLayer::new())
            .service(client);
        Ok(BoxCloneSyncService::new(client))
    }
}

fn client_config(ca: Option<&str>) -> Result<Arc<ClientConfig>> {
    let roots = match ca {
        Some(ca) => common::authorities(ca)?,
        None => RootCertStore::empty(),
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
