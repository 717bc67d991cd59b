//! B6, B7, B9 and B10: virtual hosts, in the handshake and for every request after it.

mod pki;
mod server;
mod wire;

use std::sync::Arc;

use axum::Router;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, MisdirectedLayer, Rejection, TlsAcceptor,
    VirtualHosts, VirtualHostsError,
};

use crate::server::Calls;

/// One certificate covers every name here, so that only the configurations tell hosts apart.
const NAMES: [&str; 8] = [
    "a.test",
    "b.test",
    "c.test",
    "*.w.test",
    "x.w.test",
    "d.test",
    "192.0.2.1",
    "127.0.0.1",
];

/// a and b share a configuration; c has an equal one of its own; of *.w.test x is apart.
struct Hosts {
    shared: Arc<ServerConfig>,
    other: Arc<ServerConfig>,
}

impl Hosts {
    fn new() -> Self {
        let shared = pki::leaf(&NAMES).server_config();
        Self {
            other: Arc::new(shared.clone()),
            shared: Arc::new(shared),
        }
    }

    fn builder(&self) -> tower_misdirected::VirtualHostsBuilder {
        VirtualHosts::builder()
            .host("a.test", self.shared.clone())
            .host("b.test", self.shared.clone())
            .host("c.test", self.other.clone())
            .host("*.w.test", self.shared.clone())
            .host("x.w.test", self.other.clone())
    }
}

fn connection(hosts: &VirtualHosts, server_name: Option<&str>) -> ConnectionInfo {
    let ips = ["192.0.2.1".parse().unwrap()];
    ConnectionInfo::tls()
        .selection(hosts.select(server_name).expect("a virtual host"))
        .certificate_names(CertificateNames::from_sans(&NAMES[..6], ips))
        .build()
}

