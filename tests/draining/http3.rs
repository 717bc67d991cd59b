//! HTTP/3 by the bridge of the example `http3`: which connections a replacement ends, and what becomes of their
//! requests.

use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::error::{Code, StreamError};
use http::Request;
use quinn::{Connection, Endpoint, TransportConfig, VarInt};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tower_misdirected::{ConnectionInfo, TlsAcceptor, VirtualHosts, VirtualHostsBuilder};

use crate::application::{self, LARGE, Tap, config, hosts};
use crate::wire::PATIENCE;
use crate::wire::http3::{
    Client3, connect_quic, ended_well, get3, http3, quic_client, quic_config, send3,
};
use crate::{pki, server};

const LONG: Duration = Duration::from_secs(100_000);

struct Server {
    hosts: VirtualHosts,
    addr: SocketAddr,
    tap: Tap,
}

/// A connection, and what has to live as long.
struct Client {
    http: Client3,
    quic: Connection,
    _endpoint: Endpoint,
}

impl Server {
    /// A server that tells its idle connections at once.
    async fn start(hosts: VirtualHostsBuilder) -> Self {
        Self::start_with(hosts, Duration::ZERO).await
    }

    async fn start_with(hosts: VirtualHostsBuilder, drain: Duration) -> Self {
        let hosts = hosts.build().unwrap();
        let (app, tap) = application::app();
        let addr = server::quic_draining(app, hosts.clone(), false, drain).await;
        Self { hosts, addr, tap }
    }

    async fn connect(&self, sni: &str) -> Client {
        self.connect_with(sni, TransportConfig::default()).await
    }

    async fn connect_with(&self, sni: &str, transport: TransportConfig) -> Client {
        let endpoint = quic_client();
        let mut config = quic_config(pki::client(&[]));
        config.transport_config(Arc::new(transport));
        let connecting = endpoint.connect_with(config, self.addr, sni).unwrap();
        let quic = connecting.await.unwrap();
        Client {
            http: http3(quic.clone()).await,
            quic,
            _endpoint: endpoint,
        }
    }

    fn replace(&self, hosts: VirtualHostsBuilder) {
        self.hosts.replace(hosts).unwrap();
    }
}

impl Client {
    async fn status(&self, host: &str) -> u16 {
        get3(&self.http, host).await.status().as_u16()
    }

    /// Waits for the GOAWAY, after which the client sends no request.
    async fn is_told(&self) {
        let told = async {
            loop {
                match send3(&self.http, get("a.test", "/")).await {
                    Err(StreamError::RemoteClosing { .. }) => return,
                    // The request crossed the GOAWAY.
                    Err(error) => assert!(is_rejected(&error), "{error:?}"),
                    Ok(response) => panic!("{response:?}"),
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, told);
        told.await.expect("a GOAWAY in time");
    }

    async fn goes_on(&self, host: &str) {
        for _ in 0..3 {
            assert_eq!(self.status(host).await, 200);
        }
        assert!(self.quic.close_reason().is_none());
    }
}

fn get(host: &str, path: &str) -> Request<()> {
    let uri = format!("https://{host}{path}");
    Request::get(uri).body(()).unwrap()
}

/// Whether the request may be repeated on another connection (RFC 9114 §4.1.1).
fn is_rejected(error: &StreamError) -> bool {
    matches!(error, StreamError::RemoteTerminate { code, .. } if *code == Code::H3_REQUEST_REJECTED)
}

#[tokio::test]
async fn w2_http3_an_idle_connection_is_told_and_closed() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let (used, unused) = (
        server.connect("a.test").await,
        server.connect("a.test").await,
    );
    let other = server.connect("admin.test").await;
    assert_eq!(used.status("a.test").await, 200);
    server.replace(hosts(&config(), &admin));
    used.is_told().await;
    assert!(ended_well(&used.quic).await && ended_well(&unused.quic).await);
    other.goes_on("admin.test").await;
    server.connect("a.test").await.goes_on("a.test").await;
}

#[tokio::test]
async fn w2_http3_a_download_and_an_upload_under_way_complete() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    // The download waits for the client after so many octets.
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(20_000));
    let client = server.connect_with("a.test", transport).await;
    let mut sender = client.http.clone();
    let mut download = sender.send_request(get("a.test", "/large")).await.unwrap();
    download.finish().await.unwrap();
    assert_eq!(download.recv_response().await.unwrap().status(), 200);
    let upload = Request::post("https://a.test/length").body(()).unwrap();
    let mut upload = sender.send_request(upload).await.unwrap();
    upload
        .send_data(Bytes::from(vec![1; 10_000]))
        .await
        .unwrap();
    // The answer to a later request shows that the upload has arrived.
    assert_eq!(client.status("a.test").await, 200);

    server.replace(hosts(&config(), &admin));
    client.is_told().await;
    upload
        .send_data(Bytes::from(vec![2; 10_000]))
        .await
        .unwrap();
    upload.finish().await.unwrap();
    assert_eq!(upload.recv_response().await.unwrap().status(), 200);
    let mut length = upload.recv_data().await.unwrap().unwrap();
    assert_eq!(length.copy_to_bytes(length.remaining()), "20000");
    let mut received = 0;
    while let Some(data) = download.recv_data().await.unwrap() {
        received += data.remaining();
    }
    assert_eq!(received, LARGE);
    assert!(ended_well(&client.quic).await);
}

