//! 0-RTT over QUIC: what a client sends under a resumed session, before the handshake is complete. The same
//! bypasses as by resumption, one round trip earlier.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::Endpoint;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::server::ServerSessionMemoryCache;
use tower_misdirected::{ConnectionInfo, QuicTls, Rejection, VirtualHosts};

use crate::client::{Http, Visitor};
use crate::pki::{self, Leaf};
use crate::single::Source;
use crate::site::{Client, Configs, Got, ONE, Site};
use crate::wire::PATIENCE;
use crate::wire::http3::{connect_quic, quic_client};

const NOBODY: Got = Got::Served(Client::Nobody);
const CLIENT_ONE: Got = Got::Served(Client::One);
const OTHER_CONFIG: Got = Got::Refused(Rejection::DifferentTlsConfig);

/// Without ids for the configurations, and with them (D10).
const IDS: [Option<&str>; 2] = [None, Some("")];

/// Configurations that allow 0-RTT, with one store for all sessions.
pub fn configs() -> Configs {
    let store = ServerSessionMemoryCache::new(1024);
    Configs::each(move |_, mut config| {
        config.session_storage = store.clone();
        config.max_early_data_size = u32::MAX;
        config
    })
}

pub fn visitor(certificate: Option<&Leaf>) -> Visitor {
    let mut visitor = Visitor::new(Http::Three, certificate);
    visitor.config.enable_early_data = true;
    visitor
}

/// Gets a session for the next connection.
pub async fn first_visit<H>(
    site: &Site<H>,
    visitor: &Visitor,
    sni: Option<&str>,
    host: &str,
    got: Got,
) {
    let mut connection = site.connect(visitor, sni).await.unwrap();
    assert_eq!(site.ask(&mut connection, host).await, got);
    visitor.has_session().await;
}

#[tokio::test]
async fn cve_2025_23419_nginx_early_requests_are_judged_by_their_hosts_configuration() {
    for ids in IDS {
        early_requests_are_judged_by_their_hosts_configuration(ids).await;
    }
}

async fn early_requests_are_judged_by_their_hosts_configuration(ids: Option<&'static str>) {
    let site = Site::new(configs().with_ids(ids).hosts()).await;
    let stranger = visitor(None);
    let www = Some("www.test");
    first_visit(&site, &stranger, www, "www.test", NOBODY).await;
    for host in ["admin.test", "x.mtls.test", "vault.test", "Admin.Test.:443"] {
        let (mut early, accepted) = stranger.connect_early(site.quic, www).await;
        assert_eq!(site.ask(&mut early, host).await, OTHER_CONFIG, "{host}");
        assert!(accepted.await, "the request did come early");
        assert_eq!(site.ask(&mut early, host).await, OTHER_CONFIG, "{host}");

        // And so does an honest one, which hosts of the same configuration may share.
        first_visit(&site, &stranger, www, "www.test", NOBODY).await;
        let (mut early, accepted) = stranger.connect_early(site.quic, www).await;
        assert_eq!(site.ask(&mut early, "shop.test").await, NOBODY);
        assert!(accepted.await);
        assert_eq!(site.ask(&mut early, "www.test").await, NOBODY);
        stranger.has_session().await;
    }
}

#[tokio::test]
async fn cve_2025_23419_nginx_early_data_of_one_host_are_none_of_another() {
    for ids in IDS {
        early_data_of_one_host_are_none_of_another(ids).await;
    }
}

async fn early_data_of_one_host_are_none_of_another(ids: Option<&'static str>) {
    let site = Site::new(configs().with_ids(ids).hosts()).await;
    let admin = Some("admin.test");
    for (certificate, after) in [(None, Got::Ended), (Some(&*ONE), CLIENT_ONE)] {
        let visitor = visitor(certificate);
        first_visit(&site, &visitor, Some("www.test"), "www.test", NOBODY).await;
        let (mut early, accepted) = visitor.connect_early(site.quic, admin).await;
        assert_eq!(site.ask(&mut early, "admin.test").await, Got::Ended);
        assert!(!accepted.await);
        // On a connection that was not in such haste.
        let got = site.ask_once(&visitor, admin, "admin.test").await;
        assert_eq!(got, after);
    }
}

#[tokio::test]
async fn cve_2025_23419_nginx_early_requests_of_a_known_client_carry_its_certificate() {
    for ids in IDS {
        early_requests_of_a_known_client_carry_its_certificate(ids).await;
    }
}

async fn early_requests_of_a_known_client_carry_its_certificate(ids: Option<&'static str>) {
    let site = Site::new(configs().with_ids(ids).hosts()).await;
    let friend = visitor(Some(&ONE));
    for host in ["admin.test", "x.mtls.test"] {
        first_visit(&site, &friend, Some(host), host, CLIENT_ONE).await;
        for _ in 0..3 {
            let (mut early, accepted) = friend.connect_early(site.quic, Some(host)).await;
            assert_eq!(site.ask(&mut early, host).await, CLIENT_ONE);
            assert!(accepted.await);
            assert_eq!(site.ask(&mut early, host).await, CLIENT_ONE);
            assert_eq!(site.ask(&mut early, "www.test").await, OTHER_CONFIG);
            friend.has_session().await;
        }
    }
}

