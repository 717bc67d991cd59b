//! D3: handshakes that begin and do not go on, hundreds at a time.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::hello::{client_hello, say};
use crate::messages::{FRONTS, Settings};
use crate::number;
use crate::process::Server;
use crate::wire::PATIENCE;

/// Clients that have connected, a third of which have said nothing, a third half of a ClientHello, and a
/// third all of it.
async fn herd(client: &Client, size: usize) -> Vec<TcpStream> {
    let hello = client_hello();
    let mut herd = Vec::new();
    for number in 0..size {
        let said = &hello[..hello.len() * (number % 3) / 2];
        herd.push(say(client.addr, said).await);
    }
    herd
}

#[tokio::test]
async fn d3_half_open_handshakes_delay_nobody_and_leave_nothing_behind() {
    let (size, visits) = (300, number(3, 50));
    for front in FRONTS {
        let settings = Settings {
            front,
            ..Settings::default()
        };
        let (mut server, client) = Server::start(settings).await;
        client.is_served().await;
        let herd = herd(&client, size).await;
        // Behind a herd that is served in order these would wait for an hour.
        for _ in 0..visits {
            client.is_served().await;
        }
        server.comes_to(size).await;
        drop(herd);
        server.comes_to(0).await;
        client.is_served().await;
        let counts = server.ends().await;
        assert_eq!(counts.handshakes_failed, size as u64);
        assert_eq!(counts.handshakes_timed_out + counts.handshakes_evicted, 0);
        println!(
            "{front:?}: {size} half-open handshakes, {visits} visits among them, all given back"
        );
    }
}

#[tokio::test]
async fn d3_the_bound_of_pending_handshakes_holds() {
    let (size, bound, visits) = (300, 100, number(3, 50));
    for front in FRONTS {
        let settings = Settings {
            front,
            max_pending_handshakes: bound,
            ..Settings::default()
        };
        let (mut server, client) = Server::start(settings).await;
        client.is_served().await;
        let herd = herd(&client, size).await;
        let too_many = (size - bound) as u64;
        server
            .until(|counts| counts.handshakes_evicted == too_many)
            .await;
        server.comes_to(bound).await;
        // The first takes the place of one more; the others take the place that it gives back.
        for _ in 0..visits {
            client.is_served().await;
        }
        drop(herd);
        server.comes_to(0).await;
        let counts = server.ends().await;
        assert_eq!(counts.handshakes_evicted, too_many + 1);
        assert_eq!(counts.handshakes_failed, bound as u64 - 1);
        assert_eq!(counts.handshakes_timed_out, 0);
        println!(
            "{front:?}: {size} half-open handshakes, {bound} kept, {} ended",
            too_many + 1
        );
    }
}

#[tokio::test]
async fn d3_the_server_closes_half_open_handshakes_at_the_time_limit() {
    let size = 300;
    let settings = Settings {
        handshake_timeout: Duration::from_secs(3),
        ..Settings::default()
    };
    let (mut server, client) = Server::start(settings).await;
    client.is_served().await;
    let herd = herd(&client, size).await;
    for (number, mut tcp) in herd.into_iter().enumerate() {
        let mut said = Vec::new();
        let end = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut said)).await;
        // A close that is no reset: what was said has been read.
        end.expect("a close in time").unwrap();
        // Only the whole of a ClientHello has got an answer.
        assert_eq!(said.is_empty(), number % 3 < 2, "{said:?}");
    }
    server.comes_to(0).await;
    client.is_served().await;
    let counts = server.ends().await;
    assert_eq!(counts.handshakes_timed_out, size as u64);
    println!("{size} half-open handshakes, all closed at the time limit");
}
