//! D1, D2, D4: what an acceptor records of a handshake, over real connections.

mod pki;
mod server;
mod wire;

use std::io::IoSlice;
use std::sync::{Arc, Mutex};

use rustls::crypto::ring;
use rustls::server::{
    AlwaysResolvesServerRawPublicKeys, ClientHello, NoServerSessionStorage, ResolvesServerCert,
    ServerSessionMemoryCache,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWrite as _, AsyncWriteExt, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tower_misdirected::{
    CertificateNames, ConnectionInfo, MisdirectedLayer, Outcome, TlsAcceptor, TlsStream, TlsVersion,
};

use crate::server::Calls;

/// Runs both sides of a handshake over TCP, and a few octets, which TLS 1.3 tickets travel with.
async fn handshake(
    acceptor: &TlsAcceptor,
    client: &Arc<ClientConfig>,
    sni: Option<&str>,
) -> (
    TlsStream<TcpStream>,
    tokio_rustls::client::TlsStream<TcpStream>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(tcp).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    let client = async {
        let mut stream = wire::connect(addr, client.clone(), sni).await;
        stream.read_exact(&mut [0; 5]).await.unwrap();
        stream
    };
    tokio::join!(server, client)
}

async fn info(acceptor: &TlsAcceptor, client: ClientConfig, sni: Option<&str>) -> ConnectionInfo {
    let (server, _client) = handshake(acceptor, &Arc::new(client), sni).await;
    server.connection_info().clone()
}

#[tokio::test]
async fn d4_everything_a_handler_needs_is_recorded() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test", "192.0.2.1"]));
    let client = Arc::new(pki::client(&["h2", "http/1.1"]));
    let (server, client) = handshake(&acceptor, &client, Some("A.test")).await;
    let info = server.connection_info();

    assert!(info.is_tls() && !info.is_trusted_gateway());
    assert_eq!(info.server_name(), Some("a.test"));
    assert_eq!(
        info.certificate_names().to_strings(),
        ["a.test", "192.0.2.1"]
    );
    assert_eq!(info.alpn(), Some(&b"h2"[..]));
    assert_eq!(info.tls_version(), Some(TlsVersion::V1_3));
    assert_eq!(
        info.peer_addr(),
        Some(client.get_ref().0.local_addr().unwrap())
    );
    assert_eq!(
        info.local_addr(),
        Some(client.get_ref().0.peer_addr().unwrap())
    );
    assert_eq!(info.client_certificates().len(), 0);
}

#[tokio::test]
async fn d4_what_a_client_did_not_say_is_absent() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let client = pki::client_of(&[], &[&TLS12], pki::provider());
    let info = info(&acceptor, client, None).await;
    assert_eq!(info.server_name(), None);
    assert_eq!(info.alpn(), None);
    assert_eq!(info.tls_version(), Some(TlsVersion::V1_2));
    assert_eq!(info.certificate_names().to_strings(), ["a.test"]);
}

#[tokio::test]
async fn d4_verified_client_certificates_are_recorded() {
    let acceptor = TlsAcceptor::new(Arc::new(pki::leaf(&["a.test"]).mutual_tls_config()));
    let client = pki::leaf(&["client.test"]);
    let config = pki::client_with_certificate(&[], &client);
    let info = info(&acceptor, config, Some("a.test")).await;
    let chain: Vec<_> = info.client_certificates().collect();
    assert_eq!(chain, [&*client.der]);
}

#[tokio::test]
async fn d4_other_transports_have_no_addresses() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let (near, far) = tokio::io::duplex(4096);
    let client = wire::handshake(far, pki::client(&[]), Some("a.test"));
    let (server, _client) = tokio::join!(acceptor.accept(near), client);
    let info = server.unwrap().connection_info().clone();
    assert_eq!(info.server_name(), Some("a.test"));
    assert_eq!((info.peer_addr(), info.local_addr()), (None, None));
}