/// What the layer makes of a request for `host`.
async fn judge(level: Coalescing, info: &ConnectionInfo, host: &str) -> Result<(), Rejection> {
    use tower::ServiceExt;
    let layer = MisdirectedLayer::new().coalescing(level);
    let app: Router = Router::new().fallback(|| async {}).layer(layer);
    let mut request = http::Request::get("/").header("host", host);
    request = request.extension(info.clone());
    let request = request.body(axum::body::Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    match response.extensions().get::<Rejection>() {
        Some(&rejection) => {
            assert_eq!(response.status(), 421);
            Err(rejection)
        }
        None => Ok(()),
    }
}

const OTHER_CONFIG: Result<(), Rejection> = Err(Rejection::DifferentTlsConfig);
const OTHER_HOST: Result<(), Rejection> = Err(Rejection::OtherVirtualHost);
const OTHER_NAME: Result<(), Rejection> = Err(Rejection::ServerNameMismatch);
const UNKNOWN: Result<(), Rejection> = Err(Rejection::UnknownHost);

#[tokio::test]
async fn b6_b7_each_level_refuses_what_it_says_in_every_direction() {
    let hosts = Hosts::new().builder().build().unwrap();
    let ok = Ok(());
    for (server_name, host, same_config, same_host, never) in [
        ("a.test", "a.test", ok, ok, ok),
        ("a.test", "A.Test.:8443", ok, ok, ok),
        ("a.test", "b.test", ok, OTHER_HOST, OTHER_HOST),
        ("b.test", "a.test", ok, OTHER_HOST, OTHER_HOST),
        ("a.test", "c.test", OTHER_CONFIG, OTHER_CONFIG, OTHER_CONFIG),
        ("c.test", "a.test", OTHER_CONFIG, OTHER_CONFIG, OTHER_CONFIG),
        ("c.test", "x.w.test", ok, OTHER_HOST, OTHER_HOST),
        // A wildcard is one virtual host, and an exact name under it is another.
        ("y.w.test", "z.w.test", ok, ok, OTHER_NAME),
        (
            "y.w.test",
            "x.w.test",
            OTHER_CONFIG,
            OTHER_CONFIG,
            OTHER_CONFIG,
        ),
        (
            "x.w.test",
            "y.w.test",
            OTHER_CONFIG,
            OTHER_CONFIG,
            OTHER_CONFIG,
        ),
        ("a.test", "y.w.test", ok, OTHER_HOST, OTHER_HOST),
        // Covered by the certificate, and nobody's.
        ("a.test", "d.test", UNKNOWN, UNKNOWN, UNKNOWN),
    ] {
        let info = connection(&hosts, Some(server_name));
        for (level, verdict) in [
            (Coalescing::Unchecked, ok),
            (Coalescing::Certificate, ok),
            (Coalescing::SameTlsConfig, same_config),
            (Coalescing::SameVirtualHost, same_host),
            (Coalescing::Never, never),
        ] {
            let found = judge(level, &info, host).await;
            assert_eq!(found, verdict, "{server_name} -> {host}, {level:?}");
        }
    }
}

/// Nobody serves the host, so a client must not be told that another connection would.
#[tokio::test]
async fn b1_a_host_of_no_virtual_host_is_unknown_whatever_the_certificate_says() {
    let hosts = Hosts::new();
    let (with_default, hosts) = (
        hosts.builder().default(hosts.other.clone()),
        hosts.builder(),
    );
    // w.test and e.test are not in the certificate, d.test is.
    let not_in_certificate = Err(Rejection::NotInCertificate);
    for (level, covered, not_covered, by_default) in [
        (Coalescing::Unchecked, Ok(()), Ok(()), Ok(())),
        (
            Coalescing::Certificate,
            Ok(()),
            not_in_certificate,
            not_in_certificate,
        ),
        (
            Coalescing::SameTlsConfig,
            UNKNOWN,
            UNKNOWN,
            not_in_certificate,
        ),
        (
            Coalescing::SameVirtualHost,
            UNKNOWN,
            UNKNOWN,
            not_in_certificate,
        ),
        (Coalescing::Never, UNKNOWN, UNKNOWN, not_in_certificate),
    ] {
        let info = connection(&hosts.clone().build().unwrap(), Some("a.test"));
        assert_eq!(judge(level, &info, "d.test").await, covered, "{level:?}");
        for host in ["w.test", "e.test", "192.0.2.2"] {
            let found = judge(level, &info, host).await;
            assert_eq!(found, not_covered, "{host} {level:?}");
        }
        // The default serves them, on other connections.
        let info = connection(&with_default.clone().build().unwrap(), Some("a.test"));
        let found = judge(level, &info, "e.test").await;
        assert_eq!(found, by_default, "{level:?}");
    }
    // A server name that has been removed is unknown too, even if its certificate never covered it.
    let removed = hosts.clone().host("e.test", pki::server(&["a.test"]));
    let removed = removed.build().unwrap();
    let info = connection(&removed, Some("e.test"));
    let level = Coalescing::SameTlsConfig;
    let own = Err(Rejection::ServerNameNotInCertificate);
    assert_eq!(judge(level, &info, "e.test").await, own);
    removed.replace(hosts).unwrap();
    assert_eq!(judge(level, &info, "e.test").await, UNKNOWN);
}

/// A responder may answer 404 for `UnknownHost`, whatever else is wrong with the request.
#[tokio::test]
async fn b1_a_host_of_no_virtual_host_comes_before_ports_and_schemes() {
    use tower::ServiceExt;
    let hosts = Hosts::new().builder().build().unwrap();
    let info = connection(&hosts, Some("a.test"));
    let layer = MisdirectedLayer::new()
        .ports([443])
        .unwrap()
        .strict_scheme(true);
    for (uri, rejection) in [
        ("http://e.test:443/", Rejection::UnknownHost),
        ("https://e.test:1/", Rejection::UnknownHost),
        ("http://c.test:443/", Rejection::SchemeMismatch),
        ("https://c.test:1/", Rejection::UnknownPort),
    ] {
        let app: Router = Router::new().fallback(|| async {}).layer(layer.clone());
        let request = http::Request::get(uri).version(http::Version::HTTP_2);
        let request = request.extension(info.clone());
        let request = request.body(axum::body::Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.extensions().get(), Some(&rejection), "{uri}");
    }
}

#[tokio::test]
async fn b7_the_names_of_one_virtual_host_are_one() {
    let hosts = Hosts::new();
    let hosts = VirtualHosts::builder()
        .virtual_host("site", ["a.test", "*.w.test"], hosts.shared.clone())
        .host("b.test", hosts.shared.clone())
        .default_to("site")
        .build()
        .unwrap();
    let level = Coalescing::SameVirtualHost;
    for server_name in [Some("a.test"), Some("y.w.test"), Some("nobody.test"), None] {
        let info = connection(&hosts, server_name);
        assert_eq!(info.virtual_host().unwrap().id(), "site");
        for host in ["a.test", "x.w.test", "d.test", "192.0.2.1"] {
            assert_eq!(judge(level, &info, host).await, Ok(()), "{host}");
        }
        assert_eq!(judge(level, &info, "b.test").await, OTHER_HOST);
    }
}

/// As the Gateway API has it (GEP-3567): a listener without a host name, one with a name, one with a
/// wildcard, and one with a name that the wildcard covers.
#[tokio::test]
async fn b7_listeners_of_a_gateway_keep_to_their_hosts() {
    let config = Hosts::new().shared;
    let hosts = VirtualHosts::builder()
        .virtual_host("any", [""; 0], config.clone())
        .host("second.test", config.clone())
        .host("*.wild.test", config.clone())
        .host("fourth.wild.test", config)
        .default_to("any")
        .build()
        .unwrap();
    let names = ["first.test", "second.test", "*.wild.test", "unknown.test"];
    for (server_name, host, verdict) in [
        ("first.test", "first.test", Ok(())),
        ("first.test", "second.test", OTHER_HOST),
        // The listener is the right one; that nothing is there is for the application to say.
        ("first.test", "unknown.test", Ok(())),
        ("second.test", "second.test", Ok(())),
        ("second.test", "first.test", OTHER_HOST),
        ("second.test", "unknown.test", OTHER_HOST),
        ("third.wild.test", "third.wild.test", Ok(())),
        ("third.wild.test", "fifth.wild.test", Ok(())),
        ("third.wild.test", "fourth.wild.test", OTHER_HOST),
        ("third.wild.test", "second.test", OTHER_HOST),
        ("third.wild.test", "unknown.test", OTHER_HOST),
        ("fourth.wild.test", "fourth.wild.test", Ok(())),
        ("fourth.wild.test", "fifth.wild.test", OTHER_HOST),
        ("unknown.test", "first.test", Ok(())),
        ("unknown.test", "unknown.test", Ok(())),
    ] {
        let info = ConnectionInfo::tls()
            .selection(hosts.select(Some(server_name)).unwrap())
            .certificate_names(CertificateNames::from_sans(names, []))
            .build();
        let found = judge(Coalescing::SameVirtualHost, &info, host).await;
        assert_eq!(found, verdict, "{server_name} -> {host}");
        // All of them share one configuration.
        assert_eq!(judge(Coalescing::SameTlsConfig, &info, host).await, Ok(()));
    }
}

#[tokio::test]
async fn b7_a_virtual_host_is_the_same_after_a_replacement_by_its_id() {
    let config = Hosts::new().shared;
    let builder = || {
        VirtualHosts::builder()
            .virtual_host("site", ["a.test", "b.test"], config.clone())
            .host("c.test", config.clone())
    };
    let hosts = builder().build().unwrap();
    let info = connection(&hosts, Some("a.test"));
    hosts.replace(builder()).unwrap();
    let level = Coalescing::SameVirtualHost;
    for (host, verdict) in [
        ("a.test", Ok(())),
        ("b.test", Ok(())),
        ("c.test", OTHER_HOST),
    ] {
        assert_eq!(judge(level, &info, host).await, verdict, "{host}");
    }
}

#[tokio::test]
async fn b9_the_default_is_no_door_to_a_host_with_another_configuration() {
    let hosts = Hosts::new();
    let same = hosts
        .builder()
        .default(hosts.shared.clone())
        .build()
        .unwrap();
    let own = hosts
        .builder()
        .default(Arc::new(hosts.shared.as_ref().clone()))
        .build()
        .unwrap();
    for server_name in [None, Some("nobody.test"), Some("d.test")] {
        let info = connection(&same, server_name);
        assert_eq!(info.virtual_host().unwrap().id(), "default");
        for (host, verdict) in [
            ("a.test", Ok(())),
            ("y.w.test", Ok(())),
            ("d.test", Ok(())),
            ("192.0.2.1", Ok(())),
            ("c.test", OTHER_CONFIG),
            ("x.w.test", OTHER_CONFIG),
        ] {
            let found = judge(Coalescing::SameTlsConfig, &info, host).await;
            assert_eq!(found, verdict, "{host}");
        }
        let info = connection(&own, server_name);
        for (host, verdict) in [
            ("d.test", Ok(())),
            ("192.0.2.1", Ok(())),
            ("a.test", OTHER_CONFIG),
            ("c.test", OTHER_CONFIG),
        ] {
            let found = judge(Coalescing::SameTlsConfig, &info, host).await;
            assert_eq!(found, verdict, "{host}");
        }
    }
    // And no host's connection is a door to the default.
    let info = connection(&own, Some("a.test"));
    let found = judge(Coalescing::SameTlsConfig, &info, "d.test").await;
    assert_eq!(found, OTHER_CONFIG);
}

#[tokio::test]
async fn b8_an_ip_address_that_the_certificate_covers_passes_without_a_server_name() {
    let config = Hosts::new().shared;
    let hosts = VirtualHosts::builder()
        .virtual_host("site", ["a.test", "192.0.2.1"], config.clone())
        .default_to("site")
        .build()
        .unwrap();
    let info = connection(&hosts, None);
    assert_eq!(
        judge(Coalescing::Never, &info, "192.0.2.1:8443").await,
        Ok(())
    );
    assert_eq!(judge(Coalescing::Never, &info, "a.test").await, OTHER_NAME);
    let info = connection(&hosts, Some("a.test"));
    assert_eq!(
        judge(Coalescing::Never, &info, "192.0.2.1").await,
        OTHER_NAME
    );
    // Another virtual host's address is refused whatever the server name.
    let hosts = VirtualHosts::builder()
        .host("192.0.2.1", Arc::new(config.as_ref().clone()))
        .default(config)
        .build()
        .unwrap();
    let info = connection(&hosts, None);
    let found = judge(Coalescing::SameTlsConfig, &info, "192.0.2.1").await;
    assert_eq!(found, OTHER_CONFIG);
}

#[test]
fn b9_without_a_server_name_the_local_address_selects() {
    let hosts = Hosts::new();
    let entries = || {
        let builder = hosts.builder().host("192.0.2.1", hosts.other.clone());
        builder.host("2001:db8::1", hosts.shared.clone())
    };
    let without = entries().build().unwrap();
    let with = entries().default(hosts.shared.clone()).build().unwrap();
    for (server_name, local, id, id_without_default) in [
        (None, "192.0.2.1", "192.0.2.1", Some("192.0.2.1")),
        (None, "::ffff:192.0.2.1", "192.0.2.1", Some("192.0.2.1")),
        (None, "2001:DB8:0::1", "2001:db8::1", Some("2001:db8::1")),
        (None, "192.0.2.2", "default", None),
        // SNI cannot carry an address (RFC 6066 §3), so this counts as no server name.
        (
            Some("192.0.2.2"),
            "192.0.2.1",
            "192.0.2.1",
            Some("192.0.2.1"),
        ),
        (Some("192.0.2.1"), "192.0.2.2", "default", None),
        (Some("a.test"), "192.0.2.1", "a.test", Some("a.test")),
        (Some("nobody.test"), "192.0.2.1", "default", None),
    ] {
        let local = local.parse().unwrap();
        let select = |hosts: &VirtualHosts| {
            let selection = hosts.select_at(server_name, local)?;
            Some(selection.virtual_host().id().to_owned())
        };
        assert_eq!(
            select(&with).as_deref(),
            Some(id),
            "{server_name:?} {local}"
        );
        let found = select(&without);
        assert_eq!(
            found.as_deref(),
            id_without_default,
            "{server_name:?} {local}"
        );
    }
    // An info by hand has the address that stood for the server name, and `select` knows none.
    let selection = without
        .select_at(None, "192.0.2.1".parse().unwrap())
        .unwrap();
    let info = ConnectionInfo::tls().selection(selection).build();
    assert_eq!(info.local_addr(), Some("192.0.2.1:0".parse().unwrap()));
    assert!(!info.is_outdated());
    assert!(without.select(None).is_none());
}

#[tokio::test]
async fn b9_the_request_at_an_address_is_judged_like_any_other() {
    let hosts = Hosts::new();
    let builder = hosts.builder().host("192.0.2.1", hosts.other.clone());
    let hosts = builder.build().unwrap();
    let selection = hosts.select_at(None, "192.0.2.1".parse().unwrap()).unwrap();
    let ips = ["192.0.2.1".parse().unwrap()];
    let info = ConnectionInfo::tls()
        .selection(selection)
        .certificate_names(CertificateNames::from_sans(&NAMES[..6], ips))
        .build();
    let not_covered = Err(Rejection::NotInCertificate);
    for (host, same_config, same_host, never) in [
        ("192.0.2.1", Ok(()), Ok(()), Ok(())),
        ("192.0.2.1:8443", Ok(()), Ok(()), Ok(())),
        ("c.test", Ok(()), OTHER_HOST, OTHER_HOST),
        ("a.test", OTHER_CONFIG, OTHER_CONFIG, OTHER_CONFIG),
    ] {
        for (level, expected) in [
            (Coalescing::SameTlsConfig, same_config),
            (Coalescing::SameVirtualHost, same_host),
            (Coalescing::Never, never),
        ] {
            assert_eq!(
                judge(level, &info, host).await,
                expected,
                "{level:?} {host}"
            );
        }
    }
    // B5: the address does not count if the certificate does not cover it.
    let selection = hosts.select_at(None, "192.0.2.1".parse().unwrap()).unwrap();
    let info = ConnectionInfo::tls()
        .selection(selection)
        .certificate_names(CertificateNames::from_sans(&NAMES[..6], []))
        .build();
    let found = judge(Coalescing::SameTlsConfig, &info, "192.0.2.1").await;
    assert_eq!(found, not_covered);
}

#[tokio::test]
async fn b9_nothing_is_selected_for_a_handshake_that_must_be_refused() {
    let hosts = Hosts::new();
    let (shared, hosts) = (hosts.shared.clone(), hosts.builder().build().unwrap());
    for server_name in [None, Some("nobody.test"), Some("192.0.2.1")] {
        assert!(hosts.select(server_name).is_none(), "{server_name:?}");
    }
    let selection = hosts.select(Some("A.Test.")).unwrap();
    assert_eq!(selection.server_name(), Some("a.test"));
    assert_eq!(selection.virtual_host().id(), "a.test");
    assert!(Arc::ptr_eq(selection.config(), &shared));
}

#[tokio::test]
async fn d9_a_selection_makes_a_tls_connection() {
    let hosts = Hosts::new().builder().build().unwrap();
    for builder in [
        ConnectionInfo::plaintext(),
        ConnectionInfo::trusted_gateway(),
    ] {
        let selection = hosts.select(Some("a.test")).unwrap();
        let info = builder.selection(selection).build();
        assert!(info.is_tls());
        assert!(
            judge(Coalescing::SameTlsConfig, &info, "c.test")
                .await
                .is_err()
        );
    }
}

/// The bypass that a hand-made connection had: a server name that was never looked up.
#[tokio::test]
async fn d9_the_server_name_of_a_selection_is_the_one_that_was_looked_up() {
    let hosts = Hosts::new().builder().build().unwrap();
    let info = ConnectionInfo::tls()
        .selection(hosts.select(Some("a.test")).unwrap())
        .server_name("c.test")
        .certificate_names(CertificateNames::from_sans(&NAMES[..6], []))
        .build();
    assert_eq!(info.server_name(), Some("a.test"));
    let found = judge(Coalescing::SameTlsConfig, &info, "c.test").await;
    assert_eq!(found, OTHER_CONFIG);
}

#[test]
fn d10_mistakes_with_ids_are_found_when_virtual_hosts_are_built() {
    use VirtualHostsError::{EmptyConfigId, LongConfigId, SeveralConfigIds, UnusedConfigId};
    let (used, other) = (pki::server(&["a.test"]), pki::server(&["a.test"]));
    let hosts = || VirtualHosts::builder().host("a.test", used.clone());
    for (hosts, error) in [
        (hosts().config_id(&used, ""), EmptyConfigId),
        (
            hosts().config_id(&used, [0xff; 65]),
            LongConfigId(r"\xff".repeat(65)),
        ),
        (
            hosts().config_id(&used, "one").config_id(&used, "o\ne"),
            SeveralConfigIds("one".into(), r"o\ne".into()),
        ),
        // Equal, and in another `Arc`.
        (
            hosts().config_id(&Arc::new((*used).clone()), "one"),
            UnusedConfigId("one".into()),
        ),
        (
            hosts().config_id(&other, [0]),
            UnusedConfigId(r"\x00".into()),
        ),
    ] {
        let text = error.to_string();
        assert!(
            !text.contains('\n') && text.contains(": "),
            "a cause and a fix: {text}"
        );
        assert_eq!(hosts.build().unwrap_err(), error);
    }
    let hosts = hosts().default(other.clone());
    for hosts in [
        hosts.clone().config_id(&used, "1").config_id(&used, b"1"),
        hosts.clone().config_id(&used, [b'x'; 64]),
        hosts.clone().config_id(&other, "1"),
        // The operator says that they are equal.
        hosts.config_id(&used, "1").config_id(&other, "1"),
    ] {
        hosts.build().unwrap();
    }
}

#[test]
fn mistakes_are_found_when_virtual_hosts_are_built() {
    use VirtualHostsError::{
        DuplicateId, DuplicateName, Empty, InvalidName, NoNames, SeveralDefaults, UnknownDefault,
    };
    let config = || pki::server(&["a.test"]);
    let new = VirtualHosts::builder;
    let a = || new().host("a.test", config());
    for (hosts, error) in [
        (new(), Empty),
        (
            a().host("A.Test.", config()),
            DuplicateName("a.test".into()),
        ),
        (
            a().virtual_host("other", ["b.test", "a.test"], config()),
            DuplicateName("a.test".into()),
        ),
        (
            a().host("*.a.test", config())
                .virtual_host("x", ["*.A.test"], config()),
            DuplicateName("*.a.test".into()),
        ),
        (
            a().host("*.a.test", config())
                .host("**.a.test", config())
                .virtual_host("x", ["**.A.test."], config()),
            DuplicateName("**.a.test".into()),
        ),
        (
            a().host("[::1]", config()).host("0:0::1", config()),
            DuplicateName("[::1]".into()),
        ),
        (
            a().virtual_host("a.test", ["b.test"], config()),
            DuplicateId("a.test".into()),
        ),
        (
            a().virtual_host("default", ["b.test"], config())
                .default(config()),
            DuplicateId("default".into()),
        ),
        (
            a().virtual_host("x", [""; 0], config()),
            NoNames("x".into()),
        ),
        (a().default_to("b.test"), UnknownDefault("b.test".into())),
        (new().default_to("x"), UnknownDefault("x".into())),
        (a().default(config()).default_to("a.test"), SeveralDefaults),
        (a().default_to("a.test").default(config()), SeveralDefaults),
    ] {
        let text = error.to_string();
        assert!(
            !text.contains('\n') && text.contains(": "),
            "a cause and a fix: {text}"
        );
        assert_eq!(hosts.build().unwrap_err(), error);
    }
    for (name, fix) in [
        ("a.test:443", "without a port"),
        ("*", "set a default"),
        ("f*.test", "set a default"),
        ("*.*.test", "set a default"),
        ("**", "set a default"),
        ("a.**.test", "set a default"),
        ("", "empty"),
        ("bücher.test", "xn--"),
        ("https://a.test/", "without scheme"),
        ("a b", "DNS name"),
        ("1.2.3", "DNS name"),
        ("a\r\nb", "DNS name"),
        ("::ffff:192.0.2.1", "write `192.0.2.1`"),
        ("[::ffff:c000:201]", "write `192.0.2.1`"),
        ("10.0.0.0/8", "scheme and path"),
    ] {
        let error = new().host(name, config()).build().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(fix) && !text.contains('\n'), "{text}");
        let InvalidName(invalid) = error else {
            panic!("{text}");
        };
        assert_eq!(invalid.name(), name);
    }
}

