//! C1–C5: what a refused client gets, on HTTP/1.0, 1.1 and 2, and what stays untouched.

mod pki;
mod server;
mod wire;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_misdirected::{Coalescing, MisdirectedLayer, Refusal, Rejection};

use crate::server::Calls;

const JSON: &str = r#"{"error":"misdirected_request"}"#;
const PROBLEM: &str = r#"{"type":"about:blank","title":"Misdirected Request","status":421}"#;

/// A server for `a.test` and `b.test` with this router.
async fn serve(router: Router) -> SocketAddr {
    server::tls(router, pki::server(&["a.test", "b.test"])).await
}

async fn http1(addr: SocketAddr) -> impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {
    wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await
}

async fn http2(addr: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    wire::http2(io).await
}

fn echo() -> Router {
    server::echo(&Calls::default())
}

#[tokio::test]
async fn c1_c2_the_default_answer_has_no_body_and_no_store() {
    let addr = serve(echo().layer(MisdirectedLayer::new())).await;
    let request = "GET / HTTP/1.1\nHost: c.test\n\n";
    let answer = wire::exchange(&mut http1(addr).await, request).await;
    assert_eq!(answer.status, 421);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("content-type"), None);

    let answer = wire::send2(&http2(addr).await, wire::get2(Some("c.test"), &[])).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.body(), "");
}

#[tokio::test]
async fn c2_json_and_problem_json_on_every_version_and_method() {
    for (router, content_type, body) in [
        (
            echo().layer(MisdirectedLayer::new().json()),
            "application/json",
            JSON,
        ),
        (
            echo().layer(MisdirectedLayer::new().problem_json()),
            "application/problem+json",
            PROBLEM,
        ),
    ] {
        let addr = serve(router).await;
        let length = body.len().to_string();
        for version in ["1.0", "1.1"] {
            for line in [
                "GET /",
                "HEAD /",
                "POST /",
                "OPTIONS *",
                "DELETE /x?y",
                "CONNECT c.test:443",
                "PROPFIND /",
            ] {
                let request = format!("{line} HTTP/{version}\nHost: c.test\n\n");
                let answer = wire::exchange(&mut http1(addr).await, &request).await;
                assert_eq!(answer.status, 421, "{request}");
                assert_eq!(
                    answer.header("content-type"),
                    Some(content_type),
                    "{request}"
                );
                assert_eq!(answer.header("content-length"), Some(&*length), "{request}");
                assert_eq!(
                    answer.header("cache-control"),
                    Some("no-store"),
                    "{request}"
                );
                let expected = if line.starts_with("HEAD") { "" } else { body };
                assert_eq!(answer.body, expected, "{request}");
            }
        }
        let client = http2(addr).await;
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let request = wire::request2(method.clone(), "https", Some("c.test"), &[]);
            let answer = wire::send2(&client, request).await;
            assert_eq!(answer.status(), 421, "{method}");
            assert_eq!(answer.headers()["content-type"], content_type, "{method}");
            assert_eq!(answer.headers()["content-length"], length, "{method}");
            assert_eq!(answer.headers()["cache-control"], "no-store", "{method}");
            let expected = if method == Method::HEAD { "" } else { body };
            assert_eq!(answer.body(), expected, "{method}");
        }
    }
}

#[tokio::test]
async fn c2_malformed_requests_get_400_in_the_same_form() {
    let addr = serve(echo().layer(MisdirectedLayer::new().json())).await;
    let answer = wire::exchange(&mut http1(addr).await, "GET / HTTP/1.1\n\n").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body, r#"{"error":"bad_request"}"#);
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let addr = serve(echo().layer(MisdirectedLayer::new().problem_json())).await;
    let answer = wire::send2(&http2(addr).await, wire::get2(None, &[])).await;
    assert_eq!(answer.status(), 400);
    let body = r#"{"type":"about:blank","title":"Bad Request","status":400}"#;
    assert_eq!(answer.body(), body);
}

#[tokio::test]
async fn c2_nothing_in_an_answer_tells_how_the_server_is_set_up() {
    let layer = MisdirectedLayer::new().allowed_hosts(["a.test", "secret.test"]);
    let addr = serve(echo().layer(layer.unwrap().problem_json())).await;
    for host in ["b.test", "c.test", "secret.test", "no host"] {
        let request = format!("GET /path HTTP/1.1\nHost: {host}\n\n");
        let answer = wire::exchange(&mut http1(addr).await, &request).await;
        assert!(answer.status >= 400, "{host}");
        for secret in [host, ".test", "sni", "certificate", "unknown", "allowed"] {
            assert!(!answer.body.contains(secret), "{secret}: {}", answer.body);
            assert!(!answer.head.contains(secret), "{secret}: {}", answer.head);
        }
    }
}

