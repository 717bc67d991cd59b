//! The server that the recipes are tested against. It records every request with its connection.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{Redirect, Response};
use axum::routing::any;
use tokio::sync::Barrier;
use tower_misdirected::{
    ConnectionInfo, MisdirectedLayer, TlsAcceptor, VirtualHosts, VirtualHostsBuilder,
};

use crate::{pki, server};

/// The requests that arrive at `/together` are answered when there are so many of them.
pub const TOGETHER: usize = 3;

/// Every HTTP version that a recipe is tested with, by its ALPN protocol.
pub const VERSIONS: [&str; 2] = ["http/1.1", "h2"];

/// A request that arrived: the client's address, which identifies the connection, and the status of the answer.
pub type Seen = (SocketAddr, u16);

pub struct Site {
    pub addr: SocketAddr,
    versions: &'static [&'static str],
    hosts: VirtualHosts,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Site {
    /// A server of `one.test` that echoes request bodies.
    pub async fn start() -> Self {
        Self::serving(echo()).await
    }

    /// A server of `one.test` with this application.
    pub async fn serving(app: Router) -> Self {
        Self::serve(app, MisdirectedLayer::new(), &VERSIONS).await
    }

    /// A server that refuses every request on every connection.
    pub async fn refusing() -> Self {
        let layer = MisdirectedLayer::new().allowed_hosts(["other.test"]);
        Self::serve(echo(), layer.unwrap(), &VERSIONS).await
    }

    /// A server of `one.test` that negotiates these HTTP versions only.
    pub async fn serve(
        app: Router,
        layer: MisdirectedLayer,
        versions: &'static [&'static str],
    ) -> Self {
        let hosts = configuration(versions).build().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let record = seen.clone();
        let app = app
            .layer(layer)
            .layer(from_fn(move |request: Request, next: Next| {
                let record = record.clone();
                async move { recorded(record, request, next).await }
            }));
        // Without GOAWAY, a client only learns from the 421 that its connection is of no use.
        let acceptor = TlsAcceptor::from(hosts.clone()).drain(None);
        let addr = server::tls(app, acceptor).await;
        Self {
            addr,
            versions,
            hosts,
            seen,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://one.test:{}{path}", self.addr.port())
    }

    /// Gives `one.test` another configuration, so that every open connection is refused from now on, and forgets what
    /// was seen. Connections of answers that were read are in the client's pool before.
    pub async fn swap(&self) {
        // A client returns a connection to its pool in a task, which is ready to run when the answer has been read.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.seen();
        self.hosts.replace(configuration(self.versions)).unwrap();
    }

    /// Returns the requests since the last call, in the order of their answers.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The same without the connections.
    pub fn statuses(&self) -> Vec<u16> {
        self.seen().iter().map(|seen| seen.1).collect()
    }
}

/// Answers with the body of the request. Requests at `/together` wait for each other.
pub fn echo() -> Router {
    let together = Arc::new(Barrier::new(TOGETHER));
    Router::new()
        .route(
            "/together",
            any(async move || {
                together.wait().await;
            }),
        )
        .route("/elsewhere", any(async || Redirect::to("/")))
        .fallback(async |body: String| body)
}

fn configuration(versions: &[&str]) -> VirtualHostsBuilder {
    let mut config = pki::leaf(&["one.test"]).server_config();
    config.alpn_protocols = versions
        .iter()
        .map(|alpn| alpn.as_bytes().to_vec())
        .collect();
    VirtualHosts::builder().host("one.test", Arc::new(config))
}

async fn recorded(seen: Arc<Mutex<Vec<Seen>>>, request: Request, next: Next) -> Response {
    let info = request
        .extensions()
        .get::<axum::extract::ConnectInfo<ConnectionInfo>>();
    let peer = info.unwrap().0.peer_addr().unwrap();
    let response = next.run(request).await;
    seen.lock()
        .unwrap()
        .push((peer, response.status().as_u16()));
    response
}