#[tokio::test]
async fn cve_2025_23048_httpd_early_data_are_refused_once_the_host_wants_certificates() {
    for (sni, ids) in [Some("a.w.test"), None].into_iter().zip(IDS) {
        for (certificate, after) in [(None, Got::Ended), (Some(&*ONE), CLIENT_ONE)] {
            let configs = configs().with_ids(ids);
            let hosts = |config: &_| {
                let hosts = configs.identify(VirtualHosts::builder(), config);
                match sni {
                    Some(name) => hosts.host(name, config.clone()),
                    None => hosts.default(config.clone()),
                }
            };
            let site = Site::new(hosts(&configs.open)).await;
            let visitor = visitor(certificate);
            first_visit(&site, &visitor, sni, "a.w.test", NOBODY).await;
            let (mut early, accepted) = visitor.connect_early(site.quic, sni).await;
            assert_eq!(site.ask(&mut early, "a.w.test").await, NOBODY);
            assert!(accepted.await, "the session is good for 0-RTT");
            visitor.has_session().await;

            site.hosts.replace(hosts(&configs.one)).unwrap();

            assert_eq!(site.ask(&mut early, "a.w.test").await, OTHER_CONFIG);
            let (mut early, accepted) = visitor.connect_early(site.quic, sni).await;
            assert_eq!(site.ask(&mut early, "a.w.test").await, Got::Ended);
            assert!(!accepted.await);
            let got = site.ask_once(&visitor, sni, "a.w.test").await;
            assert_eq!(got, after);
        }
    }
}

/// The same without virtual hosts.
#[tokio::test]
async fn b6_cve_2025_23048_httpd_early_data_end_with_their_configuration_from_every_source() {
    let www = Some("www.test");
    for source in Source::EVERY {
        for (certificate, after) in [(None, Got::Ended), (Some(&*ONE), CLIENT_ONE)] {
            let configs = configs();
            let mut site = Site::single(source, &configs.open).await;
            let visitor = visitor(certificate);
            first_visit(&site, &visitor, www, "www.test", NOBODY).await;
            // The same `Arc` is the same configuration.
            for _ in 0..2 {
                site.change(&configs.open).await;
                let (mut early, accepted) = visitor.connect_early(site.quic, www).await;
                assert_eq!(site.ask(&mut early, "www.test").await, NOBODY, "{source:?}");
                assert!(accepted.await, "{source:?}");
                visitor.has_session().await;
            }

            site.change(&configs.one).await;
            let (mut early, accepted) = visitor.connect_early(site.quic, www).await;
            let got = site.ask(&mut early, "www.test").await;
            assert_eq!(got, Got::Ended, "{source:?}");
            assert!(!accepted.await, "{source:?}");
            let got = site.ask_once(&visitor, www, "www.test").await;
            assert_eq!(got, after, "{source:?}");
        }
    }
}

#[tokio::test]
async fn cve_2025_23048_httpd_early_data_are_refused_once_another_authority_is_trusted() {
    for ids in IDS {
        early_data_are_refused_once_another_authority_is_trusted(ids).await;
    }
}

async fn early_data_are_refused_once_another_authority_is_trusted(ids: Option<&'static str>) {
    let configs = configs().with_ids(ids);
    let hosts = |config: &Arc<_>| {
        let hosts = configs.identify(VirtualHosts::builder(), config);
        hosts.host("a.w.test", config.clone())
    };
    let site = Site::new(hosts(&configs.two)).await;
    let sni = Some("a.w.test");
    // The open one stands between, so that no session of the first is known to the third.
    let friend = visitor(Some(&ONE));
    for (config, got) in [
        (&configs.one, CLIENT_ONE),
        (&configs.open, NOBODY),
        (&configs.one, CLIENT_ONE),
    ] {
        site.hosts.replace(hosts(config)).unwrap();
        if friend.has_any_session() {
            let (mut early, accepted) = friend.connect_early(site.quic, sni).await;
            assert_eq!(site.ask(&mut early, "a.w.test").await, Got::Ended);
            assert!(!accepted.await);
        }
        first_visit(&site, &friend, sni, "a.w.test", got).await;
        let (mut early, accepted) = friend.connect_early(site.quic, sni).await;
        assert_eq!(site.ask(&mut early, "a.w.test").await, got);
        assert!(accepted.await);
        friend.has_session().await;
    }
    site.hosts.replace(hosts(&configs.two)).unwrap();
    let (mut early, accepted) = friend.connect_early(site.quic, sni).await;
    assert_eq!(site.ask(&mut early, "a.w.test").await, Got::Ended);
    assert!(!accepted.await);
}

/// The server's side of a connection may be used before the client has shown its certificate. Until then
/// there is no `ConnectionInfo`, and a request without one is answered 500 (B2), not taken for a
/// request of a client that was let in.
#[tokio::test]
async fn an_unfinished_handshake_tells_of_no_client() {
    let tls = QuicTls::<QuicServerConfig>::new(configs().hosts().build().unwrap()).unwrap();
    let tls = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let server = Endpoint::server(tls, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = server.local_addr().unwrap();
    for (certificate, admitted) in [(Some(&*ONE), true), (None, false)] {
        let client = quic_client();
        let config = match certificate {
            Some(leaf) => pki::client_with_certificate(&[], leaf),
            None => pki::client(&[]),
        };
        let connecting = connect_quic(&client, addr, config, Some("admin.test"));
        let accepting = async {
            let incoming = server.accept().await.unwrap();
            let (connection, complete) = incoming.accept().unwrap().into_0rtt().unwrap();
            // No other task has run since the ClientHello was read.
            assert!(connection.handshake_data().is_some());
            assert!(ConnectionInfo::from_quinn(&connection).is_none());
            complete.await;
            connection
        };
        let both = tokio::time::timeout(PATIENCE, async { tokio::join!(connecting, accepting) });
        let (_client, connection) = both.await.expect("a handshake in time");
        let info = ConnectionInfo::from_quinn(&connection);
        assert_eq!(info.is_some(), admitted);
        if let Some(info) = info {
            assert_eq!(info.server_name(), Some("admin.test"));
            assert!(info.client_certificates().eq([&*ONE.der]));
        }
    }
}
