//! B6 in every direction: to and from hosts that let anyone in, that want a certificate, that want another
//! one, and that present another one.

use tower_misdirected::Rejection;

use crate::client::{EVERY_HTTP, Visitor};
use crate::pki::Leaf;
use crate::site::{Client, Configs, Got, Memory, ONE, Site, TWO};

/// Hosts of five configurations, and who is let in by each.
fn hosts() -> [(&'static str, Option<&'static Leaf>, Client); 5] {
    [
        ("www.test", None, Client::Nobody),
        ("admin.test", Some(&ONE), Client::One),
        ("x.mtls.test", Some(&ONE), Client::One),
        ("vault.test", Some(&TWO), Client::Two),
        ("other.test", None, Client::Nobody),
    ]
}

#[tokio::test]
async fn no_host_is_reached_under_the_configuration_of_another() {
    let site = Site::new(Configs::new(&Memory::tickets()).hosts()).await;
    for http in EVERY_HTTP {
        for (sni, certificate, client) in hosts() {
            let visitor = Visitor::new(http, certificate);
            let mut connection = site.connect(&visitor, Some(sni)).await.unwrap();
            for (host, ..) in hosts() {
                let expected = match (sni, host) {
                    _ if sni == host => Got::Served(client),
                    // Its certificate does not even cover the others (B5).
                    ("other.test", _) => Got::Refused(Rejection::NotInCertificate),
                    _ => Got::Refused(Rejection::DifferentTlsConfig),
                };
                let got = site.ask(&mut connection, host).await;
                assert_eq!(got, expected, "{http:?} {sni} -> {host}");
            }
            // Refusals leave the connection as good as it was.
            let got = site.ask(&mut connection, sni).await;
            assert_eq!(got, Got::Served(client), "{http:?} {sni}");
        }
    }
}

#[tokio::test]
async fn the_wrong_certificate_opens_no_connection() {
    let site = Site::new(Configs::new(&Memory::tickets()).hosts()).await;
    for http in EVERY_HTTP {
        for certificate in [None, Some(&*ONE), Some(&*TWO)] {
            let visitor = Visitor::new(http, certificate);
            for (host, wanted, client) in hosts() {
                let right =
                    wanted.is_none_or(|leaf| certificate.is_some_and(|has| has.der == leaf.der));
                let expected = if right {
                    Got::Served(client)
                } else {
                    Got::Ended
                };
                let got = site.ask_once(&visitor, Some(host), host).await;
                assert_eq!(got, expected, "{http:?} {host}");
            }
        }
    }
}

/// B9, with a default that lets anyone in.
#[tokio::test]
async fn an_open_default_is_no_way_into_a_client_certificate_host() {
    let hosts = Configs::new(&Memory::tickets()).hosts();
    let site = Site::new(hosts.default_to("www.test")).await;
    for http in EVERY_HTTP {
        for sni in [None, Some("nobody.test"), Some("admin.test.nobody.test")] {
            // It has the certificate, and is not asked for it.
            for certificate in [None, Some(&*ONE)] {
                let visitor = Visitor::new(http, certificate);
                let mut connection = site.connect(&visitor, sni).await.unwrap();
                for host in ["admin.test", "x.mtls.test", "vault.test", "other.test"] {
                    let got = site.ask(&mut connection, host).await;
                    let refused = Got::Refused(Rejection::DifferentTlsConfig);
                    assert_eq!(got, refused, "{http:?} {sni:?} {host}");
                }
                for host in ["www.test", "a.w.test", "new.test"] {
                    let got = site.ask(&mut connection, host).await;
                    assert_eq!(got, Got::Served(Client::Nobody), "{http:?} {sni:?} {host}");
                }
            }
        }
    }
}

/// B9, with a default that wants a certificate.
#[tokio::test]
async fn a_client_certificate_default_is_one_of_its_configurations_hosts_and_no_more() {
    let hosts = Configs::new(&Memory::tickets()).hosts();
    let site = Site::new(hosts.default_to("admin.test")).await;
    for http in EVERY_HTTP {
        for sni in [None, Some("nobody.test")] {
            let stranger = Visitor::new(http, None);
            let got = site.ask_once(&stranger, sni, "new.test").await;
            assert_eq!(got, Got::Ended);
            let friend = Visitor::new(http, Some(&ONE));
            let mut connection = site.connect(&friend, sni).await.unwrap();
            for host in ["admin.test", "new.test", "127.0.0.1"] {
                let got = site.ask(&mut connection, host).await;
                assert_eq!(got, Got::Served(Client::One), "{http:?} {sni:?} {host}");
            }
            for host in ["www.test", "x.mtls.test", "vault.test", "other.test"] {
                let got = site.ask(&mut connection, host).await;
                assert_eq!(got, Got::Refused(Rejection::DifferentTlsConfig));
            }
        }
    }
}

#[tokio::test]
async fn without_a_default_an_unknown_server_name_opens_no_connection() {
    let site = Site::new(Configs::new(&Memory::tickets()).hosts()).await;
    for http in EVERY_HTTP {
        let visitor = Visitor::new(http, None);
        for sni in [None, Some("new.test"), Some("w.test"), Some("127.0.0.1")] {
            let got = site.ask_once(&visitor, sni, "www.test").await;
            assert_eq!(got, Got::Ended, "{http:?} {sni:?}");
        }
        // A host that nothing matches is unknown, whatever the certificate says (B6).
        let mut connection = site.connect(&visitor, Some("www.test")).await.unwrap();
        let got = site.ask(&mut connection, "new.test").await;
        assert_eq!(got, Got::Refused(Rejection::UnknownHost));
        let got = site.ask(&mut connection, "www.test").await;
        assert_eq!(got, Got::Served(Client::Nobody));
    }
}