/// A responder that tries everything to have its answer cached.
fn cacheable(refusal: &Refusal<'_>) -> Response {
    asking_to_be_cached(refusal.status())
}

fn asking_to_be_cached(status: StatusCode) -> Response {
    let fields = [
        ("cache-control", "public, max-age=31536000"),
        ("cdn-cache-control", "max-age=600"),
        ("example-cdn-cache-control", "max-age=600"),
        ("surrogate-control", "max-age=600"),
        ("edge-control", "!no-store, max-age=600"),
        ("x-accel-expires", "600"),
        ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
        ("x-kept", "yes"),
    ];
    (status, fields, "a body of its own").into_response()
}

#[tokio::test]
async fn c1_no_store_overrides_a_responder() {
    let addr = serve(echo().layer(MisdirectedLayer::new().responder(cacheable))).await;
    let answer = wire::send2(&http2(addr).await, wire::get2(Some("c.test"), &[])).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.body(), "a body of its own");
    assert_eq!(answer.headers()["x-kept"], "yes");
    assert_only_no_store(answer.headers());
}

fn assert_only_no_store(headers: &http::HeaderMap) {
    let values: Vec<_> = headers.get_all("cache-control").iter().collect();
    assert_eq!(values, ["no-store"]);
    for name in [
        "cdn-cache-control",
        "example-cdn-cache-control",
        "surrogate-control",
        "edge-control",
        "x-accel-expires",
        "expires",
    ] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn c1_a_421_of_the_inner_service_leaves_with_the_same_override() {
    let inner = get(|| async { asking_to_be_cached(StatusCode::MISDIRECTED_REQUEST) });
    let healthy = get(|| async { ([("cache-control", "max-age=60")], "fine") });
    let missing = (StatusCode::NOT_FOUND, [("cache-control", "max-age=60")]);
    let router = Router::new()
        .route("/", inner)
        .route("/ok", healthy)
        .route("/missing", get(move || async move { missing }));
    let addr = serve(router.layer(MisdirectedLayer::new().json())).await;

    let answer = wire::send2(&http2(addr).await, wire::get2(Some("a.test"), &[])).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.body(), "a body of its own");
    assert_only_no_store(answer.headers());

    // Its connection handling is the inner service's own, and no other status is touched.
    let mut io = http1(addr).await;
    let answer = wire::exchange(&mut io, "GET / HTTP/1.1\nHost: a.test\n\n").await;
    assert_eq!((answer.status, answer.header("connection")), (421, None));
    for path in ["/ok", "/missing"] {
        let request = format!("GET {path} HTTP/1.1\nHost: a.test\n\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!(answer.header("cache-control"), Some("max-age=60"));
    }
}

#[tokio::test]
async fn a_responder_may_choose_another_error_but_no_success() {
    let layer = MisdirectedLayer::new()
        .allowed_hosts(["a.test", "c.test"])
        .unwrap();
    let layer = layer.responder(|refusal| match refusal.rejection() {
        Rejection::UnknownHost => StatusCode::NOT_FOUND.into_response(),
        // The status is forgotten.
        _ => Response::new("refused".into()),
    });
    let addr = serve(echo().layer(layer)).await;
    let client = http2(addr).await;
    let answer = wire::send2(&client, wire::get2(Some("b.test"), &[])).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let answer = wire::send2(&client, wire::get2(Some("c.test"), &[])).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.body(), "refused");
}

#[tokio::test]
async fn c2_head_gets_the_head_of_a_custom_responder_and_no_body() {
    let addr = serve(echo().layer(MisdirectedLayer::new().responder(cacheable))).await;
    let request = wire::request2(Method::HEAD, "https", Some("c.test"), &[]);
    let answer = wire::send2(&http2(addr).await, request).await;
    assert_eq!((answer.status().as_u16(), &**answer.body()), (421, ""));
    assert_eq!(answer.headers()["x-kept"], "yes");
    // The length that GET would tell, not that of what is left.
    assert_eq!(answer.headers()["content-length"], "17");

    let mut io = http1(addr).await;
    let request = "HEAD / HTTP/1.1\nHost: c.test\n\n";
    let answer = wire::exchange(&mut io, request).await;
    assert_eq!(answer.header("x-kept"), Some("yes"));
    assert_eq!(answer.header("content-length"), Some("17"));
    assert!(wire::closes(&mut io).await, "nothing follows the head");
}