/// A certificate that clients do not check by the name of the host: they pin its key, or know the service by its SPIFFE
/// ID. rustls itself refuses to load a certificate with an unknown critical extension, so a resolver presents it.
fn certificates_that_name_no_hosts() -> [(&'static str, Arc<ServerConfig>); 3] {
    let odd = pki::unknown_critical_extension("a.test");
    let common_name = pki::common_name_only("a.test");
    let spiffe = pki::uri_only("spiffe://test/a");
    [
        ("a common name", Arc::new(common_name.server_config())),
        ("a SPIFFE ID", Arc::new(spiffe.server_config())),
        (
            "an unreadable one",
            Resolver::new(vec![odd.certified_key()]).config(),
        ),
    ]
}

#[tokio::test]
async fn b5_certificates_that_tell_nothing_are_recorded_as_such() {
    for (what, config) in certificates_that_name_no_hosts() {
        let acceptor = TlsAcceptor::new(config);
        let recorded = info(&acceptor, pki::client(&[]), Some("a.test")).await;
        assert!(!recorded.certificate_names().is_known(), "{what}");
        assert_eq!(recorded.certificate_names().to_strings(), [""; 0], "{what}");
    }
}

/// Sends requests for hosts on connections for a server name, or without one. `expected` has the status and the reason
/// that the layer gives.
async fn statuses(config: Arc<ServerConfig>, sni: Option<&str>, expected: &[(&str, u16, &str)]) {
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let seen = reasons.clone();
    let layer = MisdirectedLayer::new()
        .close_http1(false)
        .on_verdict(move |verdict| {
            let reason = match verdict.outcome() {
                Outcome::Refused(rejection) => rejection.as_str(),
                _ => "",
            };
            seen.lock().unwrap().push(reason);
        });
    let app = server::echo(&Calls::default()).layer(layer);
    let addr = server::tls(app, TlsAcceptor::new(config)).await;
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), sni).await;
    for (host, status, reason) in expected {
        let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!(answer.status, *status, "{host} on a connection for {sni:?}");
        let last = reasons.lock().unwrap().pop();
        assert_eq!(last, Some(*reason), "{host} on a connection for {sni:?}");
    }
}

#[tokio::test]
async fn b5_a_certificate_that_names_no_hosts_serves_its_server_name_alone() {
    for (what, config) in certificates_that_name_no_hosts() {
        println!("{what}");
        let served = [
            ("a.test", 200, ""),
            ("A.Test.:8443", 200, ""),
            ("b.test", 421, "not_in_certificate"),
            ("192.0.2.1", 421, "not_in_certificate"),
        ];
        statuses(config.clone(), Some("a.test"), &served).await;
        // Without a server name there is no host that the client may have meant.
        let refused = [
            ("a.test", 421, "not_in_certificate"),
            ("127.0.0.1", 421, "not_in_certificate"),
        ];
        statuses(config, None, &refused).await;
    }
}

#[tokio::test]
async fn b5_a_certificate_that_names_other_hosts_is_refused_for_its_own_server_name() {
    // The last one names hosts in a form that no client matches.
    for names in [&["b.test"][..], &["*.a.test"], &["192.0.2.1"], &["*"]] {
        let refused = [
            ("a.test", 421, "server_name_not_in_certificate"),
            ("A.TEST.", 421, "server_name_not_in_certificate"),
            ("c.test", 421, "not_in_certificate"),
        ];
        statuses(pki::server(names), Some("a.test"), &refused).await;
    }
    let served = [("b.test", 200, "")];
    statuses(pki::server(&["b.test"]), Some("a.test"), &served).await;
}

/// Go and Java accept such a certificate. The client here accepts any.
#[tokio::test]
async fn b5_a_wildcard_before_a_single_label_serves_one_label() {
    let acceptor = TlsAcceptor::new(pki::server(&["*.internal"]));
    for sni in ["app.internal", "other.internal", "internal"] {
        let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new().close_http1(false));
        let addr = server::tls(app, acceptor.clone()).await;
        let client = pki::client(&["http/1.1"]);
        let mut io = wire::connect(addr, client, Some(sni)).await;
        for (host, status) in [
            ("app.internal", 200),
            ("internal", 421),
            ("a.app.internal", 421),
        ] {
            let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
            let answer = wire::exchange(&mut io, &request).await;
            assert_eq!(answer.status, status, "{host} on a connection for {sni}");
        }
    }
}

/// Hands out its keys in turn, and then the last one for ever.
#[derive(Debug)]
struct Resolver(Mutex<Vec<Arc<CertifiedKey>>>);

impl Resolver {
    fn new(mut keys: Vec<Arc<CertifiedKey>>) -> Arc<Self> {
        keys.reverse();
        Arc::new(Self(Mutex::new(keys)))
    }

    fn config(self: Arc<Self>) -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(pki::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(self);
        Arc::new(config)
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut keys = self.0.lock().unwrap();
        match keys.len() {
            0 | 1 => keys.last().cloned(),
            _ => keys.pop(),
        }
    }
}

