//! D3: what is no TLS, no whole ClientHello, or one in pieces, on the TLS port. Nobody else notices, nothing
//! panics, and each of them is one failed handshake, no more and no less.

use std::net::SocketAddr;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, Http, OVER_TCP};
use crate::hello::client_hello;
use crate::messages::{FRONTS, Settings};
use crate::number;
use crate::process::Server;
use crate::relay::{Cut, TcpRelay};
use crate::site::{Fate, HOSTS, TABLE};
use crate::wire::PATIENCE;

const SEED: u64 = 16;

#[tokio::test]
async fn d3_garbage_on_the_tls_port_costs_nobody_else_anything() {
    let sni = Some("www.test");
    for front in FRONTS {
        let (mut server, client) = Server::start(Settings {
            front,
            ..Settings::default()
        })
        .await;
        let mut open = client.connect(Http::One, sni).await;
        let garbage = garbage();
        for (octets, number) in garbage.iter().zip(0..) {
            if number % 50 == 0 {
                client.is_served().await;
                open.asks(sni, "www.test", Fate::Served, number).await;
            }
            let thrown = throw(client.addr, octets, number % 2 == 0);
            let thrown = tokio::time::timeout(PATIENCE, thrown).await;
            thrown.expect("a close in time");
        }
        client.is_served().await;
        open.asks(sni, "www.test", Fate::Served, 0).await;
        drop(open);
        server.comes_to(0).await;
        let counts = server.ends().await;
        assert_eq!(counts.handshakes_failed, garbage.len() as u64);
        println!(
            "{front:?}: {} pieces of garbage, each a failed handshake",
            garbage.len()
        );
    }
}

/// Sends these octets and goes: in peace, when the server has closed too, or with a reset.
async fn throw(addr: SocketAddr, octets: &[u8], in_peace: bool) {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    if !in_peace {
        tcp.set_zero_linger().unwrap();
    }
    // The server may well have heard enough before the end.
    let _ = tcp.write_all(octets).await;
    if in_peace {
        let _ = tcp.shutdown().await;
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    }
}

fn garbage() -> Vec<Vec<u8>> {
    let hello = client_hello();
    let mut rng = Rng::with_seed(SEED);
    let mut garbage: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: www.test\r\n\r\n".into(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".into(),
        // An alert, change_cipher_spec and application data, each before any handshake.
        b"\x15\x03\x01\0\x02\x02\x28".into(),
        b"\x14\x03\x03\0\x01\x01".into(),
        [b"\x17\x03\x03\0\x20", &[0; 32][..]].concat(),
        // SSL 2.0's CLIENT-HELLO, which TLS servers may still meet (RFC 5246 §E.2).
        [
            b"\x80\x1f\x01\x03\x01\0\x06\0\0\0\x10\0\0\x2f\0\0\x35",
            &[7; 16][..],
        ]
        .concat(),
        // Records longer than any may be, one of them in full (RFC 8446 §5.1).
        b"\x16\x03\x01\xff\xff".into(),
        [b"\x16\x03\x01\xff\xff", &[1; 0xffff][..]].concat(),
        [b"\x16\x03\x01\x48\x01", &[1; 0x4801][..]].concat(),
        // Records with nothing in them, over and over.
        b"\x16\x03\x01\0\0".repeat(1000),
        // A ClientHello of 16 MiB, as far as it says, begun in good records.
        [b"\x16\x03\x01\x40\0\x01\xff\xff\xff", &[0; 0x3ffc][..]]
            .concat()
            .repeat(8),
        // Two in one record.
        [&hello[..], &hello[5..]].concat(),
    ];
    for length in (0..=hello.len()).step_by(number(16, 1)) {
        garbage.push(hello[..length].into());
    }
    for _ in 0..number(40, 2000) {
        let mut random = vec![0; rng.usize(..2000)];
        rng.fill(&mut random);
        let [high, low] = (random.len() as u16).to_be_bytes();
        garbage.push([&[0x16, 3, 1, high, low], &random[..]].concat());
        garbage.push(random);

        let mut flipped = hello.clone();
        for _ in 0..rng.usize(1..4) {
            flipped[rng.usize(..hello.len())] = rng.u8(..);
        }
        garbage.push(flipped);
    }
    garbage
}

#[tokio::test]
async fn cve_2026_32305_traefik_every_client_hello_in_pieces_is_judged_by_its_server_name() {
    for front in FRONTS {
        let (mut server, client) = Server::start(Settings {
            front,
            ..Settings::default()
        })
        .await;
        let mut connections = 0;
        for cut in [
            Cut::Writes(1),
            Cut::Writes(100),
            Cut::Records(1),
            Cut::Records(100),
        ] {
            let relay = TcpRelay::new(client.addr, cut, |_| {}).await;
            let client = Client {
                addr: relay.addr,
                ..client.clone()
            };
            for http in OVER_TCP {
                for (sni, fates) in TABLE {
                    let mut connection = client.connect(http, sni).await;
                    for (host, fate) in HOSTS.into_iter().zip(fates) {
                        connection.asks(sni, host, fate, connections).await;
                    }
                    connections += 1;
                }
            }
        }
        server.comes_to(0).await;
        let counts = server.ends().await;
        assert_eq!(counts.handshakes_failed, 0);
        assert_eq!(counts.judged(), connections * HOSTS.len() as u64);
        println!("{front:?}: {connections} ClientHellos in pieces, each with its server name");
    }
}