/// The longest of several wildcards wins, and each stands for at least one label.
#[test]
fn b10_an_exact_name_and_a_wildcard_for_one_label_come_before_one_for_several() {
    let config = Hosts::new().shared;
    let names = [
        "**.w.test",
        "**.b.w.test",
        "**.test",
        "*.w.test",
        "x.y.w.test",
        "*.c.b.w.test",
        "**.D.Test.",
    ];
    let builder = names.iter().fold(VirtualHosts::builder(), |hosts, name| {
        hosts.host(*name, config.clone())
    });
    let deepest = format!("{}w.test", "a.".repeat(123));
    let hosts = builder.clone().build().unwrap();
    for (host, id) in [
        ("x.y.w.test", "x.y.w.test"),
        ("X.Y.W.test.", "x.y.w.test"),
        ("a.w.test", "*.w.test"),
        ("a.y.w.test", "**.w.test"),
        ("A.Y.W.TEST.", "**.w.test"),
        ("a.x.y.w.test", "**.w.test"),
        (&*deepest, "**.w.test"),
        ("b.w.test", "*.w.test"),
        ("a.b.w.test", "**.b.w.test"),
        ("a.c.b.w.test", "*.c.b.w.test"),
        ("a.a.c.b.w.test", "**.b.w.test"),
        ("w.test", "**.test"),
        ("aw.test", "**.test"),
        ("a.d.test", "**.D.Test."),
        ("a.a.d.test", "**.D.Test."),
    ] {
        let found = hosts.get(&host.parse().unwrap());
        assert_eq!(found.expect(host).id(), id, "{host}");
        let selected = hosts.select(Some(host)).unwrap();
        assert_eq!(selected.virtual_host().id(), id, "{host}");
    }
    for host in ["test", "192.0.2.1", "[::1]", "a.example"] {
        assert!(hosts.get(&host.parse().unwrap()).is_none(), "{host}");
    }
    let hosts = builder.default(config).build().unwrap();
    let found = hosts.get(&"a.example".parse().unwrap());
    assert_eq!(found.unwrap().id(), "default");
}

