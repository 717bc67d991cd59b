//! Sōzu resolved the certificate a second time after the handshake, and got the one that had replaced it in
//! the meantime. Here requests are judged by the certificate that the client was shown (B5, D1), and by the
//! virtual hosts of the moment (B6).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tower_misdirected::{Rejection, VirtualHosts, VirtualHostsBuilder};

use crate::client::{EVERY_HTTP, Visitor};
use crate::pki::{self, Leaf};
use crate::site::{Client, Configs, Got, Memory, ONE, Site};

const NOBODY: Got = Got::Served(Client::Nobody);
const CLIENT_ONE: Got = Got::Served(Client::One);
const OTHER_CONFIG: Got = Got::Refused(Rejection::DifferentTlsConfig);
const NOT_COVERED: Got = Got::Refused(Rejection::NotInCertificate);

static OLD: LazyLock<Leaf> = LazyLock::new(|| pki::leaf(&["www.test", "old.test"]));
static NEW: LazyLock<Leaf> = LazyLock::new(|| pki::leaf(&["www.test", "new.test"]));

/// Presents the two certificates in turn, another one each time that it is asked.
#[derive(Debug)]
struct Turns {
    keys: [Arc<CertifiedKey>; 2],
    asked: AtomicUsize,
}

impl Turns {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            keys: [OLD.certified_key(), NEW.certified_key()],
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// A configuration that goes by it.
    fn config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let mut config = OLD.server_config();
        config.alpn_protocols = ["h2", "http/1.1", "h3"].map(|alpn| alpn.into()).to_vec();
        config.cert_resolver = self.clone();
        Arc::new(config)
    }
}

impl ResolvesServerCert for Turns {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        Some(self.keys[turn % 2].clone())
    }
}

