//! Names in other spellings and in other places than a hasty comparison expects them.

use std::sync::Arc;

use rustls::ServerConfig;
use tower_misdirected::{Malformed, Rejection, VirtualHosts};

use crate::client::{EVERY_HTTP, Http, Visitor};
use crate::pki;
use crate::site::{Client, Configs, Got, Memory, ONE, Site};
use crate::wire;

const NOBODY: Got = Got::Served(Client::Nobody);
const CLIENT_ONE: Got = Got::Served(Client::One);
const OTHER_CONFIG: Got = Got::Refused(Rejection::DifferentTlsConfig);
const NOT_COVERED: Got = Got::Refused(Rejection::NotInCertificate);

fn malformed(malformed: Malformed) -> Got {
    Got::Refused(Rejection::Malformed(malformed))
}

/// A site whose open configuration is the default, as Traefik's was.
async fn site() -> Site {
    let hosts = Configs::new(&Memory::tickets()).hosts();
    Site::new(hosts.default_to("www.test")).await
}

/// `name` in every spelling that means the same (A6–A8).
fn spellings(name: &str) -> Vec<String> {
    let mut spellings = Vec::new();
    for name in [name.to_owned(), name.to_uppercase(), name.replace('t', "T")] {
        for end in ["", ".", ":443", ".:443", ":", ".:", ":8443", ":0"] {
            spellings.push(format!("{name}{end}"));
        }
    }
    spellings
}

#[tokio::test]
async fn cve_2022_23632_traefik_no_spelling_of_a_host_falls_to_the_default() {
    let site = site().await;
    for http in EVERY_HTTP {
        for sni in [Some("www.test"), None] {
            let stranger = Visitor::new(http, None);
            let mut connection = site.connect(&stranger, sni).await.unwrap();
            for host in spellings("admin.test") {
                let got = site.ask(&mut connection, &host).await;
                assert_eq!(got, OTHER_CONFIG, "{http:?} {host}");
            }
            for host in spellings("www.test") {
                let got = site.ask(&mut connection, &host).await;
                assert_eq!(got, NOBODY, "{http:?} {host}");
            }
            // No name at all, so that nothing can fall anywhere.
            for host in ["admin.test..", ".admin.test", "admin..test"] {
                let got = site.ask(&mut connection, host).await;
                assert_eq!(got, malformed(Malformed::InvalidHost), "{http:?} {host}");
            }
        }
        let friend = Visitor::new(http, Some(&ONE));
        let mut connection = site.connect(&friend, Some("admin.test")).await.unwrap();
        for host in spellings("admin.test") {
            let got = site.ask(&mut connection, &host).await;
            assert_eq!(got, CLIENT_ONE, "{http:?} {host}");
        }
    }
}

#[tokio::test]
async fn cve_2026_48491_traefik_a_wildcard_host_wants_its_certificate_too() {
    let site = site().await;
    for http in EVERY_HTTP {
        for sni in [Some("www.test"), Some("a.w.test"), None] {
            let stranger = Visitor::new(http, None);
            let mut connection = site.connect(&stranger, sni).await.unwrap();
            for host in spellings("x.mtls.test") {
                let got = site.ask(&mut connection, &host).await;
                assert_eq!(got, OTHER_CONFIG, "{http:?} {host}");
            }
            // One label, and never none (RFC 9525 §6.3).
            for host in ["a.x.mtls.test", "mtls.test"] {
                let got = site.ask(&mut connection, host).await;
                assert_eq!(got, NOT_COVERED, "{http:?} {host}");
            }
        }
        let friend = Visitor::new(http, Some(&ONE));
        let sni = Some("x.mtls.test");
        let mut connection = site.connect(&friend, sni).await.unwrap();
        for host in ["x.mtls.test", "Y.mtls.test.:443"] {
            let got = site.ask(&mut connection, host).await;
            assert_eq!(got, CLIENT_ONE, "{http:?} {host}");
        }
        assert_eq!(site.ask(&mut connection, "www.test").await, OTHER_CONFIG);
    }
}

