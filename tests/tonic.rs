//! tonic's own server behind `TlsListener::into_incoming`, and tonic's routes behind `axum::serve`. What every refused
//! gRPC call carries is in `tests/grpc.rs`.

#[path = "../examples/tonic/client.rs"]
mod client;
#[path = "../examples/tonic/greeter.rs"]
mod greeter;
mod pki;
mod server;
mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use futures_util::{FutureExt, StreamExt};
use http::Method;
use http::header::HeaderValue;
use http_body_util::Full;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Error, Server};
use tonic::{Code, Request, Response, Status};
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_misdirected::{
    ConnectionInfo, MisdirectedLayer, Refusal, TlsAcceptor, TlsIncoming, TlsListener, VirtualHosts,
};

use crate::client::connect;
use crate::greeter::{GreeterClient, GreeterServer};
use crate::pki::Leaf;
use crate::wire::PATIENCE;

static SERVER: LazyLock<Leaf> = LazyLock::new(|| pki::leaf(&["one.test", "admin.test"]));
static USER: LazyLock<Leaf> = LazyLock::new(|| pki::leaf(&["user.test"]));

fn admin() -> Arc<ServerConfig> {
    let mut config = SERVER.mutual_tls_config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// `one.test` asks nobody for a certificate, and `admin.test` requires one.
fn hosts() -> VirtualHosts {
    VirtualHosts::builder()
        .host("one.test", Arc::new(SERVER.server_config()))
        .host("admin.test", admin())
        .build()
        .unwrap()
}

async fn listen(tls: impl Into<TlsAcceptor>) -> (SocketAddr, TlsIncoming) {
    let listener = TlsListener::bind("127.0.0.1:0", tls).await.unwrap();
    let addr = listener.local_addr().unwrap();
    (addr, listener.into_incoming())
}

/// Answers with what a service can see of its connection.
async fn describe(request: Request<String>) -> Result<Response<String>, Status> {
    assert_eq!(request.remote_addr(), None);
    let info = request.extensions().get::<ConnectionInfo>();
    let info = info.ok_or_else(|| Status::internal("no connection info"))?;
    let client = match info.client_certificates().next() {
        None => "nobody",
        Some(der) if der == &*USER.der => "user",
        Some(_) => "somebody else",
    };
    let peer = info.peer_addr().unwrap().ip();
    let sni = info.server_name().unwrap();
    Ok(Response::new(format!("{sni} {client} {peer}")))
}

/// A service that describes connections, and counts calls.
fn routes() -> (Routes, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = GreeterServer::new(move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        describe(request)
    });
    (Routes::new(service), calls)
}

/// A client with a certificate, which it presents if it is asked.
fn with_certificate() -> Arc<rustls::ClientConfig> {
    Arc::new(pki::client_with_certificate(&["h2"], &USER))
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(PATIENCE, future).await;
    outcome.expect("an end in time")
}

/// One call for `authority` on a new connection for `host`.
async fn call(
    addr: SocketAddr,
    host: &'static str,
    authority: &'static str,
) -> Result<String, Status> {
    hello(
        &in_time(connect(addr, with_certificate(), host, authority))
            .await
            .unwrap(),
    )
    .await
}

async fn hello(channel: &Channel) -> Result<String, Status> {
    in_time(GreeterClient::new(channel.clone()).hello("")).await
}

async fn assert_calls(addr: SocketAddr, calls: &AtomicUsize) {
    for (host, authority, expected) in [
        ("one.test", "one.test", Some("one.test nobody 127.0.0.1")),
        (
            "admin.test",
            "admin.test",
            Some("admin.test user 127.0.0.1"),
        ),
        ("one.test", "admin.test", None),
        ("admin.test", "one.test", None),
    ] {
        let before = calls.load(Ordering::SeqCst);
        let answer = call(addr, host, authority).await;
        let called = calls.load(Ordering::SeqCst) - before;
        match expected {
            Some(expected) => assert_eq!((&*answer.unwrap(), called), (expected, 1)),
            None => {
                let status = answer.unwrap_err();
                assert_eq!(status.code(), Code::Unavailable, "{host} -> {authority}");
                assert_eq!(status.message(), "misdirected request");
                assert_eq!(called, 0);
            }
        }
    }
}

#[tokio::test]
async fn d5_tonics_server_serves_a_host_on_its_own_connections_only() {
    let (routes, calls) = routes();
    let (addr, incoming) = listen(hosts()).await;
    let server = Server::builder()
        .layer(MisdirectedLayer::new())
        .add_routes(routes)
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    assert_calls(addr, &calls).await;
    // Nobody comes in for `admin.test` without a certificate.
    let bare = Arc::new(pki::client(&["h2"]));
    let channel = in_time(connect(addr, bare, "admin.test", "admin.test")).await;
    let outcome = match channel {
        Ok(channel) => hello(&channel).await.map_err(drop),
        Err(_) => Err(()),
    };
    assert_eq!(outcome, Err(()));
}

