//! A1–A9: the authority of requests as hyper delivers them from real connections, and that no handler
//! sees another one than was judged.

mod pki;
mod server;
mod wire;

use std::net::SocketAddr;

use http::Method;
use tokio::io::AsyncWriteExt;
use tower_misdirected::MisdirectedLayer;

use crate::server::Calls;

/// A server for `a.test` and `b.test`; `c.test` is outside its certificate.
async fn server(layer: MisdirectedLayer) -> (SocketAddr, Calls) {
    let calls = Calls::default();
    let app = server::echo(&calls).layer(layer);
    let tls = pki::server(&["a.test", "b.test", "2001:db8::1", "192.0.2.1"]);
    (server::tls(app, tls).await, calls)
}

/// Sends each request over its own HTTP/1 connection with the server name `a.test`, and compares
/// status and, for 200, what the handler saw.
async fn http1(layer: MisdirectedLayer, cases: &[(&str, u16, &str)]) {
    let (addr, calls) = server(layer).await;
    let mut served = 0;
    for (request, status, seen) in cases {
        let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
        let answer = wire::exchange(&mut io, request).await;
        assert_eq!(answer.status, *status, "{request}");
        assert_eq!(answer.body, *seen, "{request}");
        served += usize::from(*status == 200);
        // C4: the handler ran for the served ones only.
        assert_eq!(calls.count(), served, "{request}");
    }
}

/// The same over one HTTP/2 connection: `:authority` and `Host` fields.
async fn http2(cases: &[(Option<&str>, &[&str], u16, &str)]) {
    let (addr, calls) = server(MisdirectedLayer::new()).await;
    let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    let client = wire::http2(io).await;
    let mut served = 0;
    for (authority, hosts, status, seen) in cases {
        let answer = wire::send2(&client, wire::get2(*authority, hosts)).await;
        assert_eq!(answer.status(), *status, "{authority:?} {hosts:?}");
        assert_eq!(answer.body(), seen, "{authority:?} {hosts:?}");
        served += usize::from(*status == 200);
        assert_eq!(calls.count(), served, "{authority:?} {hosts:?}");
    }
}

#[tokio::test]
async fn a1_http2_takes_authority_then_host() {
    http2(&[
        (
            Some("a.test"),
            &[],
            200,
            "authority=a.test uri=a.test host=-",
        ),
        (
            Some("b.test:8443"),
            &[],
            200,
            "authority=b.test:8443 uri=b.test:8443 host=-",
        ),
        (None, &["b.test"], 200, "authority=b.test uri=- host=b.test"),
        (Some("c.test"), &[], 421, ""),
        (None, &["c.test"], 421, ""),
        (None, &[], 400, ""),
    ])
    .await;
}

#[tokio::test]
async fn a7_http2_with_host_alone_means_the_default_port() {
    for (listed, default) in [(443, 200), (80, 421)] {
        let (addr, _) = server(MisdirectedLayer::new().ports([listed, 8443]).unwrap()).await;
        let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
        let client = wire::http2(io).await;
        for (host, status) in [
            ("a.test", default),
            ("a.test:", default),
            ("a.test:8443", 200),
            ("a.test:81", 421),
        ] {
            let answer = wire::send2(&client, wire::get2(None, &[host])).await;
            assert_eq!(answer.status(), status, "{host} where {listed} is listed");
        }
    }
}

#[tokio::test]
async fn a1_http2_with_both_must_name_one_entity() {
    http2(&[
        (
            Some("a.test"),
            &["a.test"],
            200,
            "authority=a.test uri=a.test host=a.test",
        ),
        (
            Some("a.test"),
            &["A.Test."],
            200,
            "authority=a.test uri=a.test host=A.Test.",
        ),
        (
            Some("a.test"),
            &["a.test:443"],
            200,
            "authority=a.test uri=a.test host=a.test:443",
        ),
        (
            Some("a.test:"),
            &["a.test:443"],
            200,
            "authority=a.test uri=a.test: host=a.test:443",
        ),
        (
            Some("[2001:db8::1]"),
            &["[2001:DB8:0::1]"],
            200,
            "authority=[2001:db8::1] uri=[2001:db8::1] host=[2001:DB8:0::1]",
        ),
        (Some("[::ffff:192.0.2.1]"), &["192.0.2.1"], 400, ""),
        (Some("a.test"), &["b.test"], 400, ""),
        (Some("a.test"), &["a.test:8443"], 400, ""),
        (Some("a.test:80"), &["a.test"], 400, ""),
        (Some("a.test"), &["c.test"], 400, ""),
        (Some("a.test"), &["x@a.test"], 400, ""),
        (Some("a.test"), &[""], 400, ""),
    ])
    .await;
}