/// Every length of name that a pattern can have, and every length of name that a request can have.
#[test]
fn b10_a_wildcard_for_several_labels_is_found_at_every_depth() {
    let config = Hosts::new().shared;
    let name = |labels: usize| vec!["a"; labels].join(".");
    for base in [1, 2, 3, 63, 64, 65, 125, 126, 127] {
        let hosts = VirtualHosts::builder().host(format!("**.{}", name(base)), config.clone());
        let hosts = hosts.build().unwrap();
        for labels in 1..=127 {
            let found = hosts.get(&name(labels).parse().unwrap()).is_some();
            assert_eq!(
                found,
                labels > base,
                "{labels} labels, {base} in the pattern"
            );
        }
    }
}

/// A wildcard for several labels gives no access to a host with an entry of its own.
#[tokio::test]
async fn b10_b6_hosts_under_a_wildcard_for_several_labels_share_connections() {
    let Hosts { shared, other } = Hosts::new();
    let hosts = VirtualHosts::builder()
        .host("**.w.test", shared)
        .host("admin.x.w.test", other.clone())
        .host("*.y.w.test", other)
        .build()
        .unwrap();
    let level = Coalescing::SameVirtualHost;
    let names = ["*.w.test", "*.x.w.test", "*.y.w.test", "*.z.w.test"];
    let connection = |server_name| {
        ConnectionInfo::tls()
            .selection(hosts.select(Some(server_name)).unwrap())
            .certificate_names(CertificateNames::from_sans(names, []))
            .build()
    };
    let info = connection("a.x.w.test");
    for (host, verdict) in [
        ("a.w.test", Ok(())),
        ("b.x.w.test", Ok(())),
        ("a.z.w.test", Ok(())),
        // B5: a wildcard of the certificate stands for one label.
        ("a.a.z.w.test", Err(Rejection::NotInCertificate)),
        ("admin.x.w.test", OTHER_CONFIG),
        ("ADMIN.X.W.TEST.", OTHER_CONFIG),
        ("a.y.w.test", OTHER_CONFIG),
        ("w.test", UNKNOWN),
    ] {
        assert_eq!(judge(level, &info, host).await, verdict, "{host}");
    }
    let info = connection("admin.x.w.test");
    assert_eq!(judge(level, &info, "a.x.w.test").await, OTHER_CONFIG);
}