#[tokio::test]
async fn cve_2026_48491_traefik_the_better_match_decides() {
    let configs = Configs::new(&Memory::tickets());
    let hosts = configs.hosts().default_to("www.test");
    let hosts = hosts
        .host("open.mtls.test", configs.open.clone())
        .host("strict.w.test", configs.one.clone());
    let site = Site::new(hosts).await;
    for http in EVERY_HTTP {
        // An exact entry that wants a certificate, in a wildcard that does not; and the reverse.
        let stranger = Visitor::new(http, None);
        let mut connection = site.connect(&stranger, Some("a.w.test")).await.unwrap();
        for (host, got) in [
            ("b.w.test", NOBODY),
            ("Strict.w.test.", OTHER_CONFIG),
            ("Open.mtls.test.", NOBODY),
            ("x.mtls.test", OTHER_CONFIG),
        ] {
            assert_eq!(
                site.ask(&mut connection, host).await,
                got,
                "{http:?} {host}"
            );
        }
        let friend = Visitor::new(http, Some(&ONE));
        for (sni, got) in [
            ("strict.w.test", CLIENT_ONE),
            ("b.w.test", NOBODY),
            ("open.mtls.test", NOBODY),
            ("x.mtls.test", CLIENT_ONE),
        ] {
            let seen = site.ask_once(&friend, Some(sni), sni).await;
            assert_eq!(seen, got, "{http:?} {sni}");
        }
    }
}

/// B10: a wildcard for several labels, around and under hosts that want a certificate.
#[tokio::test]
async fn cve_2026_48491_traefik_a_wildcard_for_several_labels_gives_way_to_every_better_match() {
    let configs = Configs::new(&Memory::tickets());
    // `admin.test` and `*.mtls.test` have entries of their own, which want a certificate.
    let hosts = configs.hosts().default_to("www.test");
    let hosts = hosts
        .host("**.test", configs.open.clone())
        .host("**.deep.w.test", configs.one.clone())
        .host("strict.w.test", configs.one.clone());
    let site = Site::new(hosts).await;
    for http in EVERY_HTTP {
        for sni in [
            Some("nobody.test"),
            Some("a.b.test"),
            Some("www.test"),
            None,
        ] {
            let stranger = Visitor::new(http, None);
            let mut connection = site.connect(&stranger, sni).await.unwrap();
            for name in ["admin.test", "x.mtls.test", "strict.w.test"] {
                for host in spellings(name) {
                    let got = site.ask(&mut connection, &host).await;
                    assert_eq!(got, OTHER_CONFIG, "{http:?} {sni:?} {host}");
                }
            }
            for host in ["www.test", "new.test", "NEW.Test.:443"] {
                let got = site.ask(&mut connection, host).await;
                assert_eq!(got, NOBODY, "{http:?} {sni:?} {host}");
            }
            // B5: no name of the certificate covers two labels.
            for host in ["a.deep.w.test", "A.B.Deep.W.Test."] {
                let got = site.ask(&mut connection, host).await;
                assert_eq!(got, NOT_COVERED, "{http:?} {sni:?} {host}");
            }
        }
        // The longest one decides the handshake, in every spelling.
        for sni in ["a.deep.w.test", "A.B.deep.w.test", "a.DEEP.w.test"] {
            let stranger = Visitor::new(http, None);
            let got = site.ask_once(&stranger, Some(sni), "www.test").await;
            assert_eq!(got, Got::Ended, "{http:?} {sni}");
            let friend = Visitor::new(http, Some(&ONE));
            let mut connection = site.connect(&friend, Some(sni)).await.unwrap();
            let got = site.ask(&mut connection, "strict.w.test").await;
            assert_eq!(got, CLIENT_ONE, "{http:?} {sni}");
            let got = site.ask(&mut connection, "www.test").await;
            assert_eq!(got, OTHER_CONFIG, "{http:?} {sni}");
        }
    }
}

#[tokio::test]
async fn hyperdriver_case_is_no_mismatch() {
    let site = site().await;
    for http in EVERY_HTTP {
        let visitor = Visitor::new(http, None);
        for sni in ["www.test", "WWW.test"] {
            for host in ["www.test", "www.TEST", "Shop.Test"] {
                let got = site.ask_once(&visitor, Some(sni), host).await;
                assert_eq!(got, NOBODY, "{http:?} {sni} {host}");
            }
        }
    }
}

#[tokio::test]
async fn hyperdriver_a_request_without_host_is_malformed() {
    let site = site().await;
    for (http, certificate, sni) in [
        (Http::One, None, "www.test"),
        (Http::One, Some(&*ONE), "admin.test"),
        (Http::Two, None, "www.test"),
        (Http::Two, Some(&*ONE), "admin.test"),
    ] {
        let visitor = Visitor::new(http, certificate);
        let mut connection = site.connect(&visitor, Some(sni)).await.unwrap();
        let got = match http {
            Http::One => {
                let answer = connection.text1("GET / HTTP/1.1\n\n");
                site.see(sni, answer).await
            }
            _ => {
                let answer = connection.request2(wire::get2(None, &[]));
                site.see(sni, answer).await
            }
        };
        assert_eq!(got, malformed(Malformed::MissingAuthority), "{http:?}");
    }
    assert_eq!(site.calls(), 0);
}

