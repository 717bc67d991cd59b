//! C8: refusals of gRPC calls, on the wire and as tonic's client sees them. Clients in other languages are in
//! `tests/clients`.

mod pki;
mod server;
mod wire;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::{Buf, BufMut, Bytes};
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tower::{ServiceExt, service_fn};
use tower_misdirected::{
    CertificateNames, ConnectionInfo, MisdirectedLayer, Rejection, VirtualHosts,
};

/// Answers a unary call with its own message.
async fn echo(request: Request) -> Response {
    let message = request.into_body().collect().await.unwrap().to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers)));
    let body = Body::new(Full::new(message).with_trailers(trailers));
    ([(CONTENT_TYPE, "application/grpc")], body).into_response()
}

/// Serves `one.test` and `two.test`, which have one certificate and a TLS configuration each.
async fn serve() -> SocketAddr {
    let leaf = pki::leaf(&["one.test", "two.test"]);
    let config = || Arc::new(leaf.server_config());
    let hosts = VirtualHosts::builder()
        .host("one.test", config())
        .host("two.test", config())
        .build()
        .unwrap();
    let app = Router::new()
        .fallback(echo)
        .layer(MisdirectedLayer::new().json());
    server::tls(app, hosts).await
}

/// A request for this host on a connection for `one.test`, which does not serve `two.test`.
fn request(method: Method, content_type: &str, host: &str) -> Request {
    let info = ConnectionInfo::tls()
        .server_name("one.test")
        .certificate_names(CertificateNames::from_sans(["one.test"], []))
        .single_tls_config()
        .build();
    let request = Request::builder().method(method).uri("/").extension(info);
    let request = request.header("content-type", content_type);
    request.header("host", host).body(Body::empty()).unwrap()
}

fn call(host: &str) -> Request {
    request(Method::POST, "application/grpc", host)
}

fn field<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

/// The answer of the layer itself: axum would add the length of every body.
async fn refuse(layer: MisdirectedLayer<impl Respond>, request: Request) -> Response {
    let handler = service_fn(|_: Request| async { Ok::<_, Infallible>(Response::default()) });
    let response = tower::Layer::layer(&layer, handler).oneshot(request).await;
    response.unwrap()
}

/// Any responder.
trait Respond: tower_misdirected::Responder<Body> + Clone {}
impl<R: tower_misdirected::Responder<Body> + Clone> Respond for R {}

/// The answer is trailers-only, with these statuses, and tells nothing of hosts.
async fn assert_trailers_only(response: Response, http: u16, grpc: &str, message: &str) {
    assert_eq!(response.status(), http);
    assert_eq!(field(&response, "grpc-status"), Some(grpc));
    assert_eq!(field(&response, "grpc-message"), Some(message));
    assert_eq!(field(&response, "content-type"), Some("application/grpc"));
    assert_eq!(field(&response, "content-length"), Some("0"), "C2");
    assert_eq!(field(&response, "content-encoding"), None);
    assert_eq!(field(&response, "cache-control"), Some("no-store"), "C1");
    let body = response.into_body();
    assert!(http_body::Body::is_end_stream(&body));
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}

const MISDIRECTED: (u16, &str, &str) = (421, "14", "misdirected request");

#[tokio::test]
async fn c8_a_refused_call_gets_a_grpc_status_whatever_its_responder_writes() {
    async fn assert_refused(layer: MisdirectedLayer<impl Respond>) {
        let response = refuse(layer, call("two.test")).await;
        let rejection = response.extensions().get::<Rejection>();
        assert_eq!(rejection, Some(&Rejection::NotInCertificate), "C6");
        let (http, grpc, message) = MISDIRECTED;
        assert_trailers_only(response, http, grpc, message).await;
    }
    assert_refused(MisdirectedLayer::new()).await;
    assert_refused(MisdirectedLayer::new().json()).await;
    assert_refused(MisdirectedLayer::new().problem_json()).await;
    assert_refused(MisdirectedLayer::new().responder(|_| {
        let fields = [("content-length", "4"), ("content-encoding", "gzip")];
        (fields, "text").into_response()
    }))
    .await;
}

/// Whether another connection can help or not: every 421 is UNAVAILABLE.
#[tokio::test]
async fn c8_every_421_is_unavailable() {
    let layer = MisdirectedLayer::new;
    for (layer, reason) in [
        (
            layer().allowed_hosts(["one.test"]).unwrap(),
            Rejection::UnknownHost,
        ),
        (layer().ports([8443]).unwrap(), Rejection::UnknownPort),
        (layer(), Rejection::NotInCertificate),
    ] {
        let response = refuse(layer.json(), call("two.test")).await;
        assert_eq!(response.extensions().get(), Some(&reason));
        let (http, grpc, message) = MISDIRECTED;
        assert_trailers_only(response, http, grpc, message).await;
    }
}

/// The HTTP status is as for others, and the gRPC status is what clients make of a bare 400.
#[tokio::test]
async fn c8_a_malformed_call_and_a_server_set_up_wrong_are_internal() {
    let layer = || MisdirectedLayer::new().json();
    let response = refuse(layer(), call("one.test:x")).await;
    assert_trailers_only(response, 400, "13", "bad request").await;
    let mut without_info = call("one.test");
    without_info.extensions_mut().clear();
    let response = refuse(layer(), without_info).await;
    assert_trailers_only(response, 500, "13", "internal server error").await;
}

