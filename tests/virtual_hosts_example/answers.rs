//! What a request is answered: one line over every version of HTTP, and what a refusal looks like.

use http::{Method, Request};

use super::*;
use crate::wire::http3::{get3, send3};

#[tokio::test]
async fn one_line_tells_what_was_seen_over_every_version() {
    let site = Site::new();
    let hosts = [host("www"), sharing("shop", "www")].concat();
    let example = site.serve(&format!("http3 = true\n{hosts}")).await;
    let addr = example.addr;
    let alt_svc = format!("h3=\":{}\"; ma=86400", addr.port());
    let client = || pki::client(&["http/1.1"]);

    let mut io = wire::connect(addr, client(), Some("www.test")).await;
    for (request, host) in [
        ("GET / HTTP/1.1\nHost: WWW.test.:8443\n\n", "www"),
        ("GET /health HTTP/1.1\nHost: shop.test\n\n", "shop"),
        (
            "POST /a?b=c HTTP/1.1\nHost: www.test\nContent-Length: 3\n\nabc",
            "www",
        ),
        (
            "DELETE https://shop.test/ HTTP/1.1\nHost: www.test\n\n",
            "shop",
        ),
        ("OPTIONS * HTTP/1.1\nHost: www.test\n\n", "www"),
    ] {
        let answer = wire::exchange(&mut io, request).await;
        let expected = line(&format!("{host}.test"), host, "www.test", "-");
        assert_eq!((answer.status, &answer.body), (200, &expected), "{request}");
        assert!(
            answer
                .header("content-type")
                .unwrap()
                .starts_with("text/plain")
        );
        assert_eq!(answer.header("alt-svc"), Some(&*alt_svc));
    }
    let answer = wire::exchange(&mut io, "HEAD / HTTP/1.1\nHost: www.test\n\n").await;
    assert_eq!(answer.status, 200);
    let answer = wire::exchange(&mut io, "GET / HTTP/1.1\nHost: no.test\n\n").await;
    assert_eq!((answer.status, answer.header("alt-svc")), (421, None));

    let two = open_for(addr, "www.test").await;
    let answer = get(&two, "shop.test").await;
    assert_eq!(answer.body(), &line("shop.test", "shop", "www.test", "-"));
    assert_eq!(answer.headers()["alt-svc"], *alt_svc);
    let answer = get(&two, "no.test").await;
    assert_eq!(answer.status(), 421);
    assert!(!answer.headers().contains_key("alt-svc"));

    let (three, ..) = open3(addr, client(), "www.test").await;
    let answer = get3(&three, "shop.test").await;
    assert_eq!(answer.body(), &line("shop.test", "shop", "www.test", "-"));
    assert!(!answer.headers().contains_key("alt-svc"));
    let head = Request::builder()
        .method(Method::HEAD)
        .uri("https://www.test/health");
    let answer = send3(&three, head.body(()).unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), &**answer.body()), (200, ""));
    assert_eq!(get3(&three, "no.test").await.status(), 421);
    example.ends_on_ctrl_c().await;
}

#[tokio::test]
async fn http3_is_off_by_default() {
    let site = Site::new();
    let example = site.serve(&host("www")).await;
    let client = open_for(example.addr, "www.test").await;
    assert!(
        !get(&client, "www.test")
            .await
            .headers()
            .contains_key("alt-svc")
    );
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_served_and_sessions_are_resumed() {
    let site = Site::new();
    let example = site.serve(&[host("www"), host("other")].concat()).await;
    for version in rustls::ALL_VERSIONS {
        let config = Arc::new(pki::client_of(&["http/1.1"], &[version], pki::provider()));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut io = wire::connect(example.addr, config.clone(), Some("www.test")).await;
            let answer = wire::exchange(&mut io, "GET / HTTP/1.1\nHost: www.test\n\n").await;
            assert_eq!(answer.body, line("www.test", "www", "www.test", "-"));
            kinds.push(io.get_ref().1.handshake_kind().unwrap());
        }
        let resumed = rustls::HandshakeKind::Resumed;
        assert_eq!(
            (kinds[0] == resumed, kinds[1] == resumed),
            (false, true),
            "{version:?}"
        );
    }
}

#[tokio::test]
async fn a_host_with_client_certificates_is_apart() {
    let site = Site::new();
    let clients = site.authority("clients");
    let strangers = site.authority("strangers");
    let admin = format!("{}client_ca = \"clients.pem\"\n", host("admin"));
    let hosts = [host("www"), admin].concat();
    let example = site.serve(&format!("http3 = true\n{hosts}")).await;
    let addr = example.addr;

    let www = open_for(addr, "www.test").await;
    assert_eq!(status(&www, "www.test").await, 200);
    assert_eq!(status(&www, "admin.test").await, 421);

    let alice = clients.client("alice");
    let alice = pki::client_with_certificate(&["h2"], &alice);
    let admin = open(addr, alice.clone(), Some("admin.test")).await;
    let expected = line("admin.test", "admin", "admin.test", "alice");
    assert_eq!(get(&admin, "admin.test").await.body(), &expected);
    assert_eq!(status(&admin, "www.test").await, 421);

    let (admin, ..) = open3(addr, alice, "admin.test").await;
    assert_eq!(get3(&admin, "admin.test").await.body(), &expected);
    assert_eq!(get3(&admin, "www.test").await.status(), 421);
    let (www, ..) = open3(addr, pki::client(&[]), "www.test").await;
    assert_eq!(get3(&www, "admin.test").await.status(), 421);

    assert!(kept_out(addr, pki::client(&["http/1.1"]), Some("admin.test")).await);
    let stranger = pki::client_with_certificate(&["http/1.1"], &strangers.client("alice"));
    assert!(kept_out(addr, stranger, Some("admin.test")).await);
}

