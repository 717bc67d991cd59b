//! B6 at run time: virtual hosts are replaced, and certificates renewed, while connections are open.

mod pki;
mod server;
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, RwLock};

use axum::Router;
use bytes::Bytes;
use h2::client::SendRequest;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, TlsAcceptor, VirtualHosts,
    VirtualHostsBuilder, VirtualHostsError,
};

use crate::wire::http3::{Client3, connect_quic, get3, http3, quic_client};

/// Answers with the id of the virtual host that accepted the connection, and the number of client
/// certificates.
fn app() -> Router {
    let handler = |info: ConnectionInfo, _: EffectiveAuthority| async move {
        let id = info.virtual_host().map(|host| host.id().to_owned());
        format!(
            "{} {}",
            id.unwrap_or_default(),
            info.client_certificates().len()
        )
    };
    Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::new().close_http1(false))
}

/// A configuration for every protocol, under a certificate that covers every host here.
fn config() -> ServerConfig {
    let mut config = LEAF.server_config();
    config.alpn_protocols.push(b"h3".to_vec());
    config
}

fn mutual_tls() -> ServerConfig {
    let mut config = LEAF.mutual_tls_config();
    config.alpn_protocols = ["h2", "http/1.1", "h3"].map(Into::into).into();
    config
}

static LEAF: std::sync::LazyLock<pki::Leaf> =
    std::sync::LazyLock::new(|| pki::leaf(&["a.test", "b.test", "admin.test", "new.test"]));

/// A client with a certificate to show.
fn client(alpn: &[&str]) -> ClientConfig {
    static CLIENT: std::sync::LazyLock<pki::Leaf> =
        std::sync::LazyLock::new(|| pki::leaf(&["client.test"]));
    pki::client_with_certificate(alpn, &CLIENT)
}

/// Virtual hosts served over TCP and over QUIC.
struct Server {
    hosts: VirtualHosts,
    tcp: std::net::SocketAddr,
    quic: std::net::SocketAddr,
}

impl Server {
    async fn start(hosts: VirtualHostsBuilder) -> Self {
        let hosts = hosts.build().unwrap();
        // A client that takes no notice of a GOAWAY can stay on its old connection.
        let acceptor = TlsAcceptor::from(hosts.clone()).drain(None);
        Self {
            hosts,
            tcp: server::tls(app(), acceptor.clone()).await,
            quic: server::quic(app(), acceptor).await,
        }
    }

    /// One connection of each protocol.
    async fn connect(&self, sni: &str) -> [Connection; 3] {
        [
            self.connect1(sni).await,
            self.connect2(sni).await,
            self.connect3(sni).await,
        ]
    }

    async fn connect1(&self, sni: &str) -> Connection {
        Connection::Http1(Box::new(
            wire::connect(self.tcp, client(&["http/1.1"]), Some(sni)).await,
        ))
    }

    async fn connect2(&self, sni: &str) -> Connection {
        let io = wire::connect(self.tcp, client(&["h2"]), Some(sni)).await;
        Connection::Http2(wire::http2(io).await)
    }

    async fn connect3(&self, sni: &str) -> Connection {
        let endpoint = quic_client();
        let quic = connect_quic(&endpoint, self.quic, client(&[]), Some(sni)).await;
        Connection::Http3(http3(quic.unwrap()).await, endpoint)
    }
}

enum Connection {
    Http1(Box<TlsStream<TcpStream>>),
    Http2(SendRequest<Bytes>),
    Http3(
        Client3,
        #[expect(dead_code, reason = "the connection ends with it")] quinn::Endpoint,
    ),
}

impl Connection {
    async fn get(&mut self, host: &str) -> (u16, String) {
        match self {
            Self::Http1(io) => {
                let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
                let answer = wire::exchange(io, &request).await;
                (answer.status, answer.body)
            }
            Self::Http2(client) => {
                let answer = wire::send2(client, wire::get2(Some(host), &[])).await;
                (answer.status().as_u16(), answer.into_body())
            }
            Self::Http3(client, _) => {
                let answer = get3(client, host).await;
                (answer.status().as_u16(), answer.into_body())
            }
        }
    }

    async fn status(&mut self, host: &str) -> u16 {
        self.get(host).await.0
    }
}