#[tokio::test]
async fn c8_a_call_is_a_post_whose_content_type_begins_with_that_of_grpc() {
    for (method, content_type, is_call) in [
        ("POST", "application/grpc", true),
        ("POST", "application/grpc+proto", true),
        ("POST", "Application/GRPC+JSON", true),
        ("POST", "application/grpc;charset=utf-8", true),
        ("POST", "application/grpc ; charset=utf-8", true),
        ("POST", "application/grpc-web-text+proto", true),
        ("POST", "application/grpcx", false),
        ("POST", "application/grpc2", false),
        ("POST", "application/grp", false),
        ("POST", "application/json", false),
        ("POST", "", false),
        ("POST", "text/plain; a=\"application/grpc\"", false),
        ("GET", "application/grpc", false),
        ("PUT", "application/grpc", false),
        ("HEAD", "application/grpc", false),
    ] {
        let method: Method = method.parse().unwrap();
        let request = request(method.clone(), content_type, "two.test");
        let response = refuse(MisdirectedLayer::new().json(), request).await;
        assert_eq!(response.status(), 421);
        let found = field(&response, "grpc-status").is_some();
        assert_eq!(found, is_call, "{method} {content_type}");
        let is_json = field(&response, "content-type") == Some("application/json");
        assert_eq!(is_json, !is_call, "{method} {content_type}");
    }
    // No field at all.
    let mut bare = call("two.test");
    bare.headers_mut().remove("content-type");
    let response = refuse(MisdirectedLayer::new().json(), bare).await;
    assert_eq!(field(&response, "grpc-status"), None);
}

#[tokio::test]
async fn c8_a_responder_that_writes_a_grpc_status_or_another_http_status_is_left_alone() {
    let own = MisdirectedLayer::new().responder(|refusal| {
        let fields = [("grpc-status", "7"), ("x-own", "yes")];
        (refusal.status(), fields, "text").into_response()
    });
    let response = refuse(own, call("two.test")).await;
    assert_eq!(response.status(), 421);
    assert_eq!(field(&response, "grpc-status"), Some("7"));
    assert_eq!(field(&response, "grpc-message"), None);
    assert_eq!(field(&response, "x-own"), Some("yes"));
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "text");

    // gRPC clients make UNIMPLEMENTED of it.
    let not_found = MisdirectedLayer::new().responder(|_| StatusCode::NOT_FOUND.into_response());
    let response = refuse(not_found, call("two.test")).await;
    assert_eq!(response.status(), 404);
    assert_eq!(field(&response, "grpc-status"), None);
}

/// RFC 9113 §6.2: the HEADERS frame of the answer ends the stream, although the call has not ended.
#[tokio::test]
async fn c8_the_answer_is_one_headers_frame_that_ends_the_stream() {
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    let addr = serve().await;
    let connect = || wire::connect(addr, pki::client(&["h2"]), Some("one.test"));
    // If it were served, the call would be answered after its end, which does not come.
    let whole = wire::get2(Some("two.test"), &[]);
    let answer = wire::send2(&wire::http2(connect().await).await, whole).await;
    assert_eq!(answer.status(), 421);
    let mut io = connect().await;
    // RFC 7541, Appendix A: POST, https and `/`, then two fields with the names 1 and 31.
    let mut fields = vec![0x83, 0x87, 0x84, 1, 8];
    fields.extend_from_slice(b"two.test");
    fields.extend_from_slice(&[0x0f, 31 - 15, 16]);
    fields.extend_from_slice(b"application/grpc");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let length = u8::try_from(fields.len()).unwrap();
    let head = [0, 0, length, 1, END_HEADERS, 0, 0, 0, 1];
    let hello = [&preface[..], &settings, &head, &fields].concat();
    io.write_all(&hello).await.unwrap();
    let (kind, flags) = loop {
        let mut head = [0; 9];
        tokio::time::timeout(wire::PATIENCE, io.read_exact(&mut head))
            .await
            .expect("a frame in time")
            .unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        io.read_exact(&mut payload).await.unwrap();
        // The first frame of the stream.
        if head[5..] == [0, 0, 0, 1] {
            break (head[3], head[4]);
        }
    };
    assert_eq!((kind, flags), (1, END_HEADERS | END_STREAM));
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length)))
    }
}

/// Opens a connection for tonic's client.
async fn connect(addr: SocketAddr, sni: &str) -> SendRequest<tonic::body::Body> {
    let io = wire::connect(addr, pki::client(&["h2"]), Some(sni)).await;
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// A unary call to this host.
async fn unary(
    client: &SendRequest<tonic::body::Body>,
    host: &str,
    message: Bytes,
) -> Result<Bytes, Status> {
    let service = service_fn(|request| {
        let mut client = client.clone();
        async move { client.send_request(request).await }
    });
    let origin: Uri = format!("https://{host}").parse().unwrap();
    let mut grpc = Grpc::with_origin(service, origin);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/test.Echo/Echo");
    let response = grpc.unary(tonic::Request::new(message), path, Raw).await?;
    Ok(response.into_inner())
}

#[tokio::test]
async fn c8_tonic_sees_unavailable_and_a_retry_on_another_connection_succeeds() {
    let addr = serve().await;
    let one = connect(addr, "one.test").await;
    // A large message is still under way when the answer comes.
    for length in [0, 5, 3 << 20] {
        let message = Bytes::from(vec![b'x'; length]);
        let answer = unary(&one, "one.test", message.clone()).await.unwrap();
        assert_eq!(answer, message);

        let status = unary(&one, "two.test", message.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert_eq!(status.message(), "misdirected request");

        let two = connect(addr, "two.test").await;
        let answer = unary(&two, "two.test", message.clone()).await.unwrap();
        assert_eq!(answer, message);
    }
    // The first connection goes on (C3).
    unary(&one, "one.test", Bytes::new()).await.unwrap();
}