#[test]
fn b10_an_exact_name_comes_before_a_wildcard_before_the_default() {
    let hosts = Hosts::new();
    let hosts = hosts
        .builder()
        .default(hosts.other.clone())
        .build()
        .unwrap();
    for (host, id) in [
        ("a.test", "a.test"),
        ("A.TEST.", "a.test"),
        ("x.w.test", "x.w.test"),
        ("y.w.test", "*.w.test"),
        ("w.test", "default"),
        ("z.y.w.test", "default"),
        ("[::1]", "default"),
    ] {
        let found = hosts.get(&host.parse().unwrap()).unwrap();
        assert_eq!(found.id(), id, "{host}");
    }
    let hosts = Hosts::new().builder().build().unwrap();
    assert!(hosts.get(&"w.test".parse().unwrap()).is_none());
}

/// What the client makes of a handshake: the certificate's names, or the alert.
async fn handshake(hosts: &VirtualHosts, sni: Option<&str>) -> Result<String, String> {
    let addr = server::tls(Router::new(), hosts.clone()).await;
    let tcp = TcpStream::connect(addr).await.unwrap();
    match wire::handshake(tcp, pki::client(&[]), sni).await {
        Ok(stream) => {
            let certificate = &stream.get_ref().1.peer_certificates().unwrap()[0];
            Ok(CertificateNames::from_der(certificate)
                .to_strings()
                .join(" "))
        }
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn the_client_hello_chooses_the_configuration() {
    let config = |name| pki::server(&[name]);
    let builder = VirtualHosts::builder()
        .host("a.test", config("for-a.test"))
        .host("*.w.test", config("for-w.test"))
        .host("x.w.test", config("for-x.test"));
    let hosts = builder.clone().build().unwrap();
    let with_default = builder.default(config("for-others.test")).build().unwrap();
    for (sni, certificate) in [
        ("a.test", "for-a.test"),
        ("A.Test", "for-a.test"),
        ("y.w.test", "for-w.test"),
        ("x.w.test", "for-x.test"),
        ("X.W.test", "for-x.test"),
    ] {
        for hosts in [&hosts, &with_default] {
            let found = handshake(hosts, Some(sni)).await;
            assert_eq!(found.as_deref(), Ok(certificate), "{sni}");
        }
    }
    for sni in [None, Some("w.test"), Some("z.y.w.test"), Some("b.test")] {
        let found = handshake(&with_default, sni).await;
        assert_eq!(found.as_deref(), Ok("for-others.test"), "{sni:?}");
        let error = handshake(&hosts, sni).await.unwrap_err();
        assert!(error.contains("UnrecognisedName"), "{sni:?}: {error}");
    }
}

#[tokio::test]
async fn alpn_stays_the_chosen_configurations() {
    let config = |alpn: &str| {
        let mut config = pki::leaf(&NAMES).server_config();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        config
    };
    let hosts = VirtualHosts::builder()
        .host("a.test", Arc::new(config("h2")))
        .host("b.test", Arc::new(config("http/1.1")))
        .build()
        .unwrap();
    let addr = server::tls(Router::new(), hosts).await;
    for (sni, alpn) in [("a.test", "h2"), ("b.test", "http/1.1")] {
        let client = pki::client(&["http/1.1", "h2"]);
        let stream = wire::connect(addr, client, Some(sni)).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
    }
}

#[tokio::test]
async fn http3_is_agreed_on_over_quic_alone() {
    let mut config = pki::leaf(&NAMES).server_config();
    config.alpn_protocols = ["h3", "h2", "x"].map(Into::into).into();
    let addr = server::tls(Router::new(), Arc::new(config)).await;
    let agreed = async |offered: &[&str]| {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let stream = wire::handshake(tcp, pki::client(offered), Some("a.test")).await;
        stream.map(|stream| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
    };
    for (offered, alpn) in [
        (&["h3", "h2"][..], Some(&b"h2"[..])),
        (&["x"], Some(b"x")),
        (&[], None),
    ] {
        assert_eq!(
            agreed(offered).await.unwrap().as_deref(),
            alpn,
            "{offered:?}"
        );
    }
    let error = agreed(&["h3", "h3-29"]).await.unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
}

/// Chooses a certificate by the server name itself, as resolvers of ACME crates do.
#[derive(Debug)]
struct ByName([Arc<CertifiedKey>; 2]);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = hello.server_name() == Some("a.test");
        Some(self.0[usize::from(!first)].clone())
    }
}

#[tokio::test]
async fn a_resolver_of_ones_own_keeps_choosing_inside_a_configuration() {
    let keys = [["a.test", "c.test"], ["b.test", "d.test"]];
    let keys = keys.map(|names| pki::leaf(&names).certified_key());
    let mut config = pki::leaf(&[]).server_config();
    config.cert_resolver = Arc::new(ByName(keys));
    let config = Arc::new(config);
    let hosts = VirtualHosts::builder()
        .host("a.test", config.clone())
        .host("b.test", config.clone())
        .host("c.test", Arc::new(config.as_ref().clone()))
        .host("d.test", config)
        .build()
        .unwrap();
    let calls = Calls::default();
    let app = server::echo(&calls).layer(MisdirectedLayer::new().close_http1(false));
    let addr = server::tls(app, hosts).await;
    for (sni, host, status) in [
        ("a.test", "a.test", 200),
        ("b.test", "b.test", 200),
        ("b.test", "d.test", 200),
        // The same configuration, and another certificate.
        ("a.test", "b.test", 421),
        ("b.test", "a.test", 421),
        // The same certificate, and another configuration.
        ("a.test", "c.test", 421),
    ] {
        let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some(sni)).await;
        let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!(answer.status, status, "{sni} -> {host}");
        let client = wire::http2(wire::connect(addr, pki::client(&["h2"]), Some(sni)).await).await;
        let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), status, "{sni} -> {host}");
    }
    assert_eq!(calls.count(), 6);
}