#[tokio::test]
async fn no_common_name_forges_a_field_or_a_line() {
    let site = Site::new();
    let clients = site.authority("clients");
    let hosts = format!("{}client_ca = \"clients.pem\"\n", host("admin"));
    let example = site.serve(&hosts).await;
    for (name, shown) in [
        ("alice", "alice"),
        ("Jos\u{e9} O'Neil", "Jos\u{e9}\\u{20}O'Neil"),
        (
            "a\r\nhost=evil.test vhost=www",
            "a\\r\\nhost=evil.test\\u{20}vhost=www",
        ),
        ("a\u{2028}b\u{a0}c\td\\", "a\\u{2028}b\\u{a0}c\\td\\\\"),
        ("-", "\\u{2d}"),
    ] {
        let client = pki::client_with_certificate(&["h2"], &clients.client(name));
        let client = open(example.addr, client, Some("admin.test")).await;
        let expected = line("admin.test", "admin", "admin.test", shown);
        assert_eq!(get(&client, "admin.test").await.body(), &expected);
    }
}

#[tokio::test]
async fn the_default_serves_clients_without_a_matching_name() {
    let site = Site::new();
    let hosts = [host("www"), host("other")].concat();
    let without = site.serve(&hosts).await;
    let any = || pki::client(&["h2"]);
    assert!(kept_out(without.addr, any(), None).await);
    assert!(kept_out(without.addr, any(), Some("shop.test")).await);

    let with = site.serve(&format!("default = \"www\"\n{hosts}")).await;
    for (sni, shown) in [(None, "-"), (Some("shop.test"), "shop.test")] {
        let client = open(with.addr, any(), sni).await;
        for host in ["www.test", "shop.test"] {
            let answer = get(&client, host).await;
            assert_eq!(answer.body(), &line(host, "www", shown, "-"));
        }
        // The default opens no door to a host that has a configuration of its own.
        assert_eq!(status(&client, "other.test").await, 421);
    }
}

#[tokio::test]
async fn b9_an_address_has_its_own_configuration() {
    let site = Site::new();
    let clients = site.authority("clients");
    site.certificate("address", &["127.0.0.1", "www.test"]);
    let address = own("address", "address").replace("address.test", "127.0.0.1");
    let hosts = format!("{}{address}client_ca = \"clients.pem\"\n", host("www"));
    let example = site.serve(&format!("default = \"www\"\n{hosts}")).await;
    let addr = example.addr;

    let alice = pki::client_with_certificate(&["h2"], &clients.client("alice"));
    let connection = open(addr, alice, None).await;
    let expected = line("127.0.0.1", "address", "-", "alice");
    let asked = format!("127.0.0.1:{}", addr.port());
    assert_eq!(get(&connection, &asked).await.body(), &expected);
    assert_eq!(status(&connection, "www.test").await, 421);

    assert!(kept_out(addr, pki::client(&["http/1.1"]), None).await);
    let www = open_for(addr, "www.test").await;
    assert_eq!(status(&www, "www.test").await, 200);
    assert_eq!(status(&www, "127.0.0.1").await, 421);
}

#[tokio::test]
async fn report_only_refuses_nothing_and_says_so() {
    let site = Site::new();
    let hosts = [host("www"), host("other")].concat();
    let example = site.serve(&format!("report_only = true\n{hosts}")).await;
    let mut io = wire::connect(example.addr, pki::client(&["http/1.1"]), Some("www.test")).await;
    for (host, expected) in [
        ("www.test", line("www.test", "www", "www.test", "-")),
        ("other.test", line("other.test", "other", "www.test", "-")),
        ("no.test", line("no.test", "-", "www.test", "-")),
        ("a b", line("-", "-", "www.test", "-")),
    ] {
        let answer = wire::exchange(&mut io, &format!("GET / HTTP/1.1\nHost: {host}\n\n")).await;
        assert_eq!((answer.status, answer.body), (200, expected), "{host}");
    }
    assert!(example.signal("-TERM"));
    drop(io);
    let (_, errors) = example.ends().await;
    // Before serving, which hosts clients will coalesce.
    let (overlap, errors) = errors.split_first().unwrap();
    assert!(overlap.contains(r#"covers www.test of "www""#), "{overlap}");
    // Then one line for each request, with the reason.
    let reasons = ["different_tls_config", "unknown_host", "invalid_host"];
    assert_eq!(errors.len(), reasons.len(), "{errors:?}");
    for (line, reason) in errors.iter().zip(reasons) {
        assert!(line.contains("request would be refused"), "{line}");
        assert!(line.contains(reason), "{reason} in {line}");
    }
}

#[tokio::test]
async fn refusals_have_the_body_that_was_asked_for() {
    let site = Site::new();
    for (body, kind, misdirected) in [
        ("", None, ""),
        ("body = \"none\"\n", None, ""),
        (
            "body = \"json\"\n",
            Some("application/json"),
            r#"{"error":"misdirected_request"}"#,
        ),
        (
            "body = \"problem-json\"\n",
            Some("application/problem+json"),
            r#""status":421"#,
        ),
    ] {
        let example = site.serve(&format!("{body}{}", host("www"))).await;
        let client = open_for(example.addr, "www.test").await;
        for (host, status) in [("no.test", 421), ("me@www.test", 400)] {
            let answer = get(&client, host).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["cache-control"], "no-store");
            let found = answer.headers().get("content-type");
            assert_eq!(found.map(|kind| kind.to_str().unwrap()), kind);
            assert_eq!(answer.body().is_empty(), misdirected.is_empty());
        }
        let answer = get(&client, "no.test").await;
        assert!(answer.body().contains(misdirected), "{}", answer.body());
        assert_eq!(status(&client, "www.test").await, 200);
    }
}
