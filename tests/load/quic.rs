//! Clients of HTTP/3 that vanish, that stop in the middle of a handshake, and that do not read. QUIC gives up those who
//! are silent for a time, which clients may ask to be short (RFC 9000 §10.1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h3::client::RequestStream;
use h3_quinn::BidiStream;
use http::Request;
use quinn::{Endpoint, TransportConfig, VarInt};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::client::Http;
use crate::messages::Settings;
use crate::number;
use crate::pki;
use crate::process::Server;
use crate::site::Fate;
use crate::wire::PATIENCE;
use crate::wire::http3::{Client3, http3, quic_client, quic_config};

const SNI: Option<&str> = Some("www.test");

/// How long the server waits for a client that asks for this time.
const IDLE: Duration = Duration::from_secs(2);

fn config(transport: TransportConfig) -> quinn::ClientConfig {
    let mut config = quic_config(pki::client(&[]));
    config.transport_config(Arc::new(transport));
    config
}

/// Of a client that is missed soon, and that says a word now and then until it is gone.
fn missed_soon() -> quinn::ClientConfig {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(IDLE.try_into().unwrap()));
    transport.keep_alive_interval(Some(IDLE / 8));
    config(transport)
}

async fn connect(endpoint: &Endpoint, addr: SocketAddr, config: quinn::ClientConfig) -> Client3 {
    let connecting = endpoint.connect_with(config, addr, "www.test").unwrap();
    let connected = tokio::time::timeout(PATIENCE, connecting).await;
    http3(connected.expect("a handshake in time").unwrap()).await
}

type Stream = RequestStream<BidiStream<Bytes>, Bytes>;

/// Begins a request for a host, whose body does not come.
async fn post(client: &Client3, host: &str) -> Stream {
    let request = Request::post(format!("https://{host}/")).header("content-length", 1000);
    let request = request.body(()).unwrap();
    client.clone().send_request(request).await.unwrap()
}

async fn get(client: &Client3, host: &str) -> Stream {
    let request = Request::get(format!("https://{host}/")).body(()).unwrap();
    let mut stream = client.clone().send_request(request).await.unwrap();
    stream.finish().await.unwrap();
    stream
}

async fn status(stream: &mut Stream) -> u16 {
    let response = tokio::time::timeout(PATIENCE, stream.recv_response()).await;
    let response = response.expect("an answer in time").unwrap();
    response.status().as_u16()
}

/// Passes UDP on, from and to one address.
async fn relay(to: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    far.connect(to).await.unwrap();
    let addr = near.local_addr().unwrap();
    let passing = tokio::spawn(async move {
        let (mut up, mut down) = ([0; 2048], [0; 2048]);
        let mut client = to;
        loop {
            tokio::select! {
                Ok((length, from)) = near.recv_from(&mut up) => {
                    client = from;
                    let _ = far.send(&up[..length]).await;
                }
                Ok(length) = far.recv(&mut down) => {
                    let _ = near.send_to(&down[..length], client).await;
                }
            }
        }
    });
    (addr, passing)
}

#[tokio::test]
async fn connections_over_quic_that_vanish_leave_nothing_behind() {
    let (rounds, each) = (number(2, 20), number(10, 100));
    let (mut server, client) = Server::start(Settings::default()).await;
    let mut open = client.connect(Http::Three, SNI).await;
    open.asks(SNI, "www.test", Fate::Served, 0).await;
    let (mut warm, mut entered) = (0, 1);
    for round in 1..=rounds {
        let endpoint = quic_client();
        let (addr, passing) = relay(client.quic).await;
        let mut clients = Vec::new();
        for _ in 0..each {
            let client = connect(&endpoint, addr, missed_soon()).await;
            // The handler waits for its body.
            let served = post(&client, "www.test").await;
            let mut refused = get(&client, "api.test").await;
            assert_eq!(status(&mut refused).await, 421);
            clients.push((client, served, refused));
            entered += 1;
        }
        server.until(|counts| counts.entered == entered).await;
        // None of them says that it goes.
        passing.abort();
        assert!(passing.await.unwrap_err().is_cancelled());
        drop(clients);
        server.until(|counts| counts.left == counts.entered).await;
        open.asks(SNI, "www.test", Fate::Served, round as u64).await;
        entered += 1;
        if round == 1 {
            warm = server.memory();
        }
    }
    let memory = server.memory();
    drop(open);
    server.comes_to(0).await;
    server.ends().await;
    assert!(
        memory <= warm + warm / 20 + 4096,
        "{memory} KiB, after the first {warm} KiB"
    );
    println!(
        "{} connections over QUIC vanished in the middle of a body, nothing left behind: memory {warm} KiB and then \
         {memory} KiB",
        rounds * each
    );
}

