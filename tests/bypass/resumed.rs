//! D8: whether a connection resumed a session, as handlers see it. Clients tell by the certificate that they were
//! presented, or were not.

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use tower_misdirected::VirtualHosts;

use crate::client::{Http, Visitor};
use crate::early_data;
use crate::resumption::{WAYS, visit, visitor};
use crate::site::{CERTIFICATE, Client, Configs, Got, Memory, ONE, Site};

const NOBODY: Got = Got::Served(Client::Nobody);
const CLIENT_ONE: Got = Got::Served(Client::One);

fn memories() -> [Memory; 2] {
    [Memory::tickets(), Memory::store()]
}

#[tokio::test]
async fn d8_a_handler_sees_whether_the_handshake_resumed_a_session() {
    for memory in memories() {
        for way in WAYS {
            let site = Site::new(Configs::new(&memory).hosts()).await;
            for (host, certificate, got) in [
                ("www.test", None, NOBODY),
                ("admin.test", Some(&*ONE), CLIENT_ONE),
            ] {
                let client = visitor(way, certificate);
                for (handshake, resumed) in [(None, false), (Some("resumed"), true)] {
                    let seen = visit(&site, &client, Some(host), host).await;
                    assert_eq!(seen, (handshake, got), "{way:?}");
                    assert_eq!(site.resumed(), Some(resumed), "{way:?}");
                }
            }
        }
    }
}

/// The store or the ticketer returns the session, and rustls then refuses to resume it for another server name.
#[tokio::test]
async fn d8_a_session_that_was_found_and_not_used_is_not_resumed() {
    for memory in memories() {
        for way in WAYS {
            let site = Site::new(Configs::new(&memory).hosts()).await;
            let client = visitor(way, None);
            visit(&site, &client, Some("www.test"), "www.test").await;
            // The same configuration.
            let seen = visit(&site, &client, Some("shop.test"), "shop.test").await;
            assert_eq!(seen, (Some("offered"), NOBODY), "{way:?}");
            assert_eq!(site.resumed(), Some(false), "{way:?}");
        }
    }
}

/// A HelloRetryRequest resumes nothing, but the ServerHello after it may. `tests/http3.rs` has the same over QUIC.
#[tokio::test]
async fn d8_a_handshake_with_a_hello_retry_request_may_resume_a_session() {
    // The client offers a key share for another group first, every time.
    let provider = CryptoProvider {
        kx_groups: vec![ring::kx_group::SECP384R1],
        ..ring::default_provider()
    };
    let mut config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.der.clone()], CERTIFICATE.key.clone_key())
        .unwrap();
    config.alpn_protocols = vec!["h2".into(), "h3".into()];
    let hosts = VirtualHosts::builder().host("www.test", config.into());
    let site = Site::new(hosts).await;
    let client = Visitor::new(Http::Two, None);
    for handshake in [None, Some("resumed")] {
        let seen = visit(&site, &client, Some("www.test"), "www.test").await;
        assert_eq!(seen, (handshake, NOBODY));
        assert_eq!(site.resumed(), Some(handshake.is_some()));
    }
}

#[tokio::test]
async fn d8_early_data_come_on_a_resumed_connection() {
    let www = Some("www.test");
    let site = Site::new(early_data::configs().hosts()).await;
    let client = early_data::visitor(None);
    early_data::first_visit(&site, &client, www, "www.test", NOBODY).await;
    assert_eq!(site.resumed(), Some(false));
    let (mut early, accepted) = client.connect_early(site.quic, www).await;
    assert_eq!(site.ask(&mut early, "www.test").await, NOBODY);
    assert_eq!(site.resumed(), Some(true));
    assert!(accepted.await);
    assert_eq!(site.ask(&mut early, "www.test").await, NOBODY);
    assert_eq!(site.resumed(), Some(true));
}
