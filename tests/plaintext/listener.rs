//! D6: `PlaintextListener` under `axum::serve`: what a handler sees, and what may come in place of a header.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_misdirected::{Peers, ProxyProtocol};

use super::{CLIENT, GET, app, ask, bind, closes, open, others, serve, start, us};
use crate::wire::{self, proxy};

fn from_us() -> ProxyProtocol {
    ProxyProtocol::from_peers(us())
}

#[tokio::test]
async fn d6_a_handler_sees_the_client_and_the_gateway() {
    for peers in [us(), Peers::any()] {
        let addr = start(ProxyProtocol::from_peers(peers)).await;
        for client in [CLIENT, "[2001:db8::7]:1"] {
            for header in proxy::both(client) {
                let (http1, own1) = open(addr, &header).await;
                let (http2, own2) = open(addr, &header).await;
                let answers = ask(http1, http2, "a.test").await;
                let seen = [own1, own2].map(|own| (200, format!("{client} {own}")));
                assert_eq!(answers, seen);
                let (http1, _) = open(addr, &header).await;
                let (http2, _) = open(addr, &header).await;
                let answers = ask(http1, http2, "evil.test").await;
                assert_eq!(answers.map(|answer| answer.0), [421; 2]);
            }
        }
    }
}

#[tokio::test]
async fn d6_an_ipv4_client_has_an_ipv4_address() {
    let addr = start(from_us()).await;
    for header in proxy::both("[::ffff:192.0.2.7]:49152") {
        let (mut io, own) = open(addr, &header).await;
        let answer = wire::exchange(&mut io, GET).await;
        assert_eq!(answer.body, format!("{CLIENT} {own}"));
    }
}

#[tokio::test]
async fn d6_all_requests_of_a_connection_have_the_client_of_its_header() {
    let addr = start(from_us()).await;
    let (mut io, own) = open(addr, &proxy::v1(CLIENT.parse().unwrap())).await;
    for _ in 0..3 {
        let answer = wire::exchange(&mut io, GET).await;
        assert_eq!(answer.body, format!("{CLIENT} {own}"));
    }
}

#[tokio::test]
async fn d6_without_a_client_the_address_stays_the_gateways() {
    let addr = start(from_us()).await;
    for header in [proxy::LOCAL, proxy::UNKNOWN] {
        let (http1, own1) = open(addr, header).await;
        let (http2, own2) = open(addr, header).await;
        let answers = ask(http1, http2, "b.test").await;
        let seen = [own1, own2].map(|own| (200, format!("{own} {own}")));
        assert_eq!(answers, seen);
    }
}

#[tokio::test]
async fn d6_a_listed_peer_has_to_send_a_header() {
    for peers in [us(), Peers::any()] {
        let addr = start(ProxyProtocol::from_peers(peers)).await;
        let request = GET.replace('\n', "\r\n");
        for begin in [
            &request[..],
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\n",
            "PROXY TCP4 nobody\r\n",
            "PROXY TCP4 192.0.2.7 203.0.113.1 1 65536\r\n",
        ] {
            let (mut io, _) = open(addr, begin.as_bytes()).await;
            assert!(closes(&mut io).await, "{begin}");
        }
        // Nobody else notices.
        let (mut io, _) = open(addr, proxy::LOCAL).await;
        assert_eq!(wire::exchange(&mut io, GET).await.status, 200);
    }
}

#[tokio::test]
async fn d6_no_header_is_read_from_a_peer_that_is_not_listed() {
    let addr = start(ProxyProtocol::from_peers(others())).await;
    let (http1, own1) = open(addr, b"").await;
    let (http2, own2) = open(addr, b"").await;
    let answers = ask(http1, http2, "a.test").await;
    let seen = [own1, own2].map(|own| (200, format!("{own} {own}")));
    assert_eq!(answers, seen);
    // The header is the beginning of a request then, and not a valid one.
    for header in proxy::both(CLIENT) {
        let (mut io, _) = open(addr, &header).await;
        assert_eq!(wire::read_answer(&mut io, false).await.status, 400);
    }
}

#[tokio::test]
async fn d6_a_second_header_belongs_to_the_client() {
    let addr = start(from_us()).await;
    for first in proxy::both(CLIENT) {
        for second in proxy::both("10.0.0.1:1") {
            let (mut io, _) = open(addr, &[&first[..], &second].concat()).await;
            assert_eq!(wire::read_answer(&mut io, false).await.status, 400);
            assert!(closes(&mut io).await);
        }
    }
}

#[tokio::test]
async fn d6_header_and_request_are_told_apart_wherever_they_are_split() {
    let addr = start(from_us()).await;
    let request = GET.replace('\n', "\r\n");
    for header in proxy::both(CLIENT) {
        let octets = [&header[..], request.as_bytes()].concat();
        for first_part in 0..octets.len() {
            let (mut io, own) = open(addr, &octets[..first_part]).await;
            io.set_nodelay(true).unwrap();
            // The server's tasks have the thread of this one.
            tokio::task::yield_now().await;
            io.write_all(&octets[first_part..]).await.unwrap();
            let answer = wire::read_answer(&mut io, false).await;
            assert_eq!(answer.body, format!("{CLIENT} {own}"));
        }
        // HTTP/2 begins in the segment of the header too.
        let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let (mut io, _) = open(addr, &[&header[..], settings].concat()).await;
        let mut frame = [0; 9];
        io.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[3], 4, "SETTINGS: {frame:?}");
    }
}

#[tokio::test]
async fn d6_accepting_plaintext_is_cancel_safe() {
    let (mut listener, addr) = bind(from_us()).await;
    let clients = tokio::spawn(async move {
        let mut clients = Vec::new();
        for _ in 0..20 {
            let (io, own) = open(addr, b"PROXY UNK").await;
            clients.push((io, own));
        }
        for (io, _) in &mut clients {
            tokio::task::yield_now().await;
            io.write_all(b"NOWN\r\n").await.unwrap();
        }
        clients
    });
    let mut accepted = Vec::new();
    let accept = async {
        while accepted.len() < 20 {
            tokio::select! {
                biased;
                (stream, _) = listener.accept() => {
                    accepted.push(stream.connection_info().peer_addr().unwrap());
                }
                () = tokio::task::yield_now() => {}
            }
        }
    };
    let accept = tokio::time::timeout(wire::PATIENCE, accept).await;
    accept.expect("all connections in time");
    for (_, own) in clients.await.unwrap() {
        assert!(accepted.contains(&own));
    }
}

#[tokio::test]
async fn d6_the_peer_is_the_one_that_was_accepted_on_an_ipv6_listener_too() {
    let listener = tower_misdirected::PlaintextListener::bind("[::]:0", from_us()).await;
    let listener = listener.unwrap();
    let port = listener.local_addr().unwrap().port();
    serve(listener, app(us()));
    let v4 = ([127, 0, 0, 1], port).into();
    let (mut io, own) = open(v4, &proxy::v2(CLIENT.parse().unwrap())).await;
    let answer = wire::exchange(&mut io, GET).await;
    assert_eq!(answer.body, format!("{CLIENT} {own}"));
}