#[tokio::test]
async fn d5_tonics_routes_behind_axum_serve_follow_the_same_rules() {
    let (routes, calls) = routes();
    let app = routes.into_axum_router();
    // axum inserts `ConnectInfo<ConnectionInfo>`, and the service asks for `ConnectionInfo`.
    let unwrap = axum::middleware::map_request(
        async |info: ConnectionInfo, mut request: axum::extract::Request| {
            request.extensions_mut().insert(info);
            request
        },
    );
    let app = app.layer(unwrap).layer(MisdirectedLayer::new().json());
    let addr = server::tls(app, hosts()).await;
    assert_calls(addr, &calls).await;
}

#[tokio::test]
async fn d5_an_interceptor_sees_the_connection_and_no_refused_call() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let interceptor = move |request: Request<()>| {
        count.fetch_add(1, Ordering::SeqCst);
        let info = request.extensions().get::<ConnectionInfo>().unwrap();
        match info.server_name() {
            Some("one.test") => Ok(request),
            name => Err(Status::permission_denied(format!("{name:?}"))),
        }
    };
    let (addr, incoming) = listen(hosts()).await;
    let server = Server::builder()
        .layer(MisdirectedLayer::new())
        .add_service(InterceptedService::new(
            GreeterServer::new(describe),
            interceptor,
        ))
        .serve_with_incoming(incoming);
    tokio::spawn(server);

    assert_eq!(
        call(addr, "one.test", "one.test").await.unwrap(),
        "one.test nobody 127.0.0.1"
    );
    let denied = call(addr, "admin.test", "admin.test").await.unwrap_err();
    assert_eq!(
        (denied.code(), denied.message()),
        (Code::PermissionDenied, r#"Some("admin.test")"#)
    );
    let refused = call(addr, "one.test", "admin.test").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

/// Without an acceptor of this crate nothing is served unchecked.
#[tokio::test]
async fn b2_tonics_own_listener_brings_no_connection_info() {
    let (routes, calls) = routes();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let server = Server::builder()
        .layer(MisdirectedLayer::new())
        .add_routes(routes)
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(tcp));
    tokio::spawn(server);
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).unwrap();
    let status = hello(&in_time(channel.connect()).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Internal, "internal server error")
    );
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

/// What a client gets for `admin.test` on a connection for `one.test`.
async fn refusal(addr: SocketAddr, method: Method, content_type: &str) -> http::Response<String> {
    let io = wire::connect(addr, pki::client(&["h2"]), Some("one.test")).await;
    let mut request = wire::request2(method, "https", Some("admin.test"), &[]);
    let content_type = HeaderValue::from_str(content_type).unwrap();
    request.headers_mut().insert("content-type", content_type);
    let client = wire::http2(io).await;
    let answer = wire::send2(&client, request);
    in_time(answer).await
}

fn field<'a>(response: &'a http::Response<String>, name: &str) -> Option<&'a str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

