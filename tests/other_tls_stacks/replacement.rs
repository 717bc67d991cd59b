//! A context that is replaced while clients have connections and sessions.

use openssl::ssl::SslContext;
use std::sync::Arc;
use tower_misdirected::{VirtualHosts, VirtualHostsBuilder};

use crate::client::{Http, Visitor};
use crate::contexts::{Memory, ONE, context};
use crate::pki;
use crate::resumption::every_kind;
use crate::site::{CLIENT_ONE, Got, NOBODY, Site};

const ADMIN: Option<&str> = Some("admin.test");

fn hosts(www: &Arc<SslContext>, admin: &Arc<SslContext>) -> VirtualHostsBuilder<SslContext> {
    VirtualHosts::builder()
        .host("www.test", www.clone())
        .host("admin.test", admin.clone())
}

#[tokio::test]
async fn b6_d9_an_open_connection_is_refused_a_host_with_a_new_context() {
    let open = context(None, Memory::Tickets);
    let site = Site::new(hosts(&open, &open));
    let addr = site.listen().await;
    let visitor = Visitor::new(Http::Two, None);
    for sni in ["admin.test", "www.test"] {
        site.hosts.replace(hosts(&open, &open)).unwrap();
        let mut connection = visitor.connect(addr, Some(sni)).await.unwrap();
        for host in ["admin.test", "www.test"] {
            assert_eq!(site.ask(&mut connection, host).await, NOBODY, "{sni}");
        }
        let mutual_tls = context(Some(&pki::CA), Memory::Tickets);
        site.hosts.replace(hosts(&open, &mutual_tls)).unwrap();

        let got = site.ask(&mut connection, "admin.test").await;
        assert_eq!(got, Got::Refused, "{sni}");
        if sni == "www.test" {
            let got = site.ask(&mut connection, "www.test").await;
            assert_eq!(got, NOBODY);
        }
    }
}

#[tokio::test]
async fn d9_a_session_does_not_outlive_its_context() {
    for (visitor, memory, kind) in every_kind() {
        let open = context(None, memory);
        let mutual_tls = context(Some(&pki::CA), memory);
        for (certificate, expected) in [(None, Got::Ended), (Some(&*ONE), CLIENT_ONE)] {
            let site = Site::new(hosts(&open, &open));
            let addr = site.listen().await;
            let visitor = visitor(Http::Two, certificate);
            for resumed in [false, true] {
                let got = site.ask_once(&visitor, addr, ADMIN, "admin.test").await;
                assert_eq!(got, (NOBODY, resumed), "{kind}");
                visitor.has_session().await;
            }
            site.hosts.replace(hosts(&open, &mutual_tls)).unwrap();

            let got = site.ask_once(&visitor, addr, ADMIN, "admin.test").await;
            assert_eq!(got, (expected, false), "{kind}");
        }
    }
}

#[tokio::test]
async fn d9_a_replacement_after_the_handshake_lets_no_request_through() {
    for sni in ["admin.test", "www.test"] {
        for http in [Http::One, Http::Two] {
            let open = context(None, Memory::Tickets);
            let mutual_tls = context(Some(&pki::CA), Memory::Tickets);
            let site = Site::new(hosts(&open, &open));
            let addr = site.listen().await;
            let handle = site.hosts.clone();
            site.after_handshake(move || handle.replace(hosts(&open, &mutual_tls)).unwrap());
            let visitor = Visitor::new(http, None);
            let (got, _) = site.ask_once(&visitor, addr, Some(sni), "admin.test").await;
            assert_eq!(got, Got::Refused, "{http:?} {sni}");
        }
    }
}