#[tokio::test]
async fn hyperdriver_absolute_form_is_judged_by_its_target() {
    let site = site().await;
    let stranger = Visitor::new(Http::One, None);
    let friend = Visitor::new(Http::One, Some(&ONE));
    for (visitor, sni, target, field, got) in [
        // The handler sees no name but the target's, which `see` makes sure of (A2).
        (&stranger, "www.test", "www.test", "admin.test", NOBODY),
        (
            &stranger,
            "www.test",
            "admin.test",
            "www.test",
            OTHER_CONFIG,
        ),
        (
            &stranger,
            "www.test",
            "admin.test.:443",
            "www.test",
            OTHER_CONFIG,
        ),
        (
            &stranger,
            "www.test",
            "x.mtls.test",
            "www.test",
            OTHER_CONFIG,
        ),
        (&friend, "admin.test", "admin.test", "www.test", CLIENT_ONE),
        (
            &friend,
            "admin.test",
            "www.test",
            "admin.test",
            OTHER_CONFIG,
        ),
    ] {
        for scheme in ["http", "https", "HTTPS"] {
            let mut connection = site.connect(visitor, Some(sni)).await.unwrap();
            let request = format!("GET {scheme}://{target}/ HTTP/1.1\nHost: {field}\n\n");
            let seen = site.see(target, connection.text1(&request)).await;
            assert_eq!(seen, got, "{request}");
        }
    }
}

#[tokio::test]
async fn hyperdriver_http2_has_one_name_and_not_two() {
    let site = site().await;
    let stranger = Visitor::new(Http::Two, None);
    let mut connection = site.connect(&stranger, Some("www.test")).await.unwrap();
    let conflict = malformed(Malformed::ConflictingAuthorities);
    for (authority, hosts, got) in [
        (Some("www.test"), &["admin.test"][..], conflict),
        (Some("admin.test"), &["www.test"], conflict),
        (None, &["admin.test."], OTHER_CONFIG),
        (None, &["x.mtls.test"], OTHER_CONFIG),
        (None, &["www.test"], NOBODY),
        (Some("www.test"), &["WWW.test.:443"], NOBODY),
    ] {
        let answer = connection.request2(wire::get2(authority, hosts));
        let seen = site.see("www.test", answer).await;
        assert_eq!(seen, got, "{authority:?} {hosts:?}");
    }
}

/// h3 refuses some of it before the layer sees it, and hands over the rest.
#[tokio::test]
async fn hyperdriver_http3_has_one_name_and_not_two() {
    let site = site().await;
    let stranger = Visitor::new(Http::Three, None);
    let mut connection = site.connect(&stranger, Some("www.test")).await.unwrap();
    for (fields, got) in [
        (&[][..], Got::Ended),
        (
            &[(":authority", "www.test"), ("host", "admin.test")],
            Got::Ended,
        ),
        (
            &[(":authority", "admin.test"), ("host", "www.test")],
            Got::Ended,
        ),
        (
            &[(":authority", "admin.test"), ("host", "admin.test")],
            OTHER_CONFIG,
        ),
        (&[(":authority", "Admin.test.:443")], OTHER_CONFIG),
        (&[("host", "admin.test")], OTHER_CONFIG),
        (&[("host", "x.mtls.test.")], OTHER_CONFIG),
        (&[("host", "www.test")], NOBODY),
        (&[(":authority", "WWW.test"), ("host", "WWW.test")], NOBODY),
    ] {
        let seen = site.see("www.test", connection.fields3(fields)).await;
        assert_eq!(seen, got, "{fields:?}");
    }
}

/// A certificate that names the apex beside the wildcard, so that it is for the virtual hosts to tell
/// them apart.
fn with_apex() -> [Arc<ServerConfig>; 2] {
    let leaf = pki::leaf(&["w.test", "*.w.test"]);
    [leaf.server_config(), leaf.mutual_tls_config()].map(|mut config| {
        config.alpn_protocols = ["h2", "http/1.1", "h3"].map(|alpn| alpn.into()).to_vec();
        Arc::new(config)
    })
}

