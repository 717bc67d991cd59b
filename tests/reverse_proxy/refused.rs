//! Refusals: those of the upstream, which clients never see, and those of the proxy.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use futures_util::future::join_all;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use tower_misdirected::MisdirectedLayer;

use crate::front::{Front, get, read, request};
use crate::program::Directory;
use crate::site::{Site, TOGETHER, VERSIONS, echo};
use crate::{pki, wire};

/// A body without a length.
fn streaming(text: &'static str) -> Body {
    let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from(text)))];
    Body::new(StreamBody::new(stream::iter(frames)))
}

#[tokio::test]
async fn clients_do_not_see_that_connections_to_the_upstream_are_stale() {
    for upstream in VERSIONS {
        let versions: &[&str] = match upstream {
            "h2" => &["h2"],
            _ => &["http/1.1"],
        };
        let site = Site::serve(echo(), MisdirectedLayer::new(), versions).await;
        let front = Front::before(&site).await;
        for alpn in VERSIONS {
            let client = front.client(alpn);
            let (mut gets, mut posts) = (0, 0);
            // The proxy may return a connection to its pool only after the next request. Then that opens another one.
            for _ in 0..20 {
                // Over HTTP/2 one request, because each of several would open a connection, and all but one of these
                // would be left over.
                let (count, path) = match upstream {
                    "h2" => (1, "/"),
                    _ => (TOGETHER, "/together"),
                };
                let requests = (0..count).map(|_| client.request(get(path)));
                for response in join_all(requests).await {
                    assert_eq!(read(response.unwrap()).await.status(), 200);
                }
                site.swap().await;
                let (request, body, refused) = match gets {
                    0 => (get("/"), "", &mut gets),
                    _ => (request("POST", "/", "hello"), "hello", &mut posts),
                };
                let answer = read(client.request(request).await.unwrap()).await;
                assert_eq!(
                    (answer.status(), &*answer.body),
                    (200, body),
                    "{upstream} {alpn}"
                );
                let seen = site.statuses();
                assert_eq!(seen.last(), Some(&200));
                *refused += seen.len() - 1;
                if gets > 0 && posts > 0 {
                    break;
                }
            }
            assert!(gets > 0 && posts > 0, "{upstream}: no connection was stale");
        }
    }
}

/// They cannot be repeated, and the client's connection to the proxy is the right one. So it is a 502.
#[tokio::test]
async fn uploads_that_stream_are_not_repeated() {
    for versions in [&VERSIONS[..1], &VERSIONS[1..]] {
        let layer = MisdirectedLayer::new().allowed_hosts(["other.test"]);
        let site = Site::serve(echo(), layer.unwrap(), versions).await;
        let front = Front::before(&site).await;
        for alpn in VERSIONS {
            let client = front.client(alpn);
            let long = "x".repeat(64 * 1024 + 1);
            for (body, attempts) in [
                (streaming("hello"), 1),
                (Body::from(long.clone()), 1),
                (Body::from(long[1..].to_owned()), 2),
                (Body::empty(), 2),
            ] {
                let request = request("POST", "/", body);
                let response = client.request(request).await.unwrap();
                read(response).await.assert_is_bare(502);
                let seen = site.statuses();
                assert_eq!(seen, [421; 2][..attempts], "{versions:?} {alpn}");
            }
        }
    }
}

#[tokio::test]
async fn an_upstream_that_always_refuses_makes_a_502_that_tells_nothing() {
    let refuse = async || {
        let fields = [
            ("alt-svc", "h3=\":8443\""),
            ("cache-control", "max-age=600"),
            ("connection", "close"),
            ("x-upstream", "secret"),
        ];
        (
            axum::http::StatusCode::MISDIRECTED_REQUEST,
            fields,
            "secret",
        )
            .into_response()
    };
    for versions in [&VERSIONS[..1], &VERSIONS[1..]] {
        let app = Router::new().fallback(refuse);
        let site = Site::serve(app, MisdirectedLayer::new(), versions).await;
        let front = Front::before(&site).await;
        for alpn in VERSIONS {
            let client = front.client(alpn);
            for method in ["GET", "POST", "HEAD"] {
                let request = request(method, "/", Body::empty());
                let answer = read(client.request(request).await.unwrap()).await;
                answer.assert_is_bare(502);
                assert_eq!(site.statuses(), [421, 421], "{versions:?} {alpn}");
            }
        }
    }
}

/// That 421 is about the client's connection to the proxy. A certificate may cover more hosts than the proxy serves.
#[tokio::test]
async fn a_foreign_host_is_refused_before_the_upstream() {
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["one.test", "*.one.test"]);
    let (chain, key) = (directory.path("chain.pem"), directory.path("key.pem"));
    let site = Site::start().await;
    let upstream = format!("https://{}", site.addr);
    let front = Front::with(&upstream, &["--chain", &chain, "--key", &key]).await;
    let config = pki::client(&["http/1.1"]);
    for host in ["two.test", "sub.one.test", "127.0.0.1"] {
        let mut io = wire::connect(front.program.addr, config.clone(), Some("one.test")).await;
        let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!(answer.status, 421, "{host}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(site.statuses().is_empty());
    }
    let answer = read(front.client("h2").request(get("/")).await.unwrap()).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn methods_that_are_not_for_a_gateway_are_not_passed_on() {
    let site = Site::start().await;
    let front = Front::before(&site).await;
    let client = front.client("h2");
    let trace = request("TRACE", "/", Body::empty());
    read(client.request(trace).await.unwrap())
        .await
        .assert_is_bare(501);
    let mut io = wire::connect(
        front.program.addr,
        pki::client(&["http/1.1"]),
        Some("one.test"),
    )
    .await;
    let connect = "CONNECT one.test:443 HTTP/1.1\nHost: one.test:443\n\n";
    assert_eq!(wire::exchange(&mut io, connect).await.status, 501);
    assert!(site.statuses().is_empty());
}