#[tokio::test]
async fn a1_http2_an_absent_port_is_that_of_the_scheme() {
    let (addr, _) = server(MisdirectedLayer::new()).await;
    let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    let client = wire::http2(io).await;
    for (scheme, host, status) in [
        ("https", "a.test:443", 200),
        ("https", "a.test:80", 400),
        ("http", "a.test:80", 200),
        ("http", "a.test:443", 400),
        // Other schemes have no default here.
        ("wss", "a.test:443", 400),
        ("wss", "a.test", 200),
    ] {
        let request = wire::request2(Method::GET, scheme, Some("a.test"), &[host]);
        let answer = wire::send2(&client, request).await;
        assert_eq!(answer.status(), status, "{scheme} {host}");
    }
}

#[tokio::test]
async fn a1_http2_two_host_fields_are_malformed() {
    http2(&[
        (Some("a.test"), &["a.test", "a.test"], 400, ""),
        (None, &["a.test", "b.test"], 400, ""),
        (None, &["a.test", "a.test"], 400, ""),
    ])
    .await;
}

#[tokio::test]
async fn a2_absolute_form_wins_and_replaces_a_differing_host() {
    http1(
        MisdirectedLayer::new(),
        &[
            (
                "GET https://b.test/ HTTP/1.1\nHost: a.test\n\n",
                200,
                "authority=b.test uri=b.test host=b.test",
            ),
            (
                "GET http://b.test:8080/ HTTP/1.1\nHost: b.test\n\n",
                200,
                "authority=b.test:8080 uri=b.test:8080 host=b.test:8080",
            ),
            // The same entity keeps its spelling.
            (
                "GET https://b.test/ HTTP/1.1\nHost: B.test:443\n\n",
                200,
                "authority=b.test uri=b.test host=B.test:443",
            ),
            // Neither name opens a door for the other.
            ("GET https://c.test/ HTTP/1.1\nHost: a.test\n\n", 421, ""),
            (
                "GET https://a.test/ HTTP/1.1\nHost: c.test\n\n",
                200,
                "authority=a.test uri=a.test host=a.test",
            ),
            ("GET https://x@b.test/ HTTP/1.1\nHost: b.test\n\n", 400, ""),
            ("GET https://a.test/ HTTP/1.1\nHost: x@b.test\n\n", 400, ""),
            ("GET https://a.test/ HTTP/1.1\n\n", 400, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn a3_origin_form_and_asterisk_form_take_host() {
    http1(
        MisdirectedLayer::new(),
        &[
            (
                "GET / HTTP/1.1\nHost: b.test\n\n",
                200,
                "authority=b.test uri=- host=b.test",
            ),
            (
                "OPTIONS * HTTP/1.1\nHost: b.test\n\n",
                200,
                "authority=b.test uri=- host=b.test",
            ),
            ("GET / HTTP/1.1\nHost: c.test\n\n", 421, ""),
            ("OPTIONS * HTTP/1.1\nHost: c.test\n\n", 421, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn a4_http1_needs_exactly_one_valid_host() {
    http1(
        MisdirectedLayer::new(),
        &[
            ("GET / HTTP/1.1\n\n", 400, ""),
            ("GET / HTTP/1.1\nHost:\n\n", 400, ""),
            ("GET / HTTP/1.1\nHost: a.test\nHost: a.test\n\n", 400, ""),
            ("GET / HTTP/1.1\nHost: a.test\nHost: c.test\n\n", 400, ""),
            ("GET / HTTP/1.1\nHost: a.test, b.test\n\n", 400, ""),
            ("GET / HTTP/1.1\nHost: a test\n\n", 400, ""),
            ("GET / HTTP/1.1\nHost: b\u{fc}cher.test\n\n", 400, ""),
            ("GET / HTTP/1.1\nHost: a.test:99999\n\n", 400, ""),
            ("GET / HTTP/1.0\nHost: a.test\nHost: a.test\n\n", 400, ""),
            ("GET / HTTP/1.0\n\n", 400, ""),
            (
                "GET / HTTP/1.0\nHost: b.test\n\n",
                200,
                "authority=b.test uri=- host=b.test",
            ),
            (
                "GET https://b.test/ HTTP/1.0\n\n",
                200,
                "authority=b.test uri=b.test host=-",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a4_http10_without_host_gets_the_default_one() {
    let layer = MisdirectedLayer::new().default_host("B.test:8443").unwrap();
    http1(
        layer,
        &[
            (
                "GET / HTTP/1.0\n\n",
                200,
                "authority=b.test:8443 uri=- host=b.test:8443",
            ),
            (
                "GET / HTTP/1.0\nHost: a.test\n\n",
                200,
                "authority=a.test uri=- host=a.test",
            ),
            // Nor for a request whose target names one.
            (
                "GET http://a.test/ HTTP/1.0\n\n",
                200,
                "authority=a.test uri=a.test host=-",
            ),
            // Not for HTTP/1.1, whose requests without one are malformed.
            ("GET / HTTP/1.1\n\n", 400, ""),
        ],
    )
    .await;
    // And it is judged like any other.
    let layer = MisdirectedLayer::new().default_host("c.test").unwrap();
    http1(layer, &[("GET / HTTP/1.0\n\n", 421, "")]).await;
}

#[tokio::test]
async fn a5_connect_is_judged_by_its_authority() {
    http1(
        MisdirectedLayer::new(),
        &[
            ("CONNECT c.test:443 HTTP/1.1\nHost: a.test\n\n", 421, ""),
            ("CONNECT c.test:443 HTTP/1.1\nHost: c.test:443\n\n", 421, ""),
            ("CONNECT x@a.test:443 HTTP/1.1\nHost: a.test\n\n", 400, ""),
            ("CONNECT a.test:443 HTTP/1.1\n\n", 400, ""),
        ],
    )
    .await;
    // An accepted CONNECT reaches the handler. hyper takes its 200 for the begin of a tunnel and
    // sends no body, so only the status is looked at.
    let (addr, calls) = server(MisdirectedLayer::new()).await;
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    let request = "CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n";
    io.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(wire::read_answer(&mut io, true).await.status, 200);
    assert_eq!(calls.count(), 1);

    let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    let client = wire::http2(io).await;
    for (authority, host, status) in [
        ("b.test:443", None, 200),
        ("c.test:443", None, 421),
        ("b.test:443", Some("b.test:443"), 200),
        ("b.test:443", Some("a.test:443"), 400),
    ] {
        let mut request = http::Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = authority.parse().unwrap();
        *request.version_mut() = http::Version::HTTP_2;
        if let Some(host) = host {
            let host = host.parse().unwrap();
            request.headers_mut().insert("host", host);
        }
        let answer = wire::send2(&client, request).await;
        assert_eq!(answer.status(), status, "{authority}");
    }
}

#[tokio::test]
async fn a5_extended_connect_is_judged_by_its_authority() {
    let (addr, calls) = server(MisdirectedLayer::new()).await;
    let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    let client = wire::http2(io).await;
    // The server's SETTINGS, which allow extended CONNECT, precede this answer.
    wire::send2(&client, wire::get2(Some("a.test"), &[])).await;
    for (authority, status) in [("b.test", 200), ("c.test", 421)] {
        let mut request = wire::request2(Method::CONNECT, "https", Some(authority), &[]);
        let protocol = h2::ext::Protocol::from_static("websocket");
        request.extensions_mut().insert(protocol);
        let answer = wire::send2(&client, request).await;
        assert_eq!(answer.status(), status, "{authority}");
    }
    assert_eq!(calls.count(), 2);
}

#[tokio::test]
async fn a6_the_grammar_holds_on_the_wire() {
    http2(&[
        (Some("x@a.test"), &[], 400, ""),
        (Some("a@b@a.test"), &[], 400, ""),
        (Some("[not-ip]"), &[], 400, ""),
        (Some("x[::1]"), &[], 400, ""),
        (Some("a.test:+80"), &[], 400, ""),
        (Some("a.test:99999"), &[], 400, ""),
        (Some("a..test"), &[], 400, ""),
        (Some("[::1%25eth0]"), &[], 400, ""),
        (
            Some("a.test."),
            &[],
            200,
            "authority=a.test uri=a.test. host=-",
        ),
        (
            Some("[2001:DB8:0::1]:443"),
            &[],
            200,
            "authority=[2001:db8::1]:443 uri=[2001:DB8:0::1]:443 host=-",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a7_a8_port_case_and_trailing_dot_do_not_matter() {
    http1(
        MisdirectedLayer::new(),
        &[
            (
                "GET / HTTP/1.1\nHost: B.TEST.:1\n\n",
                200,
                "authority=b.test:1 uri=- host=B.TEST.:1",
            ),
            (
                "GET / HTTP/1.1\nHost: b.test:\n\n",
                200,
                "authority=b.test uri=- host=b.test:",
            ),
            ("GET / HTTP/1.1\nHost: C.TEST.:1\n\n", 421, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn a9_an_authority_is_no_target_of_get() {
    http1(
        MisdirectedLayer::new(),
        &[
            ("GET foo HTTP/1.1\nHost: a.test\n\n", 400, ""),
            ("GET a.test HTTP/1.1\nHost: a.test\n\n", 400, ""),
            ("GET a.test:443 HTTP/1.1\nHost: a.test\n\n", 400, ""),
            ("POST a.test HTTP/1.1\nHost: a.test\n\n", 400, ""),
            ("GET * HTTP/1.1\nHost: a.test\n\n", 400, ""),
            ("CONNECT / HTTP/1.1\nHost: a.test\n\n", 400, ""),
            (
                "CONNECT https://a.test/ HTTP/1.1\nHost: a.test\n\n",
                400,
                "",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn forwarded_fields_name_nothing() {
    http1(
        MisdirectedLayer::new(),
        &[
            (
                "GET / HTTP/1.1\nHost: a.test\nX-Forwarded-Host: c.test\nForwarded: host=c.test\n\n",
                200,
                "authority=a.test uri=- host=a.test",
            ),
            (
                "GET / HTTP/1.1\nHost: c.test\nX-Forwarded-Host: a.test\nForwarded: host=a.test\n\n",
                421,
                "",
            ),
        ],
    )
    .await;
}