#[tokio::test]
async fn d1_the_certificate_of_the_handshake_is_recorded_not_a_later_one() {
    // Sōzu asked its resolver a second time after the handshake, and got the renewed certificate.
    let (old, new) = (pki::leaf(&["old.test"]), pki::leaf(&["new.test"]));
    for versions in [&[&TLS12][..], &[&TLS13][..]] {
        let resolver = Resolver::new(vec![old.certified_key(), new.certified_key()]);
        let acceptor = TlsAcceptor::new(resolver.clone().config());
        let client = pki::client_of(&[], versions, pki::provider());
        let (server, client) = handshake(&acceptor, &Arc::new(client), Some("a.test")).await;
        let presented = client.get_ref().1.peer_certificates().unwrap();
        assert_eq!(presented, std::slice::from_ref(&old.der));
        let names = server.connection_info().certificate_names();
        assert_eq!(names.to_strings(), ["old.test"]);
        assert_eq!(resolver.left(), 1, "asked once");
    }
}

#[tokio::test]
async fn d1_after_a_hello_retry_request_the_last_certificate_counts() {
    let (first, last) = (pki::leaf(&["first.test"]), pki::leaf(&["last.test"]));
    let resolver = Resolver::new(vec![first.certified_key(), last.certified_key()]);
    // The server takes P-384 only, which the client offers but sends no key share for.
    let mut provider = ring::default_provider();
    provider.kx_groups = vec![ring::kx_group::SECP384R1];
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    let acceptor = TlsAcceptor::new(Arc::new(config));
    let client = Arc::new(pki::client(&[]));
    let (server, client) = handshake(&acceptor, &client, Some("a.test")).await;

    let kind = client.get_ref().1.handshake_kind();
    assert_eq!(kind, Some(HandshakeKind::FullWithHelloRetryRequest));
    let presented = client.get_ref().1.peer_certificates().unwrap();
    let recorded = server.connection_info().certificate_names().to_strings();
    let names = CertificateNames::from_der(&presented[0]);
    assert_eq!(recorded, names.to_strings());
    assert_eq!(recorded, ["last.test"], "asked twice");
}

#[tokio::test]
async fn d1_a_resumed_handshake_has_its_names_too() {
    let ticketer = ring::Ticketer::new().unwrap();
    for versions in [&[&TLS12][..], &[&TLS13][..]] {
        for stateless in [true, false] {
            let mut config = pki::leaf(&["a.test", "b.test"]).server_config();
            match stateless {
                true => {
                    config.session_storage = Arc::new(NoServerSessionStorage {});
                    config.ticketer = ticketer.clone();
                }
                false => config.session_storage = ServerSessionMemoryCache::new(16),
            }
            let acceptor = TlsAcceptor::new(Arc::new(config));
            let client = Arc::new(pki::client_of(&[], versions, pki::provider()));
            let mut kinds = Vec::new();
            for _ in 0..2 {
                let (server, client) = handshake(&acceptor, &client, Some("a.test")).await;
                kinds.extend(client.get_ref().1.handshake_kind());
                let info = server.connection_info();
                assert_eq!(info.server_name(), Some("a.test"));
                assert_eq!(info.certificate_names().to_strings(), ["a.test", "b.test"]);
            }
            // The copy of the configuration resumes what another copy began.
            assert_eq!(
                kinds,
                [HandshakeKind::Full, HandshakeKind::Resumed],
                "{versions:?}"
            );
        }
    }
}

#[tokio::test]
async fn d1_a_resumed_handshake_has_the_names_of_the_current_certificate() {
    // It presents none; these are what it would have presented.
    let (old, new) = (pki::leaf(&["old.test"]), pki::leaf(&["new.test"]));
    for versions in [&[&TLS12][..], &[&TLS13][..]] {
        let resolver = Resolver::new(vec![old.certified_key(), new.certified_key()]);
        let acceptor = TlsAcceptor::new(resolver.config());
        let client = Arc::new(pki::client_of(&[], versions, pki::provider()));
        let mut recorded = Vec::new();
        for _ in 0..2 {
            let (server, client) = handshake(&acceptor, &client, Some("a.test")).await;
            recorded.extend(server.connection_info().certificate_names().to_strings());
            let session = client.get_ref().1.peer_certificates().unwrap();
            assert_eq!(
                session,
                std::slice::from_ref(&old.der),
                "what the client goes by"
            );
        }
        assert_eq!(recorded, ["old.test", "new.test"], "{versions:?}");
    }
}