#[tokio::test]
async fn w2_http3_server_sent_events_go_on() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let client = server.connect("a.test").await;
    let mut sender = client.http.clone();
    let mut events = sender.send_request(get("a.test", "/events")).await.unwrap();
    events.finish().await.unwrap();
    events.recv_response().await.unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        server.tap.send(event.into()).await.unwrap();
        let mut data = events.recv_data().await.unwrap().unwrap();
        assert_eq!(data.copy_to_bytes(data.remaining()), event);
        if event.contains('1') {
            server.replace(hosts(&config(), &admin));
            client.is_told().await;
        }
    }
    drop(server.tap);
    assert!(events.recv_data().await.unwrap().is_none());
    assert!(ended_well(&client.quic).await);
}

/// A client that does not read GOAWAY, because it has not arrived yet or because the client ignores it.
async fn deaf(server: &Server, sni: &str) -> (Client3, impl Sized, Connection) {
    let endpoint = quic_client();
    let quic = connect_quic(&endpoint, server.addr, pki::client(&[]), Some(sni));
    let quic = quic.await.unwrap();
    let transport = h3_quinn::Connection::new(quic.clone());
    let (driver, client) = h3::client::new(transport).await.unwrap();
    (client, (driver, endpoint), quic)
}

#[tokio::test]
async fn w2_http3_a_new_request_is_rejected_so_that_it_can_be_repeated() {
    let [a, admin] = [config(), config()];
    // Neither a connection that has been told, nor one that still waits for its turn, takes a new request.
    for drain in [Duration::ZERO, LONG] {
        let server = Server::start_with(hosts(&a, &admin), drain).await;
        let (client, _alive, quic) = deaf(&server, "a.test").await;
        assert_eq!(get3(&client, "a.test").await.status(), 200);
        server.replace(hosts(&config(), &admin));
        for _ in 0..3 {
            let error = send3(&client, get("a.test", "/")).await.unwrap_err();
            assert!(is_rejected(&error), "{error:?}");
        }
        // The rejected request was told, too, and so the connection ends.
        assert!(ended_well(&quic).await);
        server.connect("a.test").await.goes_on("a.test").await;
    }
}

/// A connection that has just been told closes only when the answers have arrived, even if a new request comes.
#[tokio::test]
async fn w2_http3_a_rejected_request_cuts_no_answer_off() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let (client, _alive, quic) = deaf(&server, "a.test").await;
    let mut sender = client.clone();
    let mut upload = sender
        .send_request(Request::post("https://a.test/length").body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(get3(&client, "a.test").await.status(), 200);
    server.replace(hosts(&config(), &admin));
    for _ in 0..3 {
        assert!(send3(&client, get("a.test", "/")).await.is_err());
    }
    upload.finish().await.unwrap();
    for _ in 0..3 {
        assert!(send3(&client, get("a.test", "/")).await.is_err());
    }
    assert_eq!(upload.recv_response().await.unwrap().status(), 200);
    assert_eq!(upload.recv_data().await.unwrap().unwrap().chunk(), b"0");
    assert!(ended_well(&quic).await);
}

