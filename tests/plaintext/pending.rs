//! D6: connections that wait for their header: their time, their number, and their end with the listener.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tower_misdirected::{ConnectionInfo, ProxyProtocol};

use super::{CLIENT, GET, app, bind, closes, open, start, us};
use crate::wire::{self, proxy};

/// Longer than any test.
const HOUR: Duration = Duration::from_secs(3600);

fn patient() -> ProxyProtocol {
    ProxyProtocol::from_peers(us()).header_timeout(HOUR)
}

#[tokio::test]
async fn d6_silent_peers_delay_nobody() {
    let addr = start(patient()).await;
    let header = proxy::v2(CLIENT.parse().unwrap());
    let mut slow = Vec::new();
    for length in [0, 1, 13, 17, header.len() - 1] {
        slow.push((open(addr, &header[..length]).await, length));
    }
    let (mut io, own) = open(addr, &header).await;
    let answer = wire::exchange(&mut io, GET).await;
    assert_eq!(answer.body, format!("{CLIENT} {own}"));
    // Those that were slow are served when the rest of the header comes.
    for ((mut io, own), length) in slow {
        io.write_all(&header[length..]).await.unwrap();
        let answer = wire::exchange(&mut io, GET).await;
        assert_eq!(answer.body, format!("{CLIENT} {own}"));
    }
}

#[tokio::test]
async fn d6_a_silent_peer_is_dropped_after_its_time() {
    let addr = start(patient().header_timeout(Duration::from_millis(50))).await;
    for begin in [&b""[..], b"PROXY ", &proxy::LOCAL[..15]] {
        let (mut io, _) = open(addr, begin).await;
        assert!(closes(&mut io).await);
    }
}

#[tokio::test]
async fn d6_the_oldest_connection_ends_where_too_many_wait_for_their_header() {
    let addr = start(patient().max_pending_headers(2)).await;
    let header = proxy::v1(CLIENT.parse().unwrap());
    let (mut oldest, _) = open(addr, &header[..10]).await;
    let (mut second, own) = open(addr, &header[..20]).await;
    // Each counts until it has its header. So the first makes the oldest end, and the others find a place.
    let mut served = Vec::new();
    for _ in 0..3 {
        let (mut io, _) = open(addr, &header).await;
        assert_eq!(wire::exchange(&mut io, GET).await.status, 200);
        served.push(io);
        assert!(closes(&mut oldest).await);
    }
    second.write_all(&header[20..]).await.unwrap();
    let answer = wire::exchange(&mut second, GET).await;
    assert_eq!(answer.body, format!("{CLIENT} {own}"));
}

#[tokio::test]
async fn d6_dropping_the_listener_ends_those_that_wait() {
    let (mut listener, addr) = bind(patient()).await;
    let (mut silent, _) = open(addr, b"").await;
    let (mut slow, _) = open(addr, b"PROXY ").await;
    let (mut io, _) = open(addr, proxy::LOCAL).await;
    // The one that is last has been accepted, so the others wait in tasks of their own.
    let (mut stream, _) = listener.accept().await;
    drop(listener);
    assert!(closes(&mut silent).await);
    assert!(closes(&mut slow).await);
    // The connection that has been handed out is the caller's.
    stream.write_all(b"x").await.unwrap();
    let octet = tokio::io::AsyncReadExt::read_u8(&mut io).await;
    assert_eq!(octet.unwrap(), b'x');
}

#[tokio::test]
async fn d6_a_graceful_shutdown_ends_those_that_wait() {
    let (listener, addr) = bind(patient()).await;
    let app = app(us()).into_make_service_with_connect_info::<ConnectionInfo>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server =
        axum::serve(listener, app).with_graceful_shutdown(async { stopped.await.unwrap() });
    let server = tokio::spawn(server.into_future());
    let (mut silent, _) = open(addr, b"").await;
    let (mut io, _) = open(addr, proxy::LOCAL).await;
    assert_eq!(wire::exchange(&mut io, GET).await.status, 200);
    stop.send(()).unwrap();
    assert!(closes(&mut silent).await);
    assert!(closes(&mut io).await);
    let ended = tokio::time::timeout(wire::PATIENCE, server).await;
    ended.expect("an end in time").unwrap().unwrap();
}
