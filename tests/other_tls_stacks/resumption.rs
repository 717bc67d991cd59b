//! Sessions, which a client offers to any host.

use crate::client::{Http, Visitor};
use crate::contexts::{EVERY_MEMORY, Memory, ONE, hosts};
use crate::pki::Leaf;
use crate::site::{CLIENT_ONE, Got, NOBODY, Site};

const WWW: Option<&str> = Some("www.test");
const ADMIN: Option<&str> = Some("admin.test");

type NewVisitor = fn(Http, Option<&Leaf>) -> Visitor;

/// Every version of TLS with every memory that has sessions for it.
pub fn every_kind() -> impl Iterator<Item = (NewVisitor, Memory, String)> {
    let versions = [
        (Visitor::tls12 as NewVisitor, "TLS 1.2"),
        (Visitor::new, "TLS 1.3"),
    ];
    let all = versions
        .into_iter()
        .flat_map(|(new, version)| EVERY_MEMORY.map(|memory| (new, version, memory)));
    // BoringSSL keeps sessions of TLS 1.3 in tickets only.
    let kinds = all.filter(|(_, version, memory)| {
        cfg!(tls_recipe = "openssl") || *version == "TLS 1.2" || *memory != Memory::Cache
    });
    kinds.map(|(new, version, memory)| (new, memory, format!("{version} {memory:?}")))
}

#[tokio::test]
async fn d9_a_session_of_www_opens_no_connection_for_admin() {
    for (visitor, memory, kind) in every_kind() {
        let site = Site::new(hosts(memory));
        let addr = site.listen().await;
        for (certificate, expected) in [(None, Got::Ended), (Some(&*ONE), CLIENT_ONE)] {
            let visitor = visitor(Http::Two, certificate);
            let (got, _) = site.ask_once(&visitor, addr, WWW, "www.test").await;
            assert_eq!(got, NOBODY, "{kind}");
            visitor.has_session().await;

            let offered = visitor.offered();
            let (got, resumed) = site.ask_once(&visitor, addr, ADMIN, "admin.test").await;
            assert_eq!((got, resumed), (expected, false), "{kind}");
            assert_eq!(visitor.offered(), offered + 1, "{kind}");
        }
    }
}

#[tokio::test]
async fn d9_a_session_of_admin_opens_no_connection_for_www() {
    for (visitor, memory, kind) in every_kind() {
        let site = Site::new(hosts(memory));
        let addr = site.listen().await;
        let visitor = visitor(Http::Two, Some(&ONE));
        let (got, _) = site.ask_once(&visitor, addr, ADMIN, "admin.test").await;
        assert_eq!(got, CLIENT_ONE, "{kind}");
        visitor.has_session().await;
        // The handshake is a full one, which asks for no certificate.
        let got = site.ask_once(&visitor, addr, WWW, "www.test").await;
        assert_eq!(got, (NOBODY, false), "{kind}");
    }
}

#[tokio::test]
async fn d9_a_session_of_admin_keeps_its_client_certificate() {
    for (visitor, memory, kind) in every_kind() {
        let site = Site::new(hosts(memory));
        let addr = site.listen().await;
        let visitor = visitor(Http::Two, Some(&ONE));
        for resumed in [false, true, true] {
            let mut connection = visitor.connect(addr, ADMIN).await.unwrap();
            assert_eq!(connection.resumed(), resumed, "{kind}");
            let got = site.ask(&mut connection, "admin.test").await;
            assert_eq!(got, CLIENT_ONE, "{kind}");
            let got = site.ask(&mut connection, "www.test").await;
            assert_eq!(got, Got::Refused, "{kind}");
            visitor.has_session().await;
        }
    }
}

#[tokio::test]
async fn d9_a_session_of_www_resumes_for_the_hosts_of_its_context_only() {
    for (visitor, memory, kind) in every_kind() {
        let site = Site::new(hosts(memory));
        let addr = site.listen().await;
        let visitor = visitor(Http::Two, None);
        for (sni, resumed) in [("www.test", false), ("www.test", true), ("shop.test", true)] {
            let mut connection = visitor.connect(addr, Some(sni)).await.unwrap();
            assert_eq!(connection.resumed(), resumed, "{kind} {sni}");
            for (host, expected) in [
                ("www.test", NOBODY),
                ("shop.test", NOBODY),
                ("admin.test", Got::Refused),
            ] {
                let got = site.ask(&mut connection, host).await;
                assert_eq!(got, expected, "{kind} {sni} -> {host}");
            }
            visitor.has_session().await;
        }
    }
}

#[tokio::test]
async fn d8_the_recipe_tells_whether_a_session_was_resumed() {
    for (visitor, memory, kind) in every_kind() {
        let site = Site::new(hosts(memory));
        let addr = site.listen().await;
        for (host, certificate, served) in [
            ("www.test", None, NOBODY),
            ("admin.test", Some(&*ONE), CLIENT_ONE),
        ] {
            let visitor = visitor(Http::Two, certificate);
            for resumed in [false, true] {
                let found = site.ask_once(&visitor, addr, Some(host), host).await;
                assert_eq!(found, (served.clone(), resumed), "{kind}");
                assert_eq!(site.resumed(), resumed, "{kind}");
                visitor.has_session().await;
            }
        }
    }
}