#[tokio::test]
async fn w3_http3_a_refused_coalesced_request_ends_nothing() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let client = server.connect("a.test").await;
    assert_eq!(client.status("admin.test").await, 421);
    client.goes_on("a.test").await;
    // The refused host changes, and the host of the connection does not.
    server.replace(hosts(&a, &config()));
    assert_eq!(client.status("admin.test").await, 421);
    client.goes_on("b.test").await;
    client.goes_on("a.test").await;
}

#[derive(Debug)]
struct Renewed(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap().clone())
    }
}

#[tokio::test]
async fn w3_http3_a_renewal_inside_a_configuration_ends_nothing() {
    let certificate = || pki::leaf(&["a.test", "b.test"]).certified_key();
    let renewed = Arc::new(Renewed(RwLock::new(certificate())));
    let mut a = ServerConfig::clone(&config());
    a.cert_resolver = renewed.clone();
    let (a, admin) = (Arc::new(a), config());
    let server = Server::start(hosts(&a, &admin)).await;
    let client = server.connect("a.test").await;
    *renewed.0.write().unwrap() = certificate();
    server.replace(hosts(&a, &config()));
    client.goes_on("a.test").await;
}

#[tokio::test]
async fn w3_http3_without_virtual_hosts_nothing_ends() {
    let (app, _tap) = application::app();
    let acceptor = TlsAcceptor::new(config());
    let addr = server::quic_draining(app, acceptor, false, Duration::ZERO).await;
    let endpoint = quic_client();
    let quic = connect_quic(&endpoint, addr, pki::client(&[]), Some("a.test"));
    let quic = quic.await.unwrap();
    let client = http3(quic.clone()).await;
    for _ in 0..3 {
        assert_eq!(get3(&client, "a.test").await.status(), 200);
    }
    assert!(quic.close_reason().is_none());
}

/// The loop accepts 0-RTT data, and so does not know the client before the first request.
#[tokio::test]
async fn w2_http3_a_connection_whose_client_was_not_known_at_first_is_closed() {
    let [a, admin] = [config(), config()];
    let hosts_at_first = hosts(&a, &admin).build().unwrap();
    let (app, _tap) = application::app();
    let addr = server::quic_draining(app, hosts_at_first.clone(), true, Duration::ZERO).await;
    let endpoint = quic_client();
    let quic = connect_quic(&endpoint, addr, pki::client(&[]), Some("a.test"));
    let quic = quic.await.unwrap();
    let client = http3(quic.clone()).await;
    assert_eq!(get3(&client, "a.test").await.status(), 200);
    hosts_at_first.replace(hosts(&config(), &admin)).unwrap();
    assert!(ended_well(&quic).await);
}

/// An info as `from_quinn` returns it.
fn accepted(hosts: &VirtualHosts) -> Option<ConnectionInfo> {
    let selection = hosts.select(Some("a.test")).unwrap();
    Some(ConnectionInfo::tls().selection(selection).build())
}

