//! No lock of the crate is held while code of the user runs. Such code may come back to the crate: the `drop` of a
//! certificate resolver that replaces the virtual hosts, for example. With a lock held, it would wait for ever.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};
use rustls::server::{ClientHello, ResolvesServerCert, StoresServerSessions};
use rustls::sign::CertifiedKey;
use tower_misdirected::{
    ConnectionInfo, TlsAcceptor, VirtualHosts, VirtualHostsBuilder, VirtualHostsError,
};

use crate::pki;

/// Runs a test that may hang. A hang fails in seconds.
fn in_time<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(test());
    });
    match result.recv_timeout(Duration::from_secs(20)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{:?}", thread.join()),
    }
}

fn config() -> Arc<ServerConfig> {
    config_with(pki::provider())
}

/// A configuration under which no handshake succeeds; there are none here.
fn config_with(provider: Arc<CryptoProvider>) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
    Arc::new(config)
}

/// The virtual hosts that every `drop` here puts in place.
const AFTER_DROP: &str = "after-drop.test";

fn exists(hosts: &VirtualHosts, host: &str) -> bool {
    hosts.get(&host.parse().unwrap()).is_some()
}

/// What the `drop` of a user's object does. Counts how often it was done.
#[derive(Debug)]
struct ComesBack {
    hosts: VirtualHosts,
    done: Arc<AtomicUsize>,
}

impl Drop for ComesBack {
    fn drop(&mut self) {
        // Both of them, because they use different locks.
        let config = config();
        drop(TlsAcceptor::new(config.clone()));
        let next = VirtualHosts::builder().host(AFTER_DROP, config);
        self.hosts.replace(next).unwrap();
        self.done.fetch_add(1, SeqCst);
    }
}

impl ResolvesServerCert for ComesBack {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

impl StoresServerSessions for ComesBack {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        false
    }

    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        false
    }
}

/// Virtual hosts to replace, and objects that replace them when they are dropped.
struct Scene {
    hosts: VirtualHosts,
    done: Arc<AtomicUsize>,
}

impl Scene {
    fn new() -> Self {
        let hosts = VirtualHosts::builder().host("a.test", config());
        Self {
            hosts: hosts.build().unwrap(),
            done: Arc::default(),
        }
    }

    fn comes_back(&self) -> Arc<ComesBack> {
        Arc::new(ComesBack {
            hosts: self.hosts.clone(),
            done: self.done.clone(),
        })
    }

    /// A configuration whose certificate resolver is such an object.
    fn with_resolver(&self) -> Arc<ServerConfig> {
        let mut config = Arc::unwrap_or_clone(config());
        config.cert_resolver = self.comes_back();
        Arc::new(config)
    }

    /// A configuration whose session store is such an object.
    fn with_store(&self) -> Arc<ServerConfig> {
        let mut config = Arc::unwrap_or_clone(config());
        config.session_storage = self.comes_back();
        Arc::new(config)
    }

    fn done(&self) -> usize {
        self.done.swap(0, SeqCst)
    }
}

/// A way to build virtual hosts that cannot be built.
type Mistake = fn(Arc<ServerConfig>) -> VirtualHostsBuilder;

const MISTAKES: [Mistake; 6] = [
    |config| {
        let hosts = VirtualHosts::builder().virtual_host("1", ["b.test"], config.clone());
        hosts.virtual_host("2", ["b.test"], config)
    },
    |config| {
        let hosts = VirtualHosts::builder().virtual_host("1", ["b.test"], config.clone());
        hosts.virtual_host("1", ["c.test"], config)
    },
    |config| VirtualHosts::builder().host("b.test:443", config),
    |config| VirtualHosts::builder().virtual_host("1", [""; 0], config),
    |config| {
        let hosts = VirtualHosts::builder().host("b.test", config);
        hosts.default_to("c.test")
    },
    |config| {
        let hosts = VirtualHosts::builder().default(config.clone());
        hosts.default(config)
    },
];

#[test]
fn b6_a_configuration_whose_drop_replaces_the_hosts_can_fail_to_be_built() {
    in_time(|| {
        for mistake in MISTAKES {
            // The builder has the last `Arc` of the configuration.
            let scene = Scene::new();
            let replaced = scene.hosts.replace(mistake(scene.with_resolver()));
            let error: VirtualHostsError = replaced.unwrap_err();
            assert_eq!(scene.done(), 1, "{error}");
            assert!(exists(&scene.hosts, AFTER_DROP), "{error}");

            let scene = Scene::new();
            let error = mistake(scene.with_resolver()).build().unwrap_err();
            assert_eq!(scene.done(), 1, "{error}");
            assert!(exists(&scene.hosts, AFTER_DROP), "{error}");
        }
    });
}

#[test]
fn b6_a_configuration_whose_drop_replaces_the_hosts_can_be_replaced() {
    in_time(|| {
        let scene = Scene::new();
        let with_resolver = || VirtualHosts::builder().host("b.test", scene.with_resolver());
        let plain = || VirtualHosts::builder().host("b.test", config());
        scene.hosts.replace(with_resolver()).unwrap();
        assert_eq!(scene.done(), 0);

        // The map that is replaced has the last `Arc`. Its `drop` replaces the map that has just come.
        scene.hosts.replace(plain()).unwrap();
        assert_eq!(scene.done(), 1);
        assert!(exists(&scene.hosts, AFTER_DROP));

        // A connection has the last `Arc`.
        scene.hosts.replace(with_resolver()).unwrap();
        let selection = scene.hosts.select(Some("b.test")).unwrap();
        let connection = ConnectionInfo::tls().selection(selection).build();
        scene.hosts.replace(plain()).unwrap();
        assert_eq!(scene.done(), 0);
        drop(connection);
        assert_eq!(scene.done(), 1);
        assert!(exists(&scene.hosts, AFTER_DROP));
    });
}

#[test]
fn b6_a_session_store_whose_drop_makes_an_acceptor_can_be_forgotten() {
    in_time(|| {
        let scene = Scene::new();
        let mut done = 0;
        // The sessions of configurations that are gone are forgotten after some number of new ones.
        for _ in 0..1000 {
            drop(TlsAcceptor::new(scene.with_store()));
            done += scene.done();
        }
        assert!(done > 500, "{done}");
        assert!(exists(&scene.hosts, AFTER_DROP));
    });
}

/// A source of random bytes that makes an acceptor.
#[derive(Debug)]
struct MakesAcceptor;

impl SecureRandom for MakesAcceptor {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        drop(TlsAcceptor::new(config()));
        ring::default_provider().secure_random.fill(bytes)
    }
}

#[test]
fn b6_a_source_of_random_bytes_may_make_an_acceptor() {
    in_time(|| {
        let provider = CryptoProvider {
            secure_random: &MakesAcceptor,
            ..ring::default_provider()
        };
        let config = config_with(Arc::new(provider));
        for _ in 0..3 {
            drop(TlsAcceptor::new(config.clone()));
        }
    });
}