/// RFC 9110 §8.6: a length that GET would not have must not be stated.
#[tokio::test]
async fn c2_head_of_a_body_of_unknown_length_states_no_length_over_http1() {
    let layer = MisdirectedLayer::new().responder(|refusal| {
        let body = axum::body::Body::new(OfUnknownLength(Full::from("a body of its own")));
        (refusal.status(), body).into_response()
    });
    let addr = serve(echo().layer(layer)).await;
    for method in ["GET", "HEAD"] {
        let mut io = http1(addr).await;
        let request = format!("{method} / HTTP/1.1\nHost: c.test\n\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!(answer.status, 421);
        assert_eq!(answer.header("content-length"), None, "{method}");
        let follows_nothing = wire::closes(&mut io).await;
        assert_eq!(follows_nothing, method == "HEAD");
    }
}

/// A body that does not tell its length.
struct OfUnknownLength(Full<Bytes>);

impl http_body::Body for OfUnknownLength {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn c9_a_responder_sees_the_head_of_the_request() {
    let layer = MisdirectedLayer::new().responder(|refusal| {
        let accept = refusal.headers().get("accept");
        let html = accept.is_some_and(|value| value == "text/html");
        let body = format!(
            "{} {} {:?} {:?}",
            refusal.rejection().as_str(),
            refusal.method(),
            refusal.version(),
            html
        );
        (refusal.status(), body).into_response()
    });
    let addr = serve(echo().layer(layer)).await;
    for (head, expected) in [
        (
            "DELETE / HTTP/1.1\nHost: c.test\nAccept: text/html",
            "not_in_certificate DELETE HTTP/1.1 true",
        ),
        (
            "GET / HTTP/1.0\nHost: c.test",
            "not_in_certificate GET HTTP/1.0 false",
        ),
        ("GET / HTTP/1.1", "missing_authority GET HTTP/1.1 false"),
    ] {
        let answer = wire::exchange(&mut http1(addr).await, &format!("{head}\n\n")).await;
        assert_eq!(answer.body, expected);
    }
    let request = wire::request2(Method::PUT, "https", Some("c.test"), &[]);
    let answer = wire::send2(&http2(addr).await, request).await;
    assert_eq!(answer.body(), "not_in_certificate PUT HTTP/2.0 false");
}

#[tokio::test]
async fn c3_http1_connections_close_by_default() {
    let addr = serve(echo().layer(MisdirectedLayer::new().json())).await;
    for request in [
        "GET / HTTP/1.1\nHost: c.test\n\n",
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.0\nHost: c.test\nConnection: keep-alive\n\n",
    ] {
        let mut io = http1(addr).await;
        let answer = wire::exchange(&mut io, request).await;
        assert_eq!(answer.header("connection"), Some("close"), "{request}");
        assert!(wire::closes(&mut io).await, "{request}");
    }
}

#[tokio::test]
async fn c3_http1_connections_stay_where_asked() {
    let layer = MisdirectedLayer::new().json().close_http1(false);
    let addr = serve(echo().layer(layer)).await;
    let mut io = http1(addr).await;
    for (host, status) in [
        ("c.test", 421),
        ("b.test", 200),
        ("c.test", 421),
        ("a.test", 200),
    ] {
        let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!((answer.status, answer.header("connection")), (status, None));
    }
}

#[tokio::test]
async fn c3_http2_never_closes_and_never_says_so() {
    let layer = MisdirectedLayer::new()
        .responder(|refusal| (refusal.status(), [("connection", "close")]).into_response());
    let addr = serve(echo().layer(layer)).await;
    let client = http2(addr).await;
    for (host, status) in [
        ("c.test", 421),
        ("a.test", 200),
        ("c.test", 421),
        ("b.test", 200),
    ] {
        let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key("connection"));
    }
}

#[tokio::test]
async fn c3_one_refused_stream_leaves_the_others_alone() {
    // Handlers wait until every request is under way, then answer with the body they received. A request that
    // should have been refused is answered at once, and a request that should not is not waited for long.
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(50));
    let handler = any(move |request: Request| async move {
        if request.uri().host() == Some("b.test") {
            let _ = tokio::time::timeout(Duration::from_secs(10), barrier.wait()).await;
        }
        axum::body::to_bytes(request.into_body(), usize::MAX)
            .await
            .unwrap()
    });
    let addr = serve(
        Router::new()
            .route("/", handler)
            .layer(MisdirectedLayer::new()),
    )
    .await;
    let client = http2(addr).await;

    let mut served = Vec::new();
    for number in 0..50 {
        let mut sender = client.clone().ready().await.unwrap();
        let request = wire::request2(Method::POST, "https", Some("b.test"), &[]);
        let (response, mut body) = sender.send_request(request, false).unwrap();
        let text = format!("body {number}");
        body.send_data(Bytes::from(text.clone()), true).unwrap();
        served.push((text, response));
        // Between any two of them, one that is refused.
        let answer = wire::send2(&client, wire::get2(Some("c.test"), &[])).await;
        assert_eq!(answer.status(), 421);
    }
    for (text, response) in served {
        let answer = wire::read2(response.await.unwrap()).await;
        assert_eq!((answer.status().as_u16(), answer.body()), (200, &text));
    }
}

