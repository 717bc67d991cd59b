//! D3: running out of file descriptors, which accepting survives without a spin.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{Client, Http};
use crate::hello::{client_hello, hear, say};
use crate::messages::Settings;
use crate::process::Server;
use crate::site::Fate;
use crate::wire::PATIENCE;

/// How long the listener rests after an error, where no handshake can be ended.
const REST: Duration = Duration::from_millis(200);

const FEW: u64 = 64;

async fn server_with_few() -> (Server, Client) {
    let settings = Settings {
        descriptors: Some(FEW),
        ..Settings::default()
    };
    Server::start(settings).await
}

#[tokio::test]
async fn d3_silent_clients_that_take_every_descriptor_keep_nobody_out() {
    let (mut server, client) = server_with_few().await;
    // Far more than it has descriptors for, none of which leaves by itself.
    let mut herd = Vec::new();
    for _ in 0..200 {
        herd.push(say(client.addr, b"").await);
    }
    for _ in 0..3 {
        client.is_served().await;
    }
    drop(herd);
    server.comes_to(0).await;
    client.is_served().await;
    let errors = server.ends().await.accept_errors;
    assert!(errors > 0, "it never ran out");
    println!(
        "200 silent clients, {FEW} descriptors: {errors} errors, and all who speak are served"
    );
}

#[tokio::test]
async fn d3_without_a_descriptor_accepting_rests_and_goes_on_when_there_is_one() {
    let sni = Some("www.test");
    let (mut server, client) = server_with_few().await;
    let mut open = Vec::new();
    for number in 0..20 {
        let mut connection = client.connect(Http::One, sni).await;
        // An answer tells that the server, too, is through with the handshake.
        connection.asks(sni, "www.test", Fate::Served, number).await;
        open.push(connection);
    }
    let begin = Instant::now();
    let before = server.hoard(0).await.accept_errors;

    // It waits in the kernel's queue, with a handshake begun.
    let tcp = TcpStream::connect(client.addr).await.unwrap();
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.connect_over(tcp, Http::One, sni).await }
    });
    // The listener has tried again and again; those who are in notice nothing.
    let mut errors = before;
    for round in 0..5 {
        errors = server
            .until(|counts| counts.accept_errors > errors)
            .await
            .accept_errors;
        for connection in &mut open {
            connection.asks(sni, "www.test", Fate::Served, round).await;
        }
    }
    // Had it not rested each time there would be thousands, whatever the machine.
    let rests = (begin.elapsed().as_millis() / REST.as_millis()) as u64;
    assert!(
        errors - before <= rests + 1,
        "{errors} errors, and {rests} times {REST:?}"
    );
    assert!(!waits.is_finished());

    open.truncate(10);
    let waits = tokio::time::timeout(PATIENCE, waits).await;
    let mut served = waits.expect("a place in time").unwrap().unwrap();
    served.asks(sni, "www.test", Fate::Served, 9).await;
    let counts = server.ends().await;
    println!(
        "no descriptor left: {} errors in {:?}, 20 connections served meanwhile, accepting again after",
        errors - before,
        begin.elapsed()
    );
    assert_eq!(counts.handshakes_failed + counts.handshakes_evicted, 0);
}

/// Else honest clients, who need a round trip, would be cut off in the middle for as long as there are more
/// of them than descriptors.
#[tokio::test]
async fn d3_no_handshake_is_ended_before_accepting_has_failed_twice() {
    let (mut server, client) = server_with_few().await;
    client.is_served().await;
    server.comes_to(0).await;
    server.hoard(2).await;
    // Its handshake has certainly begun.
    let mut older = say(client.addr, &client_hello()).await;
    hear(&mut older).await;
    let _last = say(client.addr, b"").await;
    let counts = server.until(|counts| counts.handshakes_evicted > 0).await;
    assert!(counts.accept_errors >= 2, "{counts:?}");
    older.read_to_end(&mut Vec::new()).await.unwrap();
    client.is_served_over(Http::One).await;
    let errors = server.ends().await.accept_errors;
    println!(
        "two clients with the last descriptors: the older one ended at error {} of {errors}",
        counts.accept_errors
    );
}

/// Each one that leaves lets accepting succeed once more, for another one like it, between two failures.
#[tokio::test]
async fn d3_clients_that_stop_and_take_turns_keep_nobody_out() {
    let (mut server, client) = server_with_few().await;
    let hello = client_hello();
    let mut herd = JoinSet::new();
    for number in 0..2 * FEW {
        let (addr, hello) = (client.addr, hello.clone());
        // So that in every rest of the listener some leave.
        let turn = REST + Duration::from_millis(7 * number);
        herd.spawn(async move {
            loop {
                let mut tcp = say(addr, &hello).await;
                // Its answer tells that the server has accepted it.
                if let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, tcp.read_u8()).await {
                    let _ended = tokio::time::timeout(turn, tcp.read_to_end(&mut Vec::new())).await;
                }
            }
        });
    }
    let mut counts = server.until(|counts| counts.accept_errors >= 10).await;
    for _ in 0..4 {
        client.is_served().await;
        let before = counts;
        counts = server
            .until(|counts| counts.accept_errors >= before.accept_errors + 5)
            .await;
        assert!(
            counts.handshakes_evicted > before.handshakes_evicted,
            "nobody made room: {before:?}, then {counts:?}"
        );
    }
    herd.shutdown().await;
    server.ends().await;
}

#[tokio::test]
async fn d3_connections_that_take_every_descriptor_are_served_and_make_room_when_they_go() {
    let sni = Some("www.test");
    let (mut server, client) = server_with_few().await;
    let mut open = Vec::new();
    loop {
        let tcp = TcpStream::connect(client.addr).await.unwrap();
        let opening = client.clone();
        let handshake = tokio::spawn(async move {
            let mut connection = opening.connect_over(tcp, Http::One, sni).await.unwrap();
            connection.asks(sni, "www.test", Fate::Served, 0).await;
            connection
        });
        // The last is ended in favour of a newer one, or waits in vain, as it comes.
        let counts = server
            .until(|counts| handshake.is_finished() || counts.accept_errors > 0)
            .await;
        if counts.accept_errors > 0 {
            handshake.abort();
            break;
        }
        open.push(handshake.await.unwrap());
    }
    assert!(open.len() > FEW as usize / 2, "{} connections", open.len());
    for (number, connection) in (0..).zip(&mut open) {
        connection.asks(sni, "www.test", Fate::Served, number).await;
    }
    let count = open.len();
    drop(open);
    server.comes_to(0).await;
    client.is_served().await;
    let errors = server.ends().await.accept_errors;
    println!(
        "{FEW} descriptors: {count} connections and {errors} errors, and room again when they went"
    );
}
