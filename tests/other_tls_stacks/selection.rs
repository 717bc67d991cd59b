//! Which context a handshake gets, and which hosts its connection serves.

use std::sync::Arc;

use openssl::ssl::{SslContext, SslVerifyMode, SslVersion};
use tokio::io::AsyncWriteExt;
use tower_misdirected::{VirtualHosts, VirtualHostsBuilder};

use crate::client::{EVERY_HTTP, Http, Visitor};
use crate::contexts::{Memory, ONE, acceptor, builder, hosts};
use crate::relay::{Cut, OctetByOctet, TcpRelay};
use crate::site::{CLIENT_ONE, Got, NOBODY, Site};
use crate::wire::{self, PATIENCE};
use crate::{handshake, pki, raw_client, recipe};

fn without_sessions() -> VirtualHostsBuilder<SslContext> {
    hosts(Memory::Tickets)
}

/// Those that a TLS stack over TCP has.
const OVER_TCP: &[Http] = EVERY_HTTP.split_at(2).0;

#[tokio::test]
async fn d9_b6_a_connection_serves_only_the_hosts_of_its_context() {
    let site = Site::new(without_sessions());
    let addr = site.listen().await;
    for http in OVER_TCP {
        for (certificate, sni, host, expected) in [
            (None, "www.test", "www.test", NOBODY),
            (None, "www.test", "shop.test", NOBODY),
            (None, "www.test", "admin.test", Got::Refused),
            (Some(&*ONE), "www.test", "admin.test", Got::Refused),
            (Some(&*ONE), "admin.test", "admin.test", CLIENT_ONE),
            (Some(&*ONE), "admin.test", "www.test", Got::Refused),
            (None, "admin.test", "admin.test", Got::Ended),
            (None, "admin.test", "www.test", Got::Ended),
            // The certificate covers it, and no virtual host does.
            (None, "www.test", "new.test", Got::Refused),
        ] {
            let visitor = Visitor::new(*http, certificate);
            let (got, _) = site.ask_once(&visitor, addr, Some(sni), host).await;
            assert_eq!(got, expected, "{http:?} {sni} -> {host}");
        }
    }
}

#[tokio::test]
async fn b6_hosts_that_share_a_context_share_one_connection() {
    let site = Site::new(without_sessions());
    let addr = site.listen().await;
    let visitor = Visitor::new(Http::Two, None);
    let mut connection = visitor.connect(addr, Some("www.test")).await.unwrap();
    for (host, expected) in [
        ("shop.test", NOBODY),
        ("admin.test", Got::Refused),
        ("SHOP.test.:443", NOBODY),
        ("Admin.TEST.", Got::Refused),
        ("www.test", NOBODY),
    ] {
        assert_eq!(site.ask(&mut connection, host).await, expected, "{host}");
    }
}

#[tokio::test]
async fn a8_d9_server_names_are_compared_without_case_and_trailing_dot() {
    let site = Site::new(without_sessions());
    let addr = site.listen().await;
    for (sni, host, status) in [
        ("WWW.Test", "www.test", 200),
        ("www.test.", "www.test", 200),
        ("WWW.TEST.", "Shop.Test.", 200),
        ("WWW.TEST.", "ADMIN.test.", 421),
    ] {
        let got = raw_client::get(addr, sni, host).await;
        assert_eq!(got, status, "{sni} -> {host}");
    }
}

#[tokio::test]
async fn b9_a_server_name_that_selects_nothing_gets_the_alert() {
    let site = Site::new(without_sessions());
    let addr = site.listen().await;
    for sni in [None, Some("new.test"), Some("www.test.new.test")] {
        for visitor in [
            Visitor::new(Http::Two, Some(&ONE)),
            Visitor::tls12(Http::Two, Some(&ONE)),
        ] {
            let refused = visitor.connect(addr, sni).await.map(drop).unwrap_err();
            assert!(refused.contains("UnrecognisedName"), "{sni:?}: {refused}");
        }
    }
}

#[tokio::test]
async fn b9_a_default_serves_only_the_hosts_of_its_context() {
    for (default, certificate, expected, admin) in [
        ("www.test", None, NOBODY, Got::Refused),
        ("admin.test", Some(&*ONE), CLIENT_ONE, CLIENT_ONE),
        ("admin.test", None, Got::Ended, Got::Ended),
    ] {
        let site = Site::new(without_sessions().default_to(default));
        let addr = site.listen().await;
        for sni in [None, Some("new.test")] {
            let visitor = Visitor::new(Http::Two, certificate);
            let (got, _) = site.ask_once(&visitor, addr, sni, "new.test").await;
            assert_eq!(got, expected, "{default} {sni:?}");
            let (got, _) = site.ask_once(&visitor, addr, sni, "admin.test").await;
            assert_eq!(got, admin, "{default} {sni:?}");
        }
    }
}