#[tokio::test]
async fn a_host_with_another_configuration_is_421_on_old_connections_and_fine_on_new_ones() {
    let [shared, admin] = [config(), mutual_tls()].map(Arc::new);
    let before = VirtualHosts::builder()
        .host("a.test", shared.clone())
        .host("b.test", shared.clone())
        .host("admin.test", admin.clone());
    let server = Server::start(before.clone()).await;
    let old = server.connect("a.test").await;
    let old_admin = server.connect("admin.test").await;

    let mut connections = Vec::from(old);
    for connection in &mut connections {
        for (host, status) in [
            ("a.test", 200),
            ("b.test", 200),
            ("admin.test", 421),
            ("new.test", 421),
        ] {
            assert_eq!(connection.status(host).await, status, "{host}");
        }
    }

    // b asks for client certificates now, and there is a new host.
    let after = VirtualHosts::builder()
        .host("a.test", shared.clone())
        .host("b.test", Arc::new(mutual_tls()))
        .host("admin.test", admin.clone())
        .host("new.test", shared.clone());
    server.hosts.replace(after).unwrap();
    for connection in &mut connections {
        for (host, status) in [
            ("a.test", 200),
            ("b.test", 421),
            ("admin.test", 421),
            ("new.test", 200),
        ] {
            assert_eq!(connection.status(host).await, status, "{host}");
        }
    }
    for mut connection in server.connect("b.test").await {
        assert_eq!(connection.get("b.test").await, (200, "b.test 1".into()));
        assert_eq!(connection.status("a.test").await, 421);
    }
    for mut connection in old_admin {
        assert_eq!(
            connection.get("admin.test").await,
            (200, "admin.test 1".into())
        );
    }

    // What cannot be built changes nothing.
    let wrong = VirtualHosts::builder().host("a.test:443", shared.clone());
    let error = server.hosts.replace(wrong).unwrap_err();
    assert!(matches!(error, VirtualHostsError::InvalidName(_)));
    // And back: the old connections are good for b again.
    for connection in &mut connections {
        assert_eq!(connection.status("b.test").await, 421);
    }
    server.hosts.replace(before).unwrap();
    for connection in &mut connections {
        assert_eq!(connection.status("b.test").await, 200);
        assert_eq!(connection.status("new.test").await, 421);
    }
}

#[tokio::test]
async fn a_host_that_is_gone_is_421_or_the_defaults() {
    let shared = Arc::new(config());
    let with = VirtualHosts::builder()
        .host("a.test", shared.clone())
        .host("b.test", shared.clone());
    let without = VirtualHosts::builder().host("a.test", shared.clone());
    let server = Server::start(with.clone()).await;
    for mut connection in server.connect("b.test").await {
        server.hosts.replace(with.clone()).unwrap();
        assert_eq!(connection.status("b.test").await, 200);
        server.hosts.replace(without.clone()).unwrap();
        assert_eq!(connection.status("b.test").await, 421);
        assert_eq!(connection.status("a.test").await, 200);
        server
            .hosts
            .replace(without.clone().default(shared.clone()))
            .unwrap();
        assert_eq!(connection.status("b.test").await, 200);
        server
            .hosts
            .replace(without.clone().default(Arc::new(config())))
            .unwrap();
        assert_eq!(connection.status("b.test").await, 421);
        assert_eq!(connection.status("a.test").await, 200);
    }
}

/// The certificate that is current.
#[derive(Debug)]
struct Renewed(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap().clone())
    }
}

#[tokio::test]
async fn a_renewal_inside_a_configuration_is_no_421_for_anyone() {
    let names = ["a.test", "b.test"];
    let renewed = Arc::new(Renewed(RwLock::new(pki::leaf(&names).certified_key())));
    let mut config = config();
    config.cert_resolver = renewed.clone();
    let config = Arc::new(config);
    let hosts = VirtualHosts::builder()
        .host("a.test", config.clone())
        .host("b.test", config);
    let server = Server::start(hosts).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.extend(server.connect("a.test").await);
        for connection in &mut connections {
            assert_eq!(connection.status("a.test").await, 200);
            assert_eq!(connection.status("b.test").await, 200);
        }
        *renewed.0.write().unwrap() = pki::leaf(&names).certified_key();
    }
}

const SWAPS: usize = 100;
const CLIENTS: usize = 24;
/// Requests for the host that changes, and as many for the one that stays.
const REQUESTS_A_SWAP: usize = 40;

/// The virtual hosts number `number`: admin's configuration is a new one every time, and every other
/// time it asks for client certificates; its id tells which it is.
fn numbered(number: usize, stays: &Arc<ServerConfig>) -> VirtualHostsBuilder {
    let admin = match number % 2 {
        0 => mutual_tls(),
        _ => config(),
    };
    VirtualHosts::builder()
        .host("a.test", stays.clone())
        .virtual_host(format!("{number}"), ["admin.test"], Arc::new(admin))
}

