//! The application behind the connections that are drained, and virtual hosts to replace.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use http_body_util::BodyExt;
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io;
use tokio::sync::mpsc;
use tower_misdirected::{MisdirectedLayer, VirtualHosts, VirtualHostsBuilder};

use crate::pki;

/// The size of the download.
pub const LARGE: usize = 800_000;

static LEAF: LazyLock<pki::Leaf> = LazyLock::new(|| {
    pki::leaf(&[
        "a.test",
        "b.test",
        "admin.test",
        "*.w.test",
        "127.0.0.1",
        "::1",
    ])
});

/// A new configuration, equal to every other.
pub fn config() -> Arc<ServerConfig> {
    let mut config = LEAF.server_config();
    config.alpn_protocols = ["h2", "http/1.1", "h3"].map(Into::into).into();
    Arc::new(config)
}

/// Virtual hosts of which `a.test` has this configuration, and `b.test` shares it.
pub fn hosts(shared: &Arc<ServerConfig>, admin: &Arc<ServerConfig>) -> VirtualHostsBuilder {
    VirtualHosts::builder()
        .host("a.test", shared.clone())
        .host("b.test", shared.clone())
        .host("admin.test", admin.clone())
}

/// What the test lets the application send.
pub type Tap = mpsc::Sender<Bytes>;

/// The application, and what its path `/events` sends to the first that asks for it.
pub fn app() -> (Router, Tap) {
    let (tap, events) = mpsc::channel(1);
    let events = Arc::new(Mutex::new(Some(events)));
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/length", any(length))
        .route("/echo", any(echo))
        .route("/events", get(send_events))
        .with_state(events)
        .layer(MisdirectedLayer::new().json());
    (router, tap)
}

async fn length(request: Request) -> String {
    let body = request.into_body().collect().await;
    body.map_or("cut".into(), |body| body.to_bytes().len().to_string())
}

/// Sends back what comes, while it comes, as a WebSocket over HTTP/2 does (RFC 8441).
async fn echo(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let tunnel = TokioIo::new(upgrade.await.unwrap());
        let (mut receive, mut send) = io::split(tunnel);
        let _ = io::copy(&mut receive, &mut send).await;
        let _ = io::AsyncWriteExt::shutdown(&mut send).await;
    });
    Response::new(Body::empty())
}

type Events = Arc<Mutex<Option<mpsc::Receiver<Bytes>>>>;

async fn send_events(State(events): State<Events>) -> Response {
    let events = events.lock().unwrap().take().expect("asked for once");
    Response::new(Body::new(EventBody(events)))
}

struct EventBody(mpsc::Receiver<Bytes>);

impl HttpBody for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = self.0.poll_recv(context);
        event.map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
