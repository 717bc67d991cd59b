//! Clients of hyper-util that visit a site over TLS, and pages that refuse. What the clients see is in the tests.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode, Version};
use axum::response::IntoResponse;
use axum::routing::any;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tower::util::{ServiceFn, service_fn};
use tower::{Layer, Service, ServiceExt};
use tower_misdirected::MisdirectedLayer;
use tower_misdirected::client::{RetryMisdirected, RetryMisdirectedLayer};

use crate::site::{ASIDE, Kind, Site, Tls, pages};
use crate::{pki, wire};

pub const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

type Addresses = std::iter::Once<SocketAddr>;
type Resolver = ServiceFn<fn(Name) -> std::future::Ready<Result<Addresses, Infallible>>>;
pub type Connector = HttpsConnector<HttpConnector<Resolver>>;
pub type Plain<B = Full<Bytes>> = Client<Connector, B>;
pub type Retrying<B = Full<Bytes>> = RetryMisdirected<Plain<B>>;

/// Connects to this machine, whatever the host is.
pub fn connector(version: Version) -> Connector {
    let loopback: Resolver = service_fn(|_| {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        std::future::ready(Ok(std::iter::once(addr)))
    });
    let mut tcp = HttpConnector::new_with_resolver(loopback);
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(pki::client(&[]))
        .https_only();
    match version {
        Version::HTTP_11 => https.enable_http1().wrap_connector(tcp),
        _ => https.enable_http2().wrap_connector(tcp),
    }
}

/// The client without the layer.
pub fn plain<B>(version: Version) -> Plain<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).build(connector(version))
}

pub fn retrying<B>(version: Version) -> Retrying<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    RetryMisdirectedLayer::new().layer(plain(version))
}

/// A site that never tells idle connections of a change, and whose refusals leave connections open. So only clients
/// decide which connections they use again.
pub async fn site() -> Site {
    serve(pages()).await
}

/// The same, with these routes.
pub async fn serve(routes: Router) -> Site {
    let kind = Kind {
        tls: Tls::Apart,
        drain: None,
        http3: false,
    };
    Site::serve(
        kind,
        routes.layer(MisdirectedLayer::new().close_http1(false)),
    )
    .await
}

/// The pages of a site, and `/refused`, which is refused on every connection. Its answers are numbered.
pub fn refusing() -> Router {
    let number = Arc::new(AtomicUsize::new(0));
    let refuse = any(move |_: Bytes| async move {
        let number = 1 + number.fetch_add(1, Ordering::SeqCst);
        let fields = [
            ("alt-svc", r#"h2="127.0.0.1:9""#.to_owned()),
            ("x-number", number.to_string()),
        ];
        let body = format!("refusal {number}");
        (StatusCode::MISDIRECTED_REQUEST, fields, body).into_response()
    });
    pages().route("/refused", refuse)
}

/// Changes the TLS configuration of every host of the site. `client` needs a connection of another host for it.
pub async fn change<S, B>(client: &S, site: &Site)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: std::fmt::Debug> + Clone,
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let answer = send(client, get(format!("{}change", site.url(ASIDE)))).await;
    assert_eq!(answer.status(), 200);
    let last = site.take().pop().unwrap();
    assert_eq!(last.path, "/change");
}

pub fn get(url: impl AsRef<str>) -> Request<Full<Bytes>> {
    Request::get(url.as_ref()).body(Full::default()).unwrap()
}

pub fn post(url: impl AsRef<str>, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(url.as_ref())
        .body(Full::new(body.into()))
        .unwrap()
}

/// Sends a request and reads the response.
pub async fn send<S, Q, B>(client: &S, request: Request<Q>) -> Response<String>
where
    S: Service<Request<Q>, Response = Response<B>, Error: std::fmt::Debug> + Clone,
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let response = soon(client.clone().oneshot(request)).await.unwrap();
    read(response).await
}

pub async fn read<B>(response: Response<B>) -> Response<String>
where
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let (head, body) = response.into_parts();
    let body = soon(body.collect()).await.unwrap().to_bytes();
    Response::from_parts(head, String::from_utf8(body.into()).unwrap())
}

/// What takes longer never comes.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    let future = tokio::time::timeout(wire::PATIENCE, future);
    future.await.expect("an end in time")
}

/// The status of each attempt since the last time, and its connection, numbered from 0 in the order of use.
pub fn attempts(site: &Site) -> Vec<(u16, usize)> {
    let records = site.take();
    let mut connections = Vec::new();
    let mut attempts = Vec::new();
    for record in records {
        let known = connections
            .iter()
            .position(|known| *known == record.connection);
        let connection = known.unwrap_or_else(|| {
            connections.push(record.connection);
            connections.len() - 1
        });
        attempts.push((record.status, connection));
    }
    attempts
}