#[tokio::test]
async fn jetty_a_wildcard_in_the_certificate_is_not_its_apex() {
    let site = site().await;
    for http in EVERY_HTTP {
        let visitor = Visitor::new(http, None);
        let mut connection = site.connect(&visitor, Some("a.w.test")).await.unwrap();
        for (host, got) in [
            ("a.w.test", NOBODY),
            ("b.w.test", NOBODY),
            ("w.test", NOT_COVERED),
            ("W.test.:443", NOT_COVERED),
            ("a.b.w.test", NOT_COVERED),
        ] {
            assert_eq!(
                site.ask(&mut connection, host).await,
                got,
                "{http:?} {host}"
            );
        }
    }
}

#[tokio::test]
async fn jetty_a_wildcard_virtual_host_is_not_its_apex() {
    let [open, strict] = with_apex();
    let hosts = VirtualHosts::builder().host("*.w.test", strict.clone());
    let open_default = Site::new(hosts.default(open.clone())).await;
    let hosts = VirtualHosts::builder().host("*.w.test", open);
    let strict_default = Site::new(hosts.default(strict)).await;
    for http in EVERY_HTTP {
        let stranger = Visitor::new(http, None);
        let friend = Visitor::new(http, Some(&ONE));

        let site = &open_default;
        let mut connection = site.connect(&stranger, Some("w.test")).await.unwrap();
        assert_eq!(site.ask(&mut connection, "w.test").await, NOBODY);
        assert_eq!(site.ask(&mut connection, "a.w.test").await, OTHER_CONFIG);
        let mut connection = site.connect(&friend, Some("a.w.test")).await.unwrap();
        assert_eq!(site.ask(&mut connection, "a.w.test").await, CLIENT_ONE);
        assert_eq!(site.ask(&mut connection, "w.test").await, OTHER_CONFIG);

        let site = &strict_default;
        let mut connection = site.connect(&stranger, Some("a.w.test")).await.unwrap();
        assert_eq!(site.ask(&mut connection, "a.w.test").await, NOBODY);
        assert_eq!(site.ask(&mut connection, "w.test").await, OTHER_CONFIG);
        let got = site.ask_once(&stranger, Some("w.test"), "w.test").await;
        assert_eq!(got, Got::Ended);
        let got = site.ask_once(&friend, Some("w.test"), "w.test").await;
        assert_eq!(got, CLIENT_ONE);
    }
}

#[tokio::test]
async fn contour_ipv6_is_not_cut_at_its_first_colon() {
    let configs = Configs::new(&Memory::tickets());
    let hosts = configs.hosts().default_to("www.test");
    let hosts = hosts
        .host("2001:db8::1", configs.open.clone())
        .host("[2001:db8::2]", configs.one.clone());
    let site = Site::new(hosts).await;
    for http in EVERY_HTTP {
        let visitor = Visitor::new(http, None);
        for sni in [None, Some("www.test")] {
            let mut connection = site.connect(&visitor, sni).await.unwrap();
            for (host, got) in [
                ("[2001:db8::1]:443", NOBODY),
                ("[2001:db8::1]", NOBODY),
                ("[2001:DB8:0:0::0001]:8443", NOBODY),
                // An entry that wants a certificate, one that the certificate does not cover, and one
                // that has no entry and so the default's configuration.
                ("[2001:db8::2]:443", OTHER_CONFIG),
                ("[2001:DB8::0:2]", OTHER_CONFIG),
                ("[2001:db8::3]:443", NOT_COVERED),
                ("127.0.0.1:443", NOBODY),
            ] {
                let seen = site.ask(&mut connection, host).await;
                assert_eq!(seen, got, "{http:?} {sni:?} {host}");
            }
        }
        let friend = Visitor::new(http, Some(&ONE));
        let mut connection = site.connect(&friend, Some("admin.test")).await.unwrap();
        let got = site.ask(&mut connection, "[2001:db8::2]:443").await;
        assert_eq!(got, CLIENT_ONE);
        let got = site.ask(&mut connection, "[2001:db8::1]:443").await;
        assert_eq!(got, OTHER_CONFIG);
    }
}

#[tokio::test]
async fn contour_what_is_almost_ipv6_is_malformed() {
    let site = site().await;
    let visitor = Visitor::new(Http::One, None);
    for host in [
        "2001:db8::1",
        "[2001:db8::1",
        "[2001",
        "[2001:db8::1]443",
        "[2001:db8::1].www.test",
        "[2001:db8::1]:443:443",
        "[2001:db8::1%25lo]",
        "[www.test]:443",
    ] {
        let mut connection = site.connect(&visitor, None).await.unwrap();
        let got = site.ask(&mut connection, host).await;
        assert!(
            matches!(got, Got::Refused(Rejection::Malformed(_))),
            "{host} {got:?}"
        );
    }
    assert_eq!(site.calls(), 0);
}
