//! The server behind the proxies: it serves a host only under its own server name. The proxies are in `servers`.

use std::net::SocketAddr;

use axum::Router;
use tower_misdirected::{Coalescing, MisdirectedLayer, VirtualHosts};

use crate::servers::changed;
use crate::{pki, server};

/// Both hosts have one certificate and one TLS configuration, which connections without a server name get too.
pub async fn start(changes: &[(&str, &str)]) -> SocketAddr {
    let [a, b] = ["a.test", "b.test"].map(|name| changed(name, changes));
    let config = pki::server(&[&a, &b]);
    let hosts = VirtualHosts::builder()
        .host(&*a, config.clone())
        .host(&*b, config)
        .default_to(&*a)
        .build()
        .unwrap();
    let app = Router::new()
        .fallback(|| async { "site\n" })
        .layer(MisdirectedLayer::new().coalescing(Coalescing::Never));
    server::tls(app, hosts).await
}
