//! Sessions under virtual hosts are what the configuration's own store and ticketer make of them. That
//! none is resumed under another configuration (B6) is in `bypass` and in `state_machine`.

mod pki;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_misdirected::{TlsAcceptor, VirtualHosts, VirtualHostsBuilder};

#[path = "bypass/memory.rs"]
mod memory;

/// A handshake in memory, and an octet, which TLS 1.3 tickets travel with. Tells how the client saw it.
async fn handshake(
    acceptor: &TlsAcceptor,
    client: &Arc<ClientConfig>,
    sni: &str,
) -> Option<HandshakeKind> {
    let (near, far) = tokio::io::duplex(1 << 14);
    let server = async {
        let mut stream = acceptor.accept(far).await.unwrap();
        stream.write_all(b"!").await.unwrap();
        stream.flush().await.unwrap();
    };
    let client = async {
        let stream = wire::handshake(near, client.clone(), Some(sni)).await;
        let mut stream = stream.unwrap();
        stream.read_u8().await.unwrap();
        stream.get_ref().1.handshake_kind()
    };
    tokio::join!(server, client).1
}

fn acceptor(config: ServerConfig) -> TlsAcceptor {
    let hosts = VirtualHosts::builder().host("a.test", Arc::new(config));
    hosts.build().unwrap().into()
}

/// Counts what it is asked.
#[derive(Debug)]
struct Counting {
    inner: Arc<ServerSessionMemoryCache>,
    got: AtomicUsize,
    taken: AtomicUsize,
}

impl StoresServerSessions for Counting {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.inner.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.got.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.inner.take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// RFC 8446 §8.1: sessions that are used once are what keeps 0-RTT data from being replayed.
#[tokio::test]
async fn a_session_is_taken_out_of_the_store_in_tls_1_3_and_stays_in_tls_1_2() {
    for (version, got_and_taken) in [(&TLS12, (1, 0)), (&TLS13, (0, 1))] {
        let store = Arc::new(Counting {
            inner: ServerSessionMemoryCache::new(16),
            got: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
        });
        let mut config = pki::leaf(&["a.test"]).server_config();
        config.session_storage = store.clone();
        let acceptor = acceptor(config);
        let client = Arc::new(pki::client_of(&[], &[version], pki::provider()));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            assert_eq!(handshake(&acceptor, &client, "a.test").await, Some(kind));
        }
        let counted = (
            store.got.load(Ordering::SeqCst),
            store.taken.load(Ordering::SeqCst),
        );
        assert_eq!(counted, got_and_taken, "{version:?}");
    }
}

#[tokio::test]
async fn where_sessions_cannot_be_kept_no_client_is_given_one() {
    for version in [&TLS12, &TLS13] {
        let mut config = pki::leaf(&["a.test"]).server_config();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let acceptor = acceptor(config);
        let sessions = Arc::new(memory::Sessions::default());
        let mut client = pki::client_of(&[], &[version], pki::provider());
        client.resumption = Resumption::store(sessions.clone());
        handshake(&acceptor, &Arc::new(client), "a.test").await;
        assert_eq!(*sessions.kept.borrow(), 0, "{version:?}");
    }
}

#[tokio::test]
async fn hosts_that_share_a_configuration_keep_their_sessions_through_a_replacement() {
    let (shared, other) = (pki::server(&["a.test", "b.test"]), pki::server(&["c.test"]));
    let named = || {
        let hosts = VirtualHosts::builder().host("a.test", shared.clone());
        hosts.host("b.test", shared.clone())
    };
    let by_default = || VirtualHosts::builder().default(shared.clone());
    for begin in [&named as &dyn Fn() -> VirtualHostsBuilder, &by_default] {
        for version in [&TLS12, &TLS13] {
            let hosts = begin().build().unwrap();
            let acceptor = TlsAcceptor::from(hosts.clone());
            let client = Arc::new(pki::client_of(&[], &[version], pki::provider()));
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                for sni in ["a.test", "b.test"] {
                    let found = handshake(&acceptor, &client, sni).await;
                    assert_eq!(found, Some(kind), "{sni} {version:?}");
                }
                hosts
                    .replace(begin().host("c.test", other.clone()))
                    .unwrap();
            }
        }
    }
}

/// Gives out tickets that say for how long they are good.
#[derive(Debug)]
struct GoodFor(u32);

impl ProducesTickets for GoodFor {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.0
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        Some(plain.to_vec())
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

#[tokio::test]
async fn clients_are_told_how_long_the_ticketer_keeps_its_tickets() {
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.ticketer = Arc::new(GoodFor(1234));
    let acceptor = acceptor(config);
    let client = pki::client_of(&[], &[&TLS12], pki::provider());
    let name = ServerName::try_from("a.test").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();

    let (mut near, far) = tokio::io::duplex(1 << 14);
    let server = tokio::spawn(async move { acceptor.accept(far).await.unwrap() });
    let mut heard = Vec::new();
    while client.is_handshaking() {
        let mut says = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut says).unwrap();
        }
        near.write_all(&says).await.unwrap();
        let from = heard.len();
        near.read_buf(&mut heard).await.unwrap();
        client.read_tls(&mut &heard[from..]).unwrap();
        client.process_new_packets().unwrap();
    }
    server.await.unwrap();
    // RFC 5077 §3.3: of the type 4, and its lifetime comes first. In TLS 1.2 it is not encrypted.
    let mut records = &heard[..];
    let lifetime = loop {
        let [_, _, _, high, low, record @ ..] = records else {
            panic!("no ticket");
        };
        let (record, rest) = record.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        if let [4, _, _, _, lifetime @ ..] = record {
            break lifetime[..4].to_vec();
        }
        records = rest;
    };
    assert_eq!(lifetime, 1234_u32.to_be_bytes());
}