#[tokio::test]
async fn d9_everything_that_a_context_says_holds_for_its_hosts() {
    let mut newest = builder(None, Memory::Tickets);
    newest
        .set_min_proto_version(Some(SslVersion::TLS1_3))
        .unwrap();
    let mut picky = builder(Some(&pki::CA), Memory::Tickets);
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    picky.set_verify_callback(mode, |_, _| false);
    let hosts = without_sessions()
        .host("newest.test", Arc::new(newest.build()))
        .host("picky.test", Arc::new(picky.build()));
    let site = Site::new(hosts);
    let addr = site.listen().await;
    for (visitor, sni, expected) in [
        (Visitor::tls12(Http::Two, None), "www.test", NOBODY),
        (Visitor::tls12(Http::Two, None), "newest.test", Got::Ended),
        (Visitor::new(Http::Two, None), "newest.test", NOBODY),
        (
            Visitor::new(Http::Two, Some(&ONE)),
            "admin.test",
            CLIENT_ONE,
        ),
        (
            Visitor::new(Http::Two, Some(&ONE)),
            "picky.test",
            Got::Ended,
        ),
    ] {
        let (got, _) = site.ask_once(&visitor, addr, Some(sni), sni).await;
        assert_eq!(got, expected, "{sni}");
    }
}

#[tokio::test]
async fn d9_a_client_hello_in_pieces_selects_the_same_context() {
    let site = Site::new(without_sessions());
    let addr = site.listen().await;
    for cut in [Cut::Writes(1), Cut::Records(1), Cut::Records(7)] {
        let relay = TcpRelay::new(addr, cut, |_| {}).await;
        for (sni, expected) in [("www.test", NOBODY), ("admin.test", CLIENT_ONE)] {
            let visitor = Visitor::new(Http::Two, Some(&ONE));
            let got = site.ask_once(&visitor, relay.addr, Some(sni), sni).await;
            assert_eq!(got, (expected, false), "{cut:?} {sni}");
        }
    }
}

#[tokio::test]
async fn d9_a_client_hello_read_octet_by_octet_selects_the_same_context() {
    let site = Site::new(without_sessions());
    for (sni, client) in [("www.test", "nobody"), ("admin.test", "one")] {
        let (near, far) = tokio::io::duplex(1 << 14);
        let serving = site.clone();
        tokio::spawn(async move { serving.serve(OctetByOctet(far)).await });
        let config = pki::client_with_certificate(&["http/1.1"], &ONE);
        let handshake = wire::handshake(near, config, Some(sni));
        let handshake = tokio::time::timeout(PATIENCE, handshake).await;
        let mut stream = handshake.expect("a handshake in time").unwrap();
        let request = format!("GET / HTTP/1.1\nHost: {sni}\n\n");
        let answer = wire::exchange(&mut stream, &request).await;
        assert_eq!(answer.body, format!("{sni} {client}"));
    }
}

#[tokio::test]
async fn a_client_that_ends_before_its_client_hello_ends_the_handshake() {
    let site = Site::new(without_sessions());
    for sent in [&b""[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"] {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        let served = tokio::time::timeout(PATIENCE, site.serve(server)).await;
        assert!(served.expect("an end in time").is_err());
    }
}

#[tokio::test]
async fn d5_the_recipe_records_what_the_handshake_presented() {
    let leaf = pki::leaf(&["a.test", "*.w.test", "192.0.2.1", "2001:db8::1"]);
    let context = acceptor(&leaf);
    for sni in [Some("a.test"), None] {
        let hosts = VirtualHosts::builder().default(context.clone());
        let selector = recipe::selector(hosts.build().unwrap()).unwrap();
        let (client, server) = tokio::io::duplex(1 << 14);
        let client = wire::handshake(client, pki::client(&["h2"]), sni);
        let server = async {
            let (ssl, io) = recipe::select(&selector, server).await.unwrap();
            let stream = handshake::handshake(ssl, io).await.unwrap();
            recipe::connection_info(stream.ssl())
        };
        let both = async { tokio::join!(client, server) };
        let both = tokio::time::timeout(PATIENCE, both).await;
        let (_, info) = both.expect("a handshake in time");

        assert!(info.is_tls());
        assert_eq!(info.server_name(), sni);
        assert_eq!(info.alpn(), Some(&b"h2"[..]));
        assert_eq!(info.client_certificates().count(), 0);
        let names = ["a.test", "*.w.test", "192.0.2.1", "[2001:db8::1]"];
        assert_eq!(info.certificate_names().to_strings(), names);
    }
}