/// tonic's body has no conversion from bytes, so `json()` does not fit it.
fn json(refusal: &Refusal<'_>) -> http::Response<Body> {
    let json = Full::from(r#"{"error":"misdirected_request"}"#);
    let mut response = http::Response::new(Body::new(json));
    *response.status_mut() = refusal.status();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    response
}

#[tokio::test]
async fn c8_refused_calls_and_other_refused_requests_leave_tonics_server_as_the_layer_wrote_them() {
    const JSON: &str = r#"{"error":"misdirected_request"}"#;
    for (body, kind) in [("", "none"), (JSON, "responder"), (JSON, "json")] {
        let (addr, incoming) = listen(hosts()).await;
        let layer = MisdirectedLayer::new();
        let routes = Routes::default();
        // Each layer makes another type of server.
        match kind {
            "none" => {
                let server = Server::builder().layer(layer).add_routes(routes);
                tokio::spawn(server.serve_with_incoming(incoming));
            }
            "responder" => {
                let server = Server::builder().layer(layer.responder(json));
                let server = server.clone().add_routes(routes);
                tokio::spawn(server.serve_with_incoming(incoming));
            }
            _ => {
                let server = Server::builder()
                    .layer(layer.json())
                    .layer(MapResponseBodyLayer::new(axum::body::Body::new))
                    .add_routes(routes);
                tokio::spawn(server.serve_with_incoming(incoming));
            }
        }
        let call = refusal(addr, Method::POST, "application/grpc").await;
        assert_eq!(call.status(), 421, "{kind}");
        assert_eq!(field(&call, "grpc-status"), Some("14"), "{kind}");
        assert_eq!(field(&call, "grpc-message"), Some("misdirected request"));
        assert_eq!(field(&call, "content-type"), Some("application/grpc"));
        assert_eq!(field(&call, "cache-control"), Some("no-store"));
        assert_eq!(call.body(), "", "{kind}");

        let other = refusal(addr, Method::GET, "text/plain").await;
        assert_eq!(
            (other.status().as_u16(), &**other.body()),
            (421, body),
            "{kind}"
        );
        assert_eq!(field(&other, "grpc-status"), None, "{kind}");
        assert_eq!(field(&other, "cache-control"), Some("no-store"));
        let is_json = field(&other, "content-type") == Some("application/json");
        assert_eq!(is_json, !body.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn d5_a_graceful_shutdown_waits_for_calls_and_admits_nobody_else() {
    let (addr, incoming) = listen(hosts()).await;
    let (began, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begin, end) = (began.clone(), may_end.clone());
    let slow = move |_: Request<String>| {
        let (begin, end) = (begin.clone(), end.clone());
        async move {
            begin.notify_one();
            end.notified().await;
            Ok(Response::new("done".to_owned()))
        }
    };
    let (stop, stopped) = oneshot::channel();
    let server: JoinHandle<Result<(), Error>> = tokio::spawn(
        Server::builder()
            .layer(MisdirectedLayer::new())
            .add_service(GreeterServer::new(slow))
            .serve_with_incoming_shutdown(incoming, async { stopped.await.unwrap() }),
    );
    let channel = in_time(connect(addr, with_certificate(), "one.test", "one.test"))
        .await
        .unwrap();
    let mut under_way = tokio::spawn(async move { hello(&channel).await });
    tokio::select! {
        () = began.notified() => {}
        ended = &mut under_way => panic!("{ended:?}"),
    }
    stop.send(()).unwrap();
    may_end.notify_one();
    assert_eq!(under_way.await.unwrap().unwrap(), "done");
    in_time(server).await.unwrap().unwrap();
    // The listener is gone with its stream.
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn d5_a_client_that_is_silent_or_speaks_no_tls_keeps_nobody_waiting() {
    let (routes, calls) = routes();
    let (addr, incoming) = listen(hosts()).await;
    let server = Server::builder()
        .layer(MisdirectedLayer::new())
        .add_routes(routes)
        .serve_with_incoming(incoming);
    let server = tokio::spawn(server);
    let _silent = TcpStream::connect(addr).await.unwrap();
    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    drop(TcpStream::connect(addr).await.unwrap());
    assert_calls(addr, &calls).await;
    assert!(!server.is_finished());
}

/// The channel opens another connection by itself, because the old one says GOAWAY.
#[tokio::test]
async fn w2_a_channel_of_tonic_recovers_when_virtual_hosts_are_replaced() {
    let hosts = hosts();
    let (addr, incoming) =
        listen(TlsAcceptor::from(hosts.clone()).drain(std::time::Duration::ZERO)).await;
    let (routes, _) = routes();
    let server = Server::builder()
        .layer(MisdirectedLayer::new())
        .add_routes(routes)
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    let channel = in_time(connect(addr, with_certificate(), "one.test", "one.test"))
        .await
        .unwrap();
    assert_eq!(hello(&channel).await.unwrap(), "one.test nobody 127.0.0.1");

    let strict = VirtualHosts::builder().host("one.test", admin());
    hosts.replace(strict).unwrap();
    // The GOAWAY may meet the call under way, which is then refused, and never served without a certificate.
    let recovered = async {
        loop {
            match hello(&channel).await {
                Ok(answer) => break answer,
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
            }
        }
    };
    assert_eq!(in_time(recovered).await, "one.test user 127.0.0.1");
}

/// Only the stream may wake the task that waits for it, so clients have tasks of their own.
#[tokio::test]
async fn d5_a_stream_of_connections_loses_none_and_wakes_the_task_that_polled_last() {
    let (addr, mut incoming) = listen(hosts()).await;
    for _ in 0..3 {
        // Polled by something that then goes away.
        assert!(incoming.next().now_or_never().is_none());
        let client = wire::connect(addr, pki::client(&["h2"]), Some("one.test"));
        let client = tokio::spawn(client);
        let stream = in_time(incoming.next()).await;
        let stream = stream.expect("no end").unwrap();
        assert_eq!(stream.connection_info().server_name(), Some("one.test"));
        client.await.unwrap();
    }
    drop(incoming);
    assert!(TcpStream::connect(addr).await.is_err());
}