#[tokio::test]
async fn d2_acceptors_of_one_virtual_hosts_hold_names_once() {
    let hosts = Hosts::new().builder().build().unwrap();
    let accept = async || {
        let acceptor = TlsAcceptor::from(hosts.clone());
        let (near, far) = tokio::io::duplex(1 << 16);
        let client = wire::handshake(near, pki::client(&[]), Some("a.test"));
        let (accepted, connected) = tokio::join!(acceptor.accept(far), client);
        connected.unwrap();
        accepted
            .unwrap()
            .connection_info()
            .certificate_names()
            .clone()
    };
    assert!(accept().await.ptr_eq(&accept().await));
}

#[tokio::test]
async fn the_handler_sees_the_virtual_host_and_debug_output_names_it() {
    let hosts = Hosts::new().builder().build().unwrap();
    let acceptor = TlsAcceptor::from(hosts.clone());
    let (near, far) = tokio::io::duplex(1 << 16);
    let client = wire::handshake(near, pki::client(&[]), Some("y.w.test"));
    let (accepted, connected) = tokio::join!(acceptor.accept(far), client);
    connected.unwrap();
    let info = accepted.unwrap().connection_info().clone();
    assert_eq!(info.virtual_host().unwrap().id(), "*.w.test");
    assert!(format!("{info:?}").contains(r#"VirtualHost("*.w.test")"#));
    let debug = format!("{hosts:?}");
    assert!(
        debug.contains(r#""x.w.test""#) && debug.contains("default: None"),
        "{debug}"
    );
    let plain = ConnectionInfo::tls().build();
    assert!(plain.virtual_host().is_none());
}