/// The first datagram of a client that asks for a short time, and of no other.
async fn initial() -> Vec<u8> {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = quic_client();
    let connecting = endpoint.connect_with(missed_soon(), near.local_addr().unwrap(), "www.test");
    let mut datagram = vec![0; 2048];
    let length = near.recv(&mut datagram).await.unwrap();
    drop(connecting);
    datagram.truncate(length);
    datagram
}

/// None of them has a descriptor, so neither their number nor that of descriptors bounds who else is served.
#[tokio::test]
async fn half_open_handshakes_over_quic_delay_nobody_and_leave_nothing_behind() {
    let (size, visits) = (number(300, 2000), number(2, 20));
    let settings = Settings {
        // Over TCP alone.
        max_pending_handshakes: 100,
        descriptors: Some(64),
        ..Settings::default()
    };
    let (mut server, client) = Server::start(settings).await;
    client.is_served_over(Http::Three).await;
    let mut herd = Vec::new();
    for _ in 0..size {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(&initial().await, client.quic).await.unwrap();
        // The server says what comes after a ClientHello. Datagrams of all clients at once could exceed its buffer.
        let heard = tokio::time::timeout(PATIENCE, socket.recv(&mut [0; 2048])).await;
        assert!(heard.expect("a word in time").unwrap() > 0);
        herd.push(socket);
    }
    for _ in 0..visits {
        client.is_served().await;
        client.is_served_over(Http::Three).await;
    }
    drop(herd);
    server.comes_to(0).await;
    client.is_served_over(Http::Three).await;
    let counts = server.ends().await;
    assert_eq!(counts.accept_errors + counts.handshakes_evicted, 0);
    println!("{size} half-open handshakes over QUIC, {visits} visits among them, all given back");
}

/// What a client does not read is kept from it by its own flow control (RFC 9000 §4), in its own streams.
#[tokio::test]
async fn clients_of_http3_that_do_not_read_delay_nobody_and_leave_nothing_behind() {
    let (clients, each) = (number(5, 50), 20);
    let (mut server, client) = Server::start(Settings::default()).await;
    let mut deaf = Vec::new();
    for _ in 0..clients {
        let endpoint = quic_client();
        let mut transport = TransportConfig::default();
        // Not even a head fits in.
        transport.stream_receive_window(VarInt::from_u32(25));
        let client = connect(&endpoint, client.quic, config(transport)).await;
        let mut streams = Vec::new();
        for number in 0..each {
            let host = ["www.test", "api.test"][number % 2];
            streams.push(get(&client, host).await);
        }
        deaf.push((endpoint, client, streams));
    }
    let judged = (clients * each) as u64;
    server.until(|counts| counts.judged() == judged).await;
    client.is_served().await;
    client.is_served_over(Http::Three).await;
    // Each finds its answers when it reads.
    for (_, _, streams) in &mut deaf {
        for (number, stream) in streams.iter_mut().enumerate() {
            assert_eq!(status(stream).await, [200, 421][number % 2]);
            if number == each / 2 {
                break;
            }
        }
    }
    drop(deaf);
    server.comes_to(0).await;
    let counts = server.ends().await;
    assert_eq!(counts.left, counts.entered);
    println!(
        "{clients} clients of HTTP/3 with {each} requests each read nothing, and delay nobody"
    );
}