/// Every request is judged by the virtual hosts as they were when it was sent, or by later ones: the
/// connection that serves it was accepted under no earlier configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_is_served_under_the_wrong_policy_and_none_fails_otherwise() {
    let stays = Arc::new(config());
    let server = Arc::new(Server::start(numbered(0, &stays)).await);
    let in_place = Arc::new(AtomicUsize::new(0));
    let answered = Arc::new(AtomicUsize::new(0));

    let clients = (0..CLIENTS).map(|client| {
        let (server, in_place, answered) = (server.clone(), in_place.clone(), answered.clone());
        tokio::spawn(async move {
            let connect = async |sni| match client % 3 {
                0 => server.connect1(sni).await,
                1 => server.connect2(sni).await,
                _ => server.connect3(sni).await,
            };
            let mut stays = connect("a.test").await;
            let mut admin = connect("admin.test").await;
            let mut misdirected = 0;
            while in_place.load(SeqCst) < SWAPS {
                assert_eq!(stays.get("a.test").await, (200, "a.test 0".into()));
                assert_eq!(stays.status("admin.test").await, 421);
                let sent_at = in_place.load(SeqCst);
                match admin.get("admin.test").await {
                    (421, _) => {
                        misdirected += 1;
                        admin = connect("admin.test").await;
                    }
                    (status, body) => {
                        assert_eq!(status, 200, "{body}");
                        let (number, certificates) = body.split_once(' ').unwrap();
                        let number: usize = number.parse().unwrap();
                        assert!(number >= sent_at, "{number}, when {sent_at} was in place");
                        let asks = number % 2 == 0;
                        assert_eq!(certificates, if asks { "1" } else { "0" }, "{number}");
                        answered.fetch_add(1, SeqCst);
                    }
                }
            }
            misdirected
        })
    });
    let clients: Vec<_> = clients.collect();

    for number in 1..=SWAPS {
        while answered.load(SeqCst) < number * REQUESTS_A_SWAP {
            assert!(
                clients.iter().all(|client| !client.is_finished()),
                "a client failed"
            );
            tokio::task::yield_now().await;
        }
        server.hosts.replace(numbered(number, &stays)).unwrap();
        in_place.store(number, SeqCst);
    }
    let mut misdirected = 0;
    for client in clients {
        misdirected += client.await.unwrap();
    }
    let answered = answered.load(SeqCst);
    assert!(answered >= SWAPS * REQUESTS_A_SWAP, "{answered}");
    assert!(misdirected >= SWAPS, "{misdirected}");
    println!("{answered} served, {misdirected} misdirected in {SWAPS} swaps");
}

/// Whatever a connection finds while the virtual hosts are being replaced, it is judged by the new ones
/// when that is done, and may only pass where it has their configuration.
#[tokio::test]
async fn b6_no_connection_that_begins_during_a_replacement_stays_under_the_old_configuration() {
    use tower::{Layer, Service};
    let configs = [(); 2].map(|()| Arc::new(config()));
    let hosts = |number: usize| VirtualHosts::builder().host("a.test", configs[number].clone());
    let current = hosts(0).build().unwrap();
    let begins = || {
        let selection = current.select(Some("a.test")).unwrap();
        ConnectionInfo::tls().selection(selection).build()
    };
    let mut app = MisdirectedLayer::new().layer(Router::new().fallback(|| async {}));
    for round in 1..=400 {
        let replaced = AtomicUsize::new(0);
        let met = std::sync::Barrier::new(3);
        let connections: Vec<_> = std::thread::scope(|scope| {
            let meanwhile = || {
                met.wait();
                let mut connections = Vec::new();
                while replaced.load(SeqCst) == 0 {
                    // The last few are those that matter.
                    connections.truncate(64);
                    connections.insert(0, begins());
                }
                connections
            };
            let others = [(); 2].map(|()| scope.spawn(meanwhile));
            met.wait();
            current.replace(hosts(round % 2)).unwrap();
            replaced.store(1, SeqCst);
            others
                .into_iter()
                .flat_map(|other| other.join().unwrap())
                .collect()
        });
        for info in connections {
            let accepted = info.virtual_host().unwrap().config::<ServerConfig>();
            let accepted = accepted.unwrap().clone();
            let mut request = http::Request::get("/").header("host", "a.test");
            request = request.extension(info);
            let request = request.body(axum::body::Body::empty()).unwrap();
            let answer = app.call(request).await.unwrap();
            let current = Arc::ptr_eq(&accepted, &configs[round % 2]);
            assert_eq!(
                answer.status(),
                if current { 200 } else { 421 },
                "round {round}"
            );
        }
    }
}