#[tokio::test]
async fn sozu_requests_are_judged_by_the_certificate_that_was_presented() {
    let turns = Turns::new();
    let site = Site::new(VirtualHosts::builder().default(turns.config())).await;
    for http in EVERY_HTTP {
        let mut connections = Vec::new();
        for _ in 0..4 {
            let visitor = Visitor::new(http, None);
            let connection = site.connect(&visitor, Some("www.test")).await.unwrap();
            connections.push((visitor, connection));
        }
        let asked = turns.asked();
        let mut seen = [0; 2];
        for (_, connection) in &mut connections {
            let old = connection.presented() == &*OLD.der;
            assert!(old || connection.presented() == &*NEW.der);
            seen[usize::from(old)] += 1;
            for (host, covered) in [("www.test", true), ("old.test", old), ("new.test", !old)] {
                let got = site.ask(connection, host).await;
                let expected = if covered { NOBODY } else { NOT_COVERED };
                assert_eq!(got, expected, "{http:?} {host}");
            }
        }
        assert_eq!(seen, [2, 2], "{http:?}");
        assert_eq!(turns.asked(), asked, "requests ask nobody");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sozu_handshakes_that_run_at_once_are_not_mistaken_for_one_another() {
    let turns = Turns::new();
    let site = Site::new(VirtualHosts::builder().default(turns.config())).await;
    let mut visits = JoinSet::new();
    for round in 0..20 {
        for http in EVERY_HTTP {
            let addr = site.addr(http);
            visits.spawn(async move {
                let visitor = Visitor::new(http, None);
                let mut connection = visitor.connect(addr, Some("www.test")).await.unwrap();
                let old = connection.presented() == &*OLD.der;
                for (host, covered) in [("old.test", old), ("new.test", !old)] {
                    let answer = connection.get(host).await.unwrap();
                    let expected = if covered { 200 } else { 421 };
                    assert_eq!(answer.status(), expected, "{http:?} {round} {host}");
                }
            });
        }
    }
    visits.join_all().await;
    assert_eq!(site.calls(), 20 * EVERY_HTTP.len());
}

/// Changes the virtual hosts while a handshake asks for its certificate: after the configuration was
/// chosen, and before the handshake is complete.
#[derive(Debug)]
struct Changes {
    inner: Arc<dyn ResolvesServerCert>,
    change: Mutex<Option<(VirtualHosts, VirtualHostsBuilder)>>,
}

impl ResolvesServerCert for Changes {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some((hosts, next)) = self.change.lock().unwrap().take() {
            hosts.replace(next).unwrap();
        }
        self.inner.resolve(hello)
    }
}

#[tokio::test]
async fn sozu_a_change_in_the_middle_of_a_handshake_is_seen_by_its_requests() {
    for http in EVERY_HTTP {
        for (certificate, to_strict, after) in [
            (None, true, Got::Ended),
            (Some(&*ONE), true, CLIENT_ONE),
            (Some(&*ONE), false, NOBODY),
        ] {
            let configs = Configs::new(&Memory::tickets());
            let (from, to) = match to_strict {
                true => (&configs.open, &configs.one),
                false => (&configs.one, &configs.open),
            };
            let mut from = ServerConfig::clone(from);
            let changes = Arc::new(Changes {
                inner: from.cert_resolver,
                change: Mutex::new(None),
            });
            from.cert_resolver = changes.clone();
            let hosts = |config| VirtualHosts::builder().host("www.test", config);
            let site = Site::new(hosts(Arc::new(from))).await;
            let change = (site.hosts.clone(), hosts(to.clone()));
            *changes.change.lock().unwrap() = Some(change);

            let visitor = Visitor::new(http, certificate);
            let www = Some("www.test");
            let mut connection = site.connect(&visitor, www).await.unwrap();
            assert!(changes.change.lock().unwrap().is_none(), "it has changed");
            for _ in 0..2 {
                let got = site.ask(&mut connection, "www.test").await;
                assert_eq!(got, OTHER_CONFIG, "{http:?}");
            }
            // Nor is the session that began in between one of the new configuration (CVE-2025-23048).
            visitor.has_session().await;
            let got = site.ask_once(&visitor, www, "www.test").await;
            assert_eq!(got, after, "{http:?}");
        }
    }
}

/// While clients open connections and send requests, their host begins to want certificates: no request
/// that begins after the change is served to a client without one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sozu_a_change_under_load_holds_at_once() {
    for _ in 0..3 {
        let configs = Configs::new(&Memory::tickets());
        let hosts =
            |config: &Arc<ServerConfig>| VirtualHosts::builder().host("www.test", config.clone());
        let site = Site::new(hosts(&configs.open)).await;
        let changed = Arc::new(AtomicBool::new(false));
        let mut visits = JoinSet::new();
        // Each says once that it was served.
        let (served, mut all_served) = mpsc::channel(1);
        for http in EVERY_HTTP.into_iter().cycle().take(9) {
            let (addr, changed, served) = (site.addr(http), changed.clone(), served.clone());
            visits.spawn(async move {
                let visitor = Visitor::new(http, None);
                let mut served = Some(served);
                let mut refused_after = 0;
                while refused_after < 2 {
                    let Ok(mut connection) = visitor.connect(addr, Some("www.test")).await else {
                        // The change is under way, or over.
                        refused_after += usize::from(changed.load(Ordering::SeqCst));
                        continue;
                    };
                    for _ in 0..5 {
                        let after = changed.load(Ordering::SeqCst);
                        let answer = connection.get("www.test").await;
                        match answer.map(|answer| answer.status().as_u16()) {
                            Ok(200) => {
                                assert!(!after, "{http:?}");
                                drop(served.take());
                            }
                            Ok(421) | Err(_) => refused_after += usize::from(after),
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
        drop(served);
        assert_eq!(all_served.recv().await, None::<()>);
        site.hosts.replace(hosts(&configs.one)).unwrap();
        changed.store(true, Ordering::SeqCst);
        visits.join_all().await;
    }
}
