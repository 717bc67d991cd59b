//! B1–B5 and B8: the verdict, on connections made by hand. Each rule is seen to pass and to refuse.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response, StatusCode, Version};
use tower::{Layer, ServiceExt, service_fn};
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, MisdirectedLayer, Rejection,
};

const LEVELS: [Coalescing; 5] = [
    Coalescing::Unchecked,
    Coalescing::Certificate,
    Coalescing::SameTlsConfig,
    Coalescing::SameVirtualHost,
    Coalescing::Never,
];

/// What the layer makes of a request: nothing, or a rejection. Checks on the way that the inner
/// service ran for exactly those that are not refused.
async fn judge(layer: &MisdirectedLayer, request: Request<()>) -> Result<(), Rejection> {
    let called = Arc::new(AtomicBool::new(false));
    let inner = service_fn(|_: Request<()>| {
        called.store(true, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let rejection = response.extensions().get::<Rejection>().copied();
    assert_eq!(called.load(Ordering::SeqCst), rejection.is_none(), "C4");
    let status = rejection.map_or(StatusCode::OK, Rejection::status);
    assert_eq!(response.status(), status);
    rejection.map_or(Ok(()), Err)
}

/// An HTTP/1.1 request in origin-form.
fn get(host: &str, connection: Option<&ConnectionInfo>) -> Request<()> {
    let mut request = Request::get("/").header("host", host).body(()).unwrap();
    if let Some(connection) = connection {
        request.extensions_mut().insert(connection.clone());
    }
    request
}

/// An HTTP/2 request, which names its scheme.
fn get2(uri: &str, connection: Option<&ConnectionInfo>) -> Request<()> {
    let mut request = Request::get(uri).version(Version::HTTP_2).body(()).unwrap();
    if let Some(connection) = connection {
        request.extensions_mut().insert(connection.clone());
    }
    request
}

fn names() -> CertificateNames {
    let ips = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    CertificateNames::from_sans(["a.test", "b.test", "*.w.test"], ips)
}

fn tls(server_name: Option<&str>) -> ConnectionInfo {
    ConnectionInfo::tls()
        .server_name(server_name)
        .certificate_names(names())
        .single_tls_config()
        .build()
}

fn at(level: Coalescing) -> MisdirectedLayer {
    MisdirectedLayer::new().coalescing(level)
}

#[tokio::test]
async fn b1_only_listed_hosts_are_served_with_and_without_connection_info() {
    let hosts = ["a.test", "*.w.test", "192.0.2.1", "::1"];
    let layer = at(Coalescing::Unchecked).allowed_hosts(hosts).unwrap();
    let tls = tls(Some("a.test"));
    let plaintext = ConnectionInfo::plaintext().build();
    for connection in [None, Some(&plaintext), Some(&tls)] {
        for host in ["a.test", "A.test.:81", "x.w.test", "192.0.2.1", "[::1]:80"] {
            assert_eq!(judge(&layer, get(host, connection)).await, Ok(()), "{host}");
        }
        for host in [
            "evil.test",
            "w.test",
            "x.y.w.test",
            "a.test.evil.test",
            "xa.test",
            "192.0.2.2",
            "[::2]",
            "[::ffff:192.0.2.1]",
        ] {
            let refused = Err(Rejection::UnknownHost);
            assert_eq!(
                judge(&layer, get(host, connection)).await,
                refused,
                "{host}"
            );
        }
    }
    // Listing a host does not make a connection good for it.
    let layer = MisdirectedLayer::new().allowed_hosts(["c.test"]).unwrap();
    let refused = Err(Rejection::NotInCertificate);
    assert_eq!(judge(&layer, get("c.test", Some(&tls))).await, refused);
}

#[tokio::test]
async fn a7_listed_ports_alone_are_served_where_ports_are_given() {
    let tls = tls(Some("a.test"));
    let plaintext = ConnectionInfo::plaintext().build();
    let gateway = ConnectionInfo::trusted_gateway().build();
    let refused = Err(Rejection::UnknownPort);

    let layer = MisdirectedLayer::new().ports([443, 8443]).unwrap();
    for (host, verdict) in [
        ("a.test:443", Ok(())),
        ("a.test:8443", Ok(())),
        // https over this connection, so 443.
        ("a.test", Ok(())),
        ("a.test:", Ok(())),
        ("a.test:80", refused),
        ("a.test:0", refused),
    ] {
        assert_eq!(
            judge(&layer, get(host, Some(&tls))).await,
            verdict,
            "{host}"
        );
    }
    assert_eq!(judge(&layer, get("a.test", Some(&gateway))).await, Ok(()));
    assert_eq!(
        judge(&layer, get("a.test", Some(&plaintext))).await,
        refused
    );
    let layer80 = MisdirectedLayer::new().ports([80]).unwrap();
    let request = get("a.test", Some(&gateway));
    assert_eq!(
        judge(&layer80, request).await,
        refused,
        "the client spoke https"
    );
    let request = get2("wss://a.test/", Some(&tls));
    assert_eq!(
        judge(&layer, request).await,
        refused,
        "no default port is known"
    );
    // The request's own scheme comes first.
    assert_eq!(
        judge(&layer, get2("https://a.test/", Some(&tls))).await,
        Ok(())
    );
    assert_eq!(
        judge(&layer, get2("http://a.test/", Some(&tls))).await,
        refused
    );

    let layer = MisdirectedLayer::new().ports([80]).unwrap();
    assert_eq!(judge(&layer, get("a.test", Some(&plaintext))).await, Ok(()));
    assert_eq!(judge(&layer, get("a.test", Some(&tls))).await, refused);

    // Without a scheme and without connection info, the default of either scheme will do.
    for (port, verdict) in [(80, Ok(())), (443, Ok(())), (8080, refused)] {
        let layer = at(Coalescing::Unchecked).ports([port]).unwrap();
        assert_eq!(judge(&layer, get("a.test", None)).await, verdict, "{port}");
    }
    // Unless given, the port takes no part.
    assert_eq!(
        judge(&at(Coalescing::Never), get("a.test:1", Some(&tls))).await,
        Ok(())
    );
}

#[tokio::test]
async fn b2_without_connection_info_every_check_of_it_fails_closed() {
    let refused = Err(Rejection::NoConnectionInfo);
    for level in LEVELS {
        let verdict = match level {
            Coalescing::Unchecked => Ok(()),
            _ => refused,
        };
        assert_eq!(
            judge(&at(level), get("a.test", None)).await,
            verdict,
            "{level:?}"
        );
    }
    let unchecked = at(Coalescing::Unchecked);
    assert_eq!(
        judge(&unchecked.clone().require_tls(true), get("a.test", None)).await,
        refused
    );
    assert_eq!(
        judge(&unchecked.clone().strict_scheme(true), get("a.test", None)).await,
        refused
    );
    assert_eq!(
        Rejection::NoConnectionInfo.status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert!(
        Rejection::NoConnectionInfo
            .to_string()
            .contains("TlsListener")
    );
}

#[tokio::test]
async fn b3_https_needs_a_secure_connection() {
    let plaintext = ConnectionInfo::plaintext().build();
    let gateway = ConnectionInfo::trusted_gateway().build();
    let tls = tls(Some("a.test"));
    let refused = Err(Rejection::InsecureConnection);
    for level in LEVELS {
        let layer = at(level);
        for uri in ["https://a.test/", "HTTPS://a.test/"] {
            // B1 alone decides at `Unchecked`, with and without connection info.
            let verdict = match level {
                Coalescing::Unchecked => Ok(()),
                _ => refused,
            };
            let request = get2(uri, Some(&plaintext));
            assert_eq!(judge(&layer, request).await, verdict, "{uri} {level:?}");
            assert_eq!(judge(&layer, get2(uri, Some(&gateway))).await, Ok(()));
            assert_eq!(judge(&layer, get2(uri, Some(&tls))).await, Ok(()));
        }
        let request = get2("http://a.test/", Some(&plaintext));
        assert_eq!(judge(&layer, request).await, Ok(()));
    }
    for layer in [
        at(Coalescing::Unchecked).strict_scheme(true),
        at(Coalescing::Unchecked).require_tls(true),
    ] {
        let request = get2("https://a.test/", Some(&plaintext));
        assert_eq!(judge(&layer, request).await, refused);
    }
    // In capitals, `http` is `http`.
    let request = get2("HTTP://a.test/", Some(&plaintext));
    let strict = MisdirectedLayer::new().strict_scheme(true);
    assert_eq!(judge(&strict, request).await, Ok(()));
    // HTTP/1's absolute-form names a scheme too.
    let mut request = get("a.test", Some(&plaintext));
    *request.uri_mut() = "https://a.test/".parse().unwrap();
    assert_eq!(judge(&MisdirectedLayer::new(), request).await, refused);
}

#[tokio::test]
async fn b3_a_scheme_in_capitals_is_the_same_scheme() {
    let plaintext = ConnectionInfo::plaintext().build();
    let strict = MisdirectedLayer::new().strict_scheme(true);
    let refused = Err(Rejection::InsecureConnection);
    for (scheme, verdict) in [("HTTPS", refused), ("HTTP", Ok(()))] {
        // Parsed by itself it keeps its case, as from a client that builds its requests.
        let scheme: http::uri::Scheme = scheme.parse().unwrap();
        let uri = http::Uri::builder()
            .scheme(scheme)
            .authority("a.test")
            .path_and_query("/");
        let mut request = get2("/", Some(&plaintext));
        *request.uri_mut() = uri.build().unwrap();
        assert_eq!(judge(&strict, request).await, verdict);
    }
}

/// An HTTP/2 request with `Host` in place of `:authority`, whose `:scheme` h2 has dropped.
fn get2_by_host(connection: &ConnectionInfo) -> Request<()> {
    let mut request = get("a.test", Some(connection));
    *request.version_mut() = Version::HTTP_2;
    request
}

#[tokio::test]
async fn b3_a_scheme_that_cannot_be_seen_may_be_https() {
    let plaintext = ConnectionInfo::plaintext().build();
    let gateway = ConnectionInfo::trusted_gateway().build();
    let tls = tls(Some("a.test"));
    let layer = MisdirectedLayer::new();
    let insecure = Err(Rejection::InsecureConnection);
    assert_eq!(judge(&layer, get2_by_host(&plaintext)).await, insecure);
    assert_eq!(judge(&layer, get2_by_host(&gateway)).await, Ok(()));
    assert_eq!(judge(&layer, get2_by_host(&tls)).await, Ok(()));

    let strict = layer.clone().strict_scheme(true);
    let mismatch = Err(Rejection::SchemeMismatch);
    assert_eq!(judge(&strict, get2_by_host(&plaintext)).await, insecure);
    assert_eq!(judge(&strict, get2_by_host(&gateway)).await, mismatch);
    assert_eq!(judge(&strict, get2_by_host(&tls)).await, mismatch);
}

#[tokio::test]
async fn a7_without_a_visible_scheme_the_default_port_is_that_of_the_connection() {
    let plaintext = ConnectionInfo::plaintext().build();
    let gateway = ConnectionInfo::trusted_gateway().build();
    let tls = tls(Some("a.test"));
    let refused = Err(Rejection::UnknownPort);
    for (connection, default) in [(&plaintext, 80), (&gateway, 443), (&tls, 443)] {
        for port in [80, 443, 8443] {
            let layer = at(Coalescing::Unchecked).ports([port]).unwrap();
            let verdict = if port == default { Ok(()) } else { refused };
            let request = get2_by_host(connection);
            assert_eq!(
                judge(&layer, request).await,
                verdict,
                "{port} {connection:?}"
            );
        }
    }
}

#[tokio::test]
async fn b3_http_over_tls_passes_unless_schemes_are_strict() {
    let plaintext = ConnectionInfo::plaintext().build();
    let gateway = ConnectionInfo::trusted_gateway().build();
    let tls = tls(Some("a.test"));
    let refused = Err(Rejection::SchemeMismatch);

    let layer = MisdirectedLayer::new();
    assert_eq!(
        judge(&layer, get2("http://a.test/", Some(&tls))).await,
        Ok(())
    );
    assert_eq!(
        judge(&layer, get2("wss://a.test/", Some(&tls))).await,
        Ok(())
    );

    let layer = layer.strict_scheme(true);
    for (uri, connection, verdict) in [
        ("http://a.test/", &tls, refused),
        ("https://a.test/", &tls, Ok(())),
        ("wss://a.test/", &tls, refused),
        ("http://a.test/", &plaintext, Ok(())),
        (
            "https://a.test/",
            &plaintext,
            Err(Rejection::InsecureConnection),
        ),
        ("ws://a.test/", &plaintext, refused),
        ("http://a.test/", &gateway, Ok(())),
        ("https://a.test/", &gateway, Ok(())),
    ] {
        let request = get2(uri, Some(connection));
        assert_eq!(
            judge(&layer, request).await,
            verdict,
            "{uri} on {connection:?}"
        );
    }
    // Origin-form has the connection's scheme.
    assert_eq!(judge(&layer, get("a.test", Some(&tls))).await, Ok(()));
    assert_eq!(judge(&layer, get("a.test", Some(&plaintext))).await, Ok(()));
}

#[tokio::test]
async fn b4_plaintext_is_servable_unless_tls_is_required() {
    let plaintext = ConnectionInfo::plaintext().build();
    let gateway = ConnectionInfo::trusted_gateway().build();
    let tls = tls(Some("a.test"));
    for level in LEVELS {
        let layer = at(level);
        assert_eq!(
            judge(&layer, get("any.test", Some(&plaintext))).await,
            Ok(())
        );
        assert_eq!(judge(&layer, get("any.test", Some(&gateway))).await, Ok(()));
        let layer = layer.require_tls(true);
        let refused = Err(Rejection::InsecureConnection);
        assert_eq!(
            judge(&layer, get("any.test", Some(&plaintext))).await,
            refused
        );
        assert_eq!(judge(&layer, get("any.test", Some(&gateway))).await, Ok(()));
        assert_eq!(judge(&layer, get("a.test", Some(&tls))).await, Ok(()));
    }
}

#[tokio::test]
async fn b5_the_certificate_must_cover_the_host() {
    let refused = Err(Rejection::NotInCertificate);
    for server_name in [Some("a.test"), Some("x.w.test"), Some("c.test"), None] {
        let connection = tls(server_name);
        for level in [
            Coalescing::Certificate,
            Coalescing::SameTlsConfig,
            Coalescing::SameVirtualHost,
        ] {
            let layer = at(level);
            for host in [
                "a.test",
                "b.test",
                "X.w.test.",
                "192.0.2.1",
                "[2001:DB8::1]",
            ] {
                let verdict = judge(&layer, get(host, Some(&connection))).await;
                assert_eq!(verdict, Ok(()), "{host} {level:?} {server_name:?}");
            }
            for host in [
                "c.test",
                "w.test",
                "x.y.w.test",
                "192.0.2.2",
                "[::1]",
                "[::ffff:192.0.2.1]",
                "test",
            ] {
                let verdict = judge(&layer, get(host, Some(&connection))).await;
                let refused = match server_name == Some(host) {
                    true => Err(Rejection::ServerNameNotInCertificate),
                    false => refused,
                };
                assert_eq!(verdict, refused, "{host} {level:?} {server_name:?}");
            }
        }
        let verdict = judge(&at(Coalescing::Unchecked), get("c.test", Some(&connection))).await;
        assert_eq!(verdict, Ok(()));
    }
}

#[tokio::test]
async fn b5_unknown_names_leave_the_server_name_only() {
    let refused = Err(Rejection::NotInCertificate);
    let unknown = ConnectionInfo::tls().server_name("a.test").build();
    let nameless = ConnectionInfo::tls().build();
    let none = ConnectionInfo::tls()
        .server_name("a.test")
        .certificate_names(CertificateNames::from_sans([""; 0], []))
        .build();
    let malformed = ConnectionInfo::tls()
        .server_name("a.test")
        .certificate_names(CertificateNames::from_sans(["*"], []))
        .build();
    // SNI cannot carry an address, so this is no server name.
    let address = ConnectionInfo::tls().server_name("192.0.2.1").build();
    for level in &LEVELS[1..] {
        let layer = at(*level);
        assert_eq!(
            judge(&layer, get("A.test:443", Some(&unknown))).await,
            Ok(())
        );
        assert_eq!(judge(&layer, get("b.test", Some(&unknown))).await, refused);
        assert_eq!(
            judge(&layer, get("192.0.2.1", Some(&unknown))).await,
            refused
        );
        assert_eq!(judge(&layer, get("a.test", Some(&nameless))).await, refused);
        assert_eq!(
            judge(&layer, get("192.0.2.1", Some(&address))).await,
            refused
        );
        // A certificate that names no hosts is as good as an unknown one.
        assert_eq!(judge(&layer, get("a.test", Some(&none))).await, Ok(()));
        assert_eq!(judge(&layer, get("b.test", Some(&none))).await, refused);
        // A certificate that names hosts covers these alone, even if no client would match them.
        let own = Err(Rejection::ServerNameNotInCertificate);
        assert_eq!(judge(&layer, get("a.test", Some(&malformed))).await, own);
        assert_eq!(
            judge(&layer, get("b.test", Some(&malformed))).await,
            refused
        );
    }
}

#[tokio::test]
async fn b8_never_serves_the_server_name_only() {
    let layer = at(Coalescing::Never);
    let mismatch = Err(Rejection::ServerNameMismatch);
    let outside = Err(Rejection::NotInCertificate);
    for (server_name, host, verdict) in [
        (Some("a.test"), "a.test", Ok(())),
        (Some("A.Test."), "a.TEST.:8443", Ok(())),
        (Some("a.test"), "b.test", mismatch),
        (Some("x.w.test"), "y.w.test", mismatch),
        (Some("a.test"), "192.0.2.1", mismatch),
        // SNI cannot carry an IP address.
        (None, "192.0.2.1", Ok(())),
        (None, "[2001:db8::1]", Ok(())),
        (Some("192.0.2.1"), "192.0.2.1", Ok(())),
        (None, "192.0.2.2", outside),
        (None, "a.test", mismatch),
        // What the certificate does not cover fails earlier.
        (Some("a.test"), "c.test", outside),
        (
            Some("c.test"),
            "c.test",
            Err(Rejection::ServerNameNotInCertificate),
        ),
    ] {
        let request = get(host, Some(&tls(server_name)));
        let given = judge(&layer, request).await;
        assert_eq!(given, verdict, "{server_name:?} {host}");
    }
}

#[tokio::test]
async fn the_first_rule_that_fails_is_the_reason() {
    let layer = MisdirectedLayer::new()
        .coalescing(Coalescing::Never)
        .allowed_hosts(["a.test", "b.test", "c.test"])
        .unwrap()
        .ports([443])
        .unwrap()
        .strict_scheme(true)
        .require_tls(true);
    let tls = tls(Some("a.test"));
    let plaintext = ConnectionInfo::plaintext().build();
    for (uri, connection, rejection) in [
        ("https://evil.test:1/", None, Rejection::UnknownHost),
        ("https://a.test:1/", None, Rejection::UnknownPort),
        ("https://a.test/", None, Rejection::NoConnectionInfo),
        (
            "http://a.test:443/",
            Some(&plaintext),
            Rejection::InsecureConnection,
        ),
        ("http://c.test:443/", Some(&tls), Rejection::SchemeMismatch),
        ("https://c.test/", Some(&tls), Rejection::NotInCertificate),
        ("https://b.test/", Some(&tls), Rejection::ServerNameMismatch),
    ] {
        let request = get2(uri, connection);
        assert_eq!(judge(&layer, request).await, Err(rejection), "{uri}");
    }
}

#[tokio::test]
async fn b5_without_the_check_every_level_keeps_its_other_rules() {
    let mismatch = Err(Rejection::ServerNameMismatch);
    let unchecked = |level| at(level).check_certificate(false);
    let untold = ConnectionInfo::tls()
        .server_name("a.test")
        .certificate_names(names())
        .build();
    for level in &LEVELS[1..] {
        let layer = unchecked(*level);
        let never = *level == Coalescing::Never;
        let named = tls(Some("a.test"));
        // c.test and 192.0.2.2 are not in the certificate.
        for host in ["c.test", "b.test", "192.0.2.1", "192.0.2.2"] {
            let verdict = judge(&layer, get(host, Some(&named))).await;
            assert_eq!(
                verdict,
                if never { mismatch } else { Ok(()) },
                "{host} {level:?}"
            );
        }
        let own = tls(Some("c.test"));
        assert_eq!(judge(&layer, get("C.test.:1", Some(&own))).await, Ok(()));
        // B1, B2, B3
        let listed = layer.clone().allowed_hosts(["a.test"]).unwrap();
        let verdict = judge(&listed, get("c.test", Some(&named))).await;
        assert_eq!(verdict, Err(Rejection::UnknownHost));
        let verdict = judge(&layer, get("a.test", None)).await;
        assert_eq!(verdict, Err(Rejection::NoConnectionInfo));
        let plaintext = ConnectionInfo::plaintext().build();
        let verdict = judge(&layer, get2("https://a.test/", Some(&plaintext))).await;
        assert_eq!(verdict, Err(Rejection::InsecureConnection));
        // D9
        if *level >= Coalescing::SameTlsConfig {
            let verdict = judge(&layer, get("c.test", Some(&untold))).await;
            assert_eq!(verdict, Err(Rejection::DifferentTlsConfig));
        }
    }
    // The last call wins.
    let layer = MisdirectedLayer::new()
        .check_certificate(false)
        .check_certificate(true);
    let verdict = judge(&layer, get("c.test", Some(&tls(Some("a.test"))))).await;
    assert_eq!(verdict, Err(Rejection::NotInCertificate));
}

#[tokio::test]
async fn b8_an_address_needs_a_certificate_that_covers_it_even_without_the_check() {
    let layer = at(Coalescing::Never).check_certificate(false);
    let mismatch = Err(Rejection::ServerNameMismatch);
    for (host, verdict) in [
        ("192.0.2.1", Ok(())),
        ("[2001:db8::1]", Ok(())),
        ("192.0.2.2", mismatch),
        ("a.test", mismatch),
    ] {
        let found = judge(&layer, get(host, Some(&tls(None)))).await;
        assert_eq!(found, verdict, "{host}");
    }
    let unknown = ConnectionInfo::tls().single_tls_config().build();
    let found = judge(&layer, get("192.0.2.1", Some(&unknown))).await;
    assert_eq!(found, mismatch);
}

#[tokio::test]
async fn b10_a_wildcard_for_several_labels_is_an_allowed_host() {
    let hosts = ["**.w.test", "*.x.test"];
    let layer = at(Coalescing::Unchecked).allowed_hosts(hosts).unwrap();
    let long = format!("{}w.test", "a.".repeat(123));
    for host in [
        "a.w.test",
        "a.b.w.test",
        "A.B.C.W.Test.:81",
        "a.x.test",
        &long,
    ] {
        assert_eq!(judge(&layer, get(host, None)).await, Ok(()), "{host}");
    }
    for host in [
        "w.test",
        "aw.test",
        "a.b.x.test",
        "a.w.test.test",
        "test",
        "192.0.2.1",
    ] {
        let refused = Err(Rejection::UnknownHost);
        assert_eq!(judge(&layer, get(host, None)).await, refused, "{host}");
    }
}

#[test]
fn levels_are_ordered_from_open_to_strict() {
    assert!(LEVELS.is_sorted());
    assert_eq!(Coalescing::default(), Coalescing::SameTlsConfig);
}

/// A TLS stack may look its contexts up by the very spelling of the client: CVE-2022-23632, CVE-2026-53622.
#[tokio::test]
async fn d9_an_odd_spelling_of_the_server_name_is_served_only_if_somebody_told_the_configuration() {
    for spelling in ["A.test", "a.test.", "A.TEST."] {
        let info = || {
            let names = CertificateNames::from_sans(["a.test"], []);
            ConnectionInfo::tls()
                .server_name(spelling)
                .certificate_names(names)
        };
        let (untold, single) = (info().build(), info().single_tls_config().build());
        for level in LEVELS {
            let layer = at(level);
            let verdict = judge(&layer, get("a.test", Some(&untold))).await;
            let refused = level >= Coalescing::SameTlsConfig;
            let expected = if refused {
                Err(Rejection::DifferentTlsConfig)
            } else {
                Ok(())
            };
            assert_eq!(verdict, expected, "{spelling} {level:?}");
            assert_eq!(judge(&layer, get("a.test", Some(&single))).await, Ok(()));
        }
    }
}

/// A TLS stack that chooses among contexts by server name, and an info that says nothing about it. At the default
/// level this was 200 for a host that requires a client certificate.
#[tokio::test]
async fn d9_only_the_server_name_is_served_if_nobody_told_the_configuration() {
    let untold = ConnectionInfo::tls()
        .server_name("a.test")
        .certificate_names(names())
        .build();
    let single = ConnectionInfo::tls()
        .server_name("a.test")
        .certificate_names(names())
        .single_tls_config()
        .build();
    let refused = Err(Rejection::DifferentTlsConfig);
    for level in LEVELS {
        let layer = at(level);
        assert_eq!(judge(&layer, get("A.test:1", Some(&untold))).await, Ok(()));
        for host in ["b.test", "x.w.test", "192.0.2.1"] {
            let verdict = judge(&layer, get(host, Some(&untold))).await;
            let known_to_pass = level < Coalescing::SameTlsConfig;
            assert_eq!(
                verdict,
                if known_to_pass { Ok(()) } else { refused },
                "{host}"
            );
            if level < Coalescing::Never {
                assert_eq!(judge(&layer, get(host, Some(&single))).await, Ok(()));
            }
        }
    }
}
