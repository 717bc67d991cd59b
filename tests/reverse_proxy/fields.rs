//! What the upstream and the client read of each other's header fields.

use axum::Router;
use axum::extract::Request;
use http::Version;
use hyper::body::Body as _;
use tower_misdirected::MisdirectedLayer;

use crate::front::{Front, get, read, request};
use crate::site::{Site, VERSIONS};
use crate::{pki, wire};

/// Answers with the version, the authority and the header fields of the request, one a line.
async fn describe(request: Request) -> ([(&'static str, &'static str); 6], String) {
    let mut lines: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    if let Some(authority) = request.uri().authority() {
        lines.push(format!(":authority: {authority}"));
    }
    lines.push(format!(
        "{} {}",
        request.method(),
        request.uri().path_and_query().unwrap()
    ));
    lines.sort();
    let fields = [
        ("connection", "x-hop, close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "h2c"),
        ("x-end", "stays"),
        ("x-hop", "goes"),
    ];
    (fields, lines.join("\n"))
}

/// The fields of a request, of which a part is for the proxy alone. Many frameworks take `_` in a name for `-`.
const SENT: &str = "Host: one.test:8443
Connection: x-hop, keep-alive, é, x-forwarded-for
Connection: TE
Keep-Alive: timeout=5
Proxy-Connection: keep-alive
TE: deflate, trailers
Upgrade: websocket
X-Hop: goes
X-End: stays
Cookie: a=1
Cookie: b=2
Forwarded: for=192.0.2.1
X-Forwarded-For: 192.0.2.1
X-Forwarded-Host: evil.test
X-Forwarded-Port: 1
X-Forwarded-Proto: http
X_Forwarded_For: 192.0.2.1
X-Forwarded_Proto: http
Via: 1.0 before
";

#[tokio::test]
async fn fields_for_one_connection_stay_and_others_pass() {
    for upstream in VERSIONS {
        let versions: &[&str] = match upstream {
            "h2" => &["h2"],
            _ => &["http/1.1"],
        };
        let app = Router::new().fallback(describe);
        let site = Site::serve(app, MisdirectedLayer::new(), versions).await;
        let front = Front::before(&site).await;
        let config = pki::client(&["http/1.1"]);
        let mut io = wire::connect(front.program.addr, config, Some("one.test")).await;
        let answer = wire::exchange(&mut io, &format!("GET /path?query HTTP/1.1\n{SENT}\n")).await;
        let own = match upstream {
            "h2" => ":authority: one.test",
            _ => "host: one.test",
        };
        let mut expected = [
            own,
            "GET /path?query",
            "cookie: a=1; b=2",
            "te: trailers",
            "via: 1.0 before",
            "via: 1.1 reverse_proxy",
            "x-end: stays",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: one.test:8443",
            "x-forwarded-proto: https",
        ];
        expected.sort();
        assert_eq!(
            answer.body.lines().collect::<Vec<_>>(),
            expected,
            "{upstream}"
        );
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-end"), Some("stays"));
        for gone in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "upgrade",
            "x-hop",
        ] {
            assert_eq!(answer.header(gone), None, "{upstream} {gone}");
        }

        // The same connection, as it was not closed.
        let request = "OPTIONS * HTTP/1.1\nHost: one.test\n\n";
        let answer = wire::exchange(&mut io, request).await;
        assert!(answer.body.contains("OPTIONS *"), "{}", answer.body);
    }
}

#[tokio::test]
async fn http2_clients_get_the_same() {
    let app = Router::new().fallback(describe);
    for versions in [&VERSIONS[..1], &VERSIONS[1..]] {
        let site = Site::serve(app.clone(), MisdirectedLayer::new(), versions).await;
        let front = Front::before(&site).await;
        let mut request = get("/");
        for cookie in ["a=1", "b=2"] {
            request
                .headers_mut()
                .append("cookie", cookie.parse().unwrap());
        }
        let answer = front.client("h2").request(request).await.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        let answer = read(answer).await;
        assert_eq!(answer.status(), 200);
        for line in [
            "cookie: a=1; b=2",
            "via: 2 reverse_proxy",
            "x-forwarded-host: one.test",
        ] {
            assert!(
                answer.body.lines().any(|found| found == line),
                "{}",
                answer.body
            );
        }
        assert!(!answer.body.contains("te:"), "{}", answer.body);
        assert_eq!(answer.field("x-end"), Some("stays"));
        assert_eq!(answer.field("x-hop"), None);
    }
}

#[tokio::test]
async fn answers_without_a_body_keep_their_length() {
    let site = Site::start().await;
    let front = Front::before(&site).await;
    for alpn in VERSIONS {
        let head = request("HEAD", "/", axum::body::Body::from("hello"));
        let answer = read(front.client(alpn).request(head).await.unwrap()).await;
        assert_eq!(
            (answer.status(), answer.field("content-length")),
            (200, Some("5")),
            "{alpn}"
        );
    }
}

/// A client learns with the header fields that there is no body, which matters for gRPC answers that are trailers only.
#[tokio::test]
async fn an_answer_that_is_over_says_so() {
    let site = Site::start().await;
    let front = Front::before(&site).await;
    let answer = front.client("h2").request(get("/")).await.unwrap();
    assert!(answer.body().is_end_stream());
}