#[tokio::test]
async fn d1_a_raw_public_key_is_no_certificate() {
    let certified = pki::leaf(&["a.test"]).certified_key();
    let key = certified.key.public_key().unwrap();
    let raw = CertifiedKey::new(vec![key.to_vec().into()], certified.key.clone());
    let resolver = AlwaysResolvesServerRawPublicKeys::new(Arc::new(raw));
    let config = ServerConfig::builder_with_provider(pki::provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let acceptor = TlsAcceptor::new(Arc::new(config));
    let recorded = info(&acceptor, pki::client_for_raw_keys(), Some("a.test")).await;
    assert_eq!(recorded.server_name(), Some("a.test"));
    assert!(!recorded.certificate_names().is_known());
}

#[tokio::test]
async fn d1_the_copied_configuration_keeps_its_key_log() {
    #[derive(Debug, Default)]
    struct Labels(Mutex<Vec<String>>);

    impl rustls::KeyLog for Labels {
        fn log(&self, label: &str, _: &[u8], _: &[u8]) {
            self.0.lock().unwrap().push(label.to_owned());
        }
    }

    let labels = Arc::new(Labels::default());
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.key_log = labels.clone();
    let acceptor = TlsAcceptor::new(Arc::new(config));
    let client = Arc::new(pki::client(&[]));
    let _connection = handshake(&acceptor, &client, None).await;
    assert!(!labels.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stream_flushes_and_says_goodbye() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let (near, far) = tokio::io::duplex(1 << 16);
    // Nothing leaves the server's side unless it is flushed.
    let server = async {
        let mut stream = acceptor.accept(BufWriter::new(near)).await.unwrap();
        assert!(stream.is_write_vectored());
        let parts = [IoSlice::new(b"hel"), IoSlice::new(b"lo")];
        assert_eq!(stream.write_vectored(&parts).await.unwrap(), 5);
        stream.flush().await.unwrap();
        stream
    };
    let client = async {
        let config = pki::client(&[]);
        let mut stream = wire::handshake(far, config, Some("a.test")).await.unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello, b"hello");
        stream
    };
    let (mut server, mut client) = tokio::join!(server, client);
    server.shutdown().await.unwrap();
    // Without close_notify this would be an error: the end might be an attacker's.
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn d2_connections_share_the_names_of_one_certificate() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let first = info(&acceptor, pki::client(&[]), Some("a.test")).await;
    let second = info(&acceptor.clone(), pki::client(&[]), None).await;
    assert!(first.certificate_names().ptr_eq(second.certificate_names()));
}

#[tokio::test]
async fn d2_a_resolver_that_makes_a_new_key_for_every_handshake_shares_them_too() {
    let leaf = pki::leaf(&["a.test"]);
    let keys = (0..3).map(|_| leaf.certified_key()).collect();
    let acceptor = TlsAcceptor::new(Resolver::new(keys).config());
    let first = info(&acceptor, pki::client(&[]), Some("a.test")).await;
    let second = info(&acceptor, pki::client(&[]), Some("a.test")).await;
    assert!(first.certificate_names().ptr_eq(second.certificate_names()));
}

#[tokio::test]
async fn d2_many_certificates_are_not_mistaken_for_one_another() {
    // More keys than are remembered before the first clean-up, each gone when the next one is made,
    // so that their addresses are used again.
    let leaves: Vec<_> = (0..4)
        .map(|n| pki::leaf(&[&format!("h{n}.test")]))
        .collect();
    let shared = Arc::new(Mutex::new(pki::server(&["none.test"])));
    let current = shared.clone();
    let acceptor = TlsAcceptor::from_fn(move || current.lock().unwrap().clone());
    for round in 0..150 {
        let leaf = &leaves[round % leaves.len()];
        *shared.lock().unwrap() = Arc::new(leaf.server_config());
        let info = info(&acceptor, pki::client(&[]), None).await;
        let expected = format!("h{}.test", round % leaves.len());
        assert_eq!(info.certificate_names().to_strings(), [expected]);
    }
}

/// Hands out its key once, and forgets it.
#[derive(Debug)]
struct Once(Mutex<Option<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Once {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.lock().unwrap().take()
    }
}

#[tokio::test]
async fn an_open_connection_keeps_no_key_alive() {
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let key = pki::leaf(&["a.test"]).certified_key();
        let weak = Arc::downgrade(&key);
        let mut config = pki::leaf(&[]).server_config();
        config.cert_resolver = Arc::new(Once(Mutex::new(Some(key))));
        let acceptor = TlsAcceptor::new(Arc::new(config));
        let client = Arc::new(pki::client_of(&[], versions, pki::provider()));
        let (server, _client) = handshake(&acceptor, &client, Some("a.test")).await;
        let names = server.connection_info().certificate_names();
        assert_eq!(names.to_strings(), ["a.test"]);
        assert!(weak.upgrade().is_none());
    }
}
