//! Datagrams that are no QUIC, or not any more, on the port of HTTP/3.

use fastrand::Rng;
use tokio::net::UdpSocket;

use crate::client::Client;
use crate::messages::Settings;
use crate::number;
use crate::pki;
use crate::process::Server;
use crate::wire::http3::{connect_quic, get3, http3, quic_client, quic_config};

const SEED: u64 = 443;

#[tokio::test]
async fn garbage_on_the_quic_port_costs_nobody_else_anything() {
    let (mut server, Client { quic: addr, .. }) = Server::start(Settings::default()).await;
    let initial = initial().await;
    let endpoint = quic_client();
    let connection = connect_quic(&endpoint, addr, pki::client(&[]), Some("www.test"));
    let connection = connection.await.unwrap();
    let client = http3(connection.clone()).await;

    let rounds = number(20, 1000);
    let mut rng = Rng::with_seed(SEED);
    for round in 0..rounds {
        for datagram in garbage(&initial, &mut rng) {
            // From a port of its own each, as from many clients.
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.send_to(&datagram, addr).await.unwrap();
        }
        for (host, status) in [("www.test", 200), ("api.test", 421), ("other.test", 421)] {
            assert_eq!(
                get3(&client, host).await.status(),
                status,
                "{host}, round {round}"
            );
        }
        let other = quic_client();
        let connection = connect_quic(&other, addr, pki::client(&[]), Some("other.test"));
        let client = http3(connection.await.unwrap()).await;
        assert_eq!(get3(&client, "other.test").await.status(), 200);
        assert_eq!(get3(&client, "www.test").await.status(), 421);
    }
    drop((client, connection, endpoint));
    server.comes_to(0).await;
    let counts = server.ends().await;
    let requests = 5 * rounds as u64;
    assert_eq!(counts.judged(), requests);
    println!("{rounds} rounds of garbage in datagrams, all {requests} requests among them right");
}

/// The first datagram of a client.
async fn initial() -> Vec<u8> {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = quic_client();
    let config = quic_config(pki::client(&[]));
    let connecting = endpoint.connect_with(config, near.local_addr().unwrap(), "www.test");
    let mut datagram = vec![0; 2048];
    let length = near.recv(&mut datagram).await.unwrap();
    drop(connecting);
    datagram.truncate(length);
    datagram
}

fn garbage(initial: &[u8], rng: &mut Rng) -> Vec<Vec<u8>> {
    let random = |rng: &mut Rng, length| {
        let mut octets = vec![0; length];
        rng.fill(&mut octets);
        octets
    };
    let (short, long) = (rng.usize(..1200), rng.usize(1200..1500));
    // Of a good Initial, a part, and all but one octet (RFC 9001 §5.2); a version that nobody knows, which
    // is answered (RFC 9000 §6).
    let part = initial[..rng.usize(1..initial.len())].to_vec();
    let mut flipped = initial.to_vec();
    *rng.choice(&mut flipped[5..]).unwrap() ^= 1 << rng.u8(..8);
    let mut version = initial.to_vec();
    version[1..5].copy_from_slice(b"\x1a\x2a\x3a\x4a");
    let header = [&initial[..30], &random(rng, long)].concat();
    vec![
        random(rng, short),
        random(rng, long),
        part,
        flipped,
        version,
        header,
        Vec::new(),
    ]
}
