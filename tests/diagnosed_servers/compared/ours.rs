//! The compared site on this crate, with its defaults. The site on the other servers is in their configuration files.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tower_misdirected::{MisdirectedLayer, VirtualHosts};

use crate::{pki, server};

pub async fn start() -> SocketAddr {
    let ab = pki::server(&["a.test", "b.test", "127.0.0.1"]);
    let wildcard = pki::leaf(&["*.w.test"]);
    let hosts = VirtualHosts::builder()
        .host("a.test", ab.clone())
        .host("b.test", ab.clone())
        .host("127.0.0.1", ab)
        .host("old.test", pki::server(&["old.test"]))
        .host("www.w.test", Arc::new(wildcard.server_config()))
        .host("admin.w.test", Arc::new(wildcard.mutual_tls_config()))
        // For connections without a server name.
        .default_to("a.test")
        .build()
        .unwrap();
    let app = Router::new()
        .fallback(|| async { "site\n" })
        .layer(MisdirectedLayer::new());
    server::tls(app, hosts).await
}
