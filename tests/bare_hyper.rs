//! The layer over hyper alone: no axum, so nothing but hyper tidies up after it.

mod pki;
mod wire;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{
    EffectiveAuthority, MisdirectedLayer, Refusal, Responder, TlsAcceptor, VirtualHosts,
};

async fn serve<R>(layer: MisdirectedLayer<R>) -> SocketAddr
where
    R: Responder<Full<Bytes>> + Clone + Send + 'static,
{
    serve_with(pki::server(&["a.test", "b.test"]), layer).await
}

async fn serve_with<R>(tls: impl Into<TlsAcceptor>, layer: MisdirectedLayer<R>) -> SocketAddr
where
    R: Responder<Full<Bytes>> + Clone + Send + 'static,
{
    let acceptor = tls.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (handshake, layer) = (acceptor.accept(tcp), layer.clone());
            tokio::spawn(async move {
                let Ok(stream) = handshake.await else { return };
                let service = ServiceBuilder::new()
                    .layer(AddExtensionLayer::new(stream.connection_info().clone()))
                    .layer(layer)
                    .service(service_fn(hello));
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            });
        }
    });
    addr
}

async fn hello(request: http::Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let authority = EffectiveAuthority::of(&request).unwrap();
    Ok(Response::new(Full::from(authority.to_string())))
}

#[tokio::test]
async fn d5_both_versions_are_judged() {
    let addr = serve(MisdirectedLayer::new().json().close_http1(false)).await;
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    let client = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    let client = wire::http2(client).await;
    for (host, status, body) in [
        ("a.test", 200, "a.test"),
        ("b.test", 200, "b.test"),
        ("c.test", 421, r#"{"error":"misdirected_request"}"#),
        ("x@a.test", 400, r#"{"error":"bad_request"}"#),
    ] {
        let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!((answer.status, &*answer.body), (status, body));
        let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
        assert_eq!((answer.status().as_u16(), &**answer.body()), (status, body));
    }
}

#[tokio::test]
async fn b6_virtual_hosts_choose_the_configuration_and_keep_hosts_apart() {
    let leaf = pki::leaf(&["a.test", "b.test", "c.test"]);
    let shared = Arc::new(leaf.server_config());
    let hosts = VirtualHosts::builder()
        .host("a.test", shared.clone())
        .host("b.test", Arc::new(leaf.server_config()))
        .host("c.test", shared)
        .build();
    let addr = serve_with(hosts.unwrap(), MisdirectedLayer::new().close_http1(false)).await;
    for (sni, host, status) in [
        ("a.test", "a.test", 200),
        ("a.test", "c.test", 200),
        ("a.test", "b.test", 421),
        ("b.test", "b.test", 200),
        ("b.test", "a.test", 421),
    ] {
        let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some(sni)).await;
        let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!(answer.status, status, "{sni} -> {host}");
        let io = wire::connect(addr, pki::client(&["h2"]), Some(sni)).await;
        let answer = wire::send2(&wire::http2(io).await, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), status, "{sni} -> {host}");
    }
}

#[tokio::test]
async fn c2_an_answer_to_head_has_no_body() {
    let custom = |refusal: &Refusal<'_>| {
        let mut response = Response::new(Full::from("a body of its own"));
        *response.status_mut() = refusal.status();
        response
    };
    for addr in [
        serve(MisdirectedLayer::new().json()).await,
        serve(MisdirectedLayer::new().responder(custom)).await,
    ] {
        let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
        let answer = wire::exchange(&mut io, "HEAD / HTTP/1.1\nHost: c.test\n\n").await;
        assert_eq!(answer.status, 421);
        assert!(wire::closes(&mut io).await, "nothing follows the head");

        let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
        let request = wire::request2(Method::HEAD, "https", Some("c.test"), &[]);
        let answer = wire::send2(&wire::http2(io).await, request).await;
        assert_eq!((answer.status().as_u16(), &**answer.body()), (421, ""));
    }
}