/// The clock is the test's, so nothing here depends on how fast the machine is.
#[tokio::test(start_paused = true)]
async fn w2_http3_a_crowd_is_told_over_the_time_that_was_set() {
    let time = Duration::from_secs(40);
    let [a, admin] = [config(), config()];
    let virtual_hosts: VirtualHosts = hosts(&a, &admin).build().unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let outdated = server::bridge::outdated(accepted(&virtual_hosts), Some(time));
        waiting.spawn(async {
            outdated.await;
            Instant::now()
        });
    }
    let stays = server::bridge::outdated(accepted(&virtual_hosts), None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    virtual_hosts.replace(hosts(&config(), &admin)).unwrap();
    let replaced = Instant::now();
    let told = tokio::time::timeout(LONG, waiting.join_all()).await;
    let told = told.expect("everybody in time");
    let told: Vec<_> = told.into_iter().map(|told| told - replaced).collect();
    assert!(told.iter().all(|told| *told <= time), "{told:?}");
    // Chance leaves a quarter of the time empty once in eight million runs.
    for quarter in 0..4 {
        let quarter = time / 4 * quarter..time / 4 * (quarter + 1);
        assert!(told.iter().any(|told| quarter.contains(told)), "{told:?}");
    }
    assert!(tokio::time::timeout(LONG, stays).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn w3_http3_a_configuration_that_comes_back_in_time_ends_nothing() {
    let [a, admin] = [config(), config()];
    let virtual_hosts: VirtualHosts = hosts(&a, &admin).build().unwrap();
    // The turn comes at once in one of so many milliseconds.
    let spread = Duration::from_secs(3600);
    let outdated = server::bridge::outdated(accepted(&virtual_hosts), Some(spread));
    let mut outdated = tokio::spawn(outdated);
    for _ in 0..3 {
        virtual_hosts.replace(hosts(&config(), &admin)).unwrap();
        tokio::task::yield_now().await;
        virtual_hosts.replace(hosts(&a, &admin)).unwrap();
        let waits = tokio::time::timeout(2 * spread, &mut outdated).await;
        assert!(waits.is_err());
    }
    virtual_hosts.replace(hosts(&config(), &admin)).unwrap();
    let told = tokio::time::timeout(2 * spread, outdated).await;
    told.expect("its turn in time").unwrap();
}

/// A relay whose way to the client takes at most 250 datagrams a second.
async fn slow_relay(server: SocketAddr) -> SocketAddr {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    far.connect(server).await.unwrap();
    let addr = near.local_addr().unwrap();
    let (queue, mut queued) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let client = Arc::new(RwLock::new(None));
    tokio::spawn({
        let (near, far, client) = (near.clone(), far.clone(), client.clone());
        async move {
            let mut datagram = [0; 2048];
            while let Ok((length, from)) = near.recv_from(&mut datagram).await {
                *client.write().unwrap() = Some(from);
                let _ = far.send(&datagram[..length]).await;
            }
        }
    });
    tokio::spawn(async move {
        let mut datagram = [0; 2048];
        while let Ok(length) = far.recv(&mut datagram).await {
            let _ = queue.send(datagram[..length].to_vec());
        }
    });
    tokio::spawn(async move {
        while let Some(datagram) = queued.recv().await {
            tokio::time::sleep(Duration::from_millis(4)).await;
            let client = client.read().unwrap().unwrap();
            let _ = near.send_to(&datagram, client).await;
        }
    });
    addr
}

/// What has been handed to QUIC has not arrived yet.
#[tokio::test]
async fn w2_http3_an_answer_on_a_slow_way_arrives() {
    let [a, admin] = [config(), config()];
    let mut server = Server::start(hosts(&a, &admin)).await;
    server.addr = slow_relay(server.addr).await;
    let client = server.connect("a.test").await;
    let mut download = download(&client.http).await;
    server.replace(hosts(&config(), &admin));
    assert_eq!(rest(&mut download).await, LARGE);
    assert!(ended_well(&client.quic).await);
}

/// The client says first that it will send no more requests.
#[tokio::test]
async fn w2_http3_an_answer_on_a_slow_way_arrives_though_the_client_ends_the_connection() {
    let [a, admin] = [config(), config()];
    let server = Server::start(hosts(&a, &admin)).await;
    let relay = slow_relay(server.addr).await;
    let endpoint = quic_client();
    let quic = connect_quic(&endpoint, relay, pki::client(&[]), Some("a.test"));
    let transport = h3_quinn::Connection::new(quic.await.unwrap());
    let (mut driver, client) = h3::client::new(transport).await.unwrap();
    let mut download = download(&client).await;
    driver.shutdown(0).await.unwrap();
    assert_eq!(rest(&mut download).await, LARGE);
}

type Download = h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

async fn download(client: &Client3) -> Download {
    let mut download = client
        .clone()
        .send_request(get("a.test", "/large"))
        .await
        .unwrap();
    download.finish().await.unwrap();
    assert_eq!(download.recv_response().await.unwrap().status(), 200);
    download
}

/// The octets that are still to come.
async fn rest(download: &mut Download) -> usize {
    let mut received = 0;
    while let Some(data) = download.recv_data().await.unwrap() {
        received += data.remaining();
    }
    received
}