#[tokio::test]
async fn c4_a_refused_upload_is_not_read_over_http1() {
    let calls = Calls::default();
    let app = server::echo(&calls).layer(MisdirectedLayer::new().json());
    let addr = serve(app).await;
    for version in ["1.0", "1.1"] {
        let io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
        let (mut read, mut write) = tokio::io::split(io);
        let upload = tokio::spawn(async move {
            let head = format!(
                "POST / HTTP/{version}\r\nHost: c.test\r\nContent-Length: {}\r\n\r\n",
                10 << 20
            );
            write.write_all(head.as_bytes()).await?;
            write.write_all(&vec![b'x'; 10 << 20]).await
        });
        let answer = wire::read_answer(&mut read, false).await;
        assert_eq!((answer.status, &*answer.body), (421, JSON));
        assert_eq!(answer.header("connection"), Some("close"));
        // The rest of the upload meets a closed connection.
        while let Ok(1..) = read.read(&mut [0; 512]).await {}
        let _ = upload.await.unwrap();
    }
    assert_eq!(calls.count(), 0);
}

#[tokio::test]
async fn c4_a_refused_upload_is_not_asked_for() {
    let addr = serve(echo().layer(MisdirectedLayer::new())).await;
    let request = "POST / HTTP/1.1\nHost: c.test\nContent-Length: 9\nExpect: 100-continue\n\n";
    let answer = wire::exchange(&mut http1(addr).await, request).await;
    assert_eq!(answer.status, 421, "and no 100 before it");
}

#[tokio::test]
async fn c4_a_refused_upload_is_not_read_over_http2() {
    let calls = Calls::default();
    let addr = serve(server::echo(&calls).layer(MisdirectedLayer::new().json())).await;
    let client = http2(addr).await;
    // More in all than the connection's window, so that what is never read must be given back.
    for _ in 0..5 {
        let mut sender = client.clone().ready().await.unwrap();
        let request = wire::request2(Method::POST, "https", Some("c.test"), &[]);
        let (response, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(Bytes::from(vec![b'x'; 10 << 20]), true)
            .unwrap();
        let answer = wire::read2(response.await.unwrap()).await;
        assert_eq!((answer.status().as_u16(), &**answer.body()), (421, JSON));
    }
    let answer = wire::send2(&client, wire::get2(Some("b.test"), &[])).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(calls.count(), 1);
}

#[tokio::test]
async fn c4_a_pipelined_request_behind_a_refused_one_is_not_served() {
    let calls = Calls::default();
    let addr = serve(server::echo(&calls).layer(MisdirectedLayer::new())).await;
    let mut io = http1(addr).await;
    let both = "GET / HTTP/1.1\nHost: c.test\n\nGET / HTTP/1.1\nHost: a.test\n\n";
    assert_eq!(wire::exchange(&mut io, both).await.status, 421);
    assert!(wire::closes(&mut io).await);
    assert_eq!(calls.count(), 0);
}

#[tokio::test]
async fn c5_an_inner_service_that_is_not_ready_is_waited_for() {
    // `poll_ready` delegates, so a limit inside the layer is a limit for the layer.
    let inner = service_fn(|_: http::Request<()>| async {
        Ok::<_, Infallible>(http::Response::new(String::new()))
    });
    let mut service = MisdirectedLayer::new()
        .coalescing(Coalescing::Unchecked)
        .layer(ConcurrencyLimit::new(inner, 1));
    let request = http::Request::get("/")
        .header("host", "a.test")
        .body(())
        .unwrap();
    let first = service.ready().await.unwrap().call(request);
    assert!(now(service.ready()).await.is_none());
    let Ok(response) = first.await;
    assert_eq!(response.status(), 200);
    assert!(now(service.ready()).await.is_some());
}

/// The output of a future that is ready at once.
async fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
