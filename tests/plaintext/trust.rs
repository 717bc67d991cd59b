//! D6, B3: who is trusted. It is the real peer, whatever a header or a field of a request claims.

use tokio::net::TcpListener;
use tower_misdirected::{ConnectionInfo, Peers, ProxyProtocol};

use super::{CLIENT, app, ask, bind, open, others, serve, us};
use crate::wire::{self, proxy};

#[tokio::test]
async fn d6_b3_a_header_that_claims_a_trusted_address_makes_no_peer_trusted() {
    // Headers are read from any peer, and only `10.0.0.0/8` are gateways.
    let (listener, addr) = bind(ProxyProtocol::from_peers(Peers::any())).await;
    serve(listener, app(others()));
    for client in ["10.0.0.1:50000", "[::1]:1", CLIENT] {
        for header in proxy::both(client) {
            let (http1, _) = open(addr, &header).await;
            let (http2, _) = open(addr, &header).await;
            let answers = ask(http1, http2, "a.test").await;
            assert_eq!(answers.map(|answer| answer.0), [421; 2], "{client}");
        }
    }
}

#[tokio::test]
async fn d6_b3_a_gateway_stays_trusted_whoever_its_client_is() {
    let (listener, addr) = bind(ProxyProtocol::from_peers(us())).await;
    serve(listener, app(us()));
    for client in [
        "10.0.0.1:50000",
        "[::1]:1",
        CLIENT,
        "127.0.0.1:1",
        "0.0.0.0:0",
    ] {
        for header in proxy::both(client) {
            let (http1, _) = open(addr, &header).await;
            let (http2, _) = open(addr, &header).await;
            let answers = ask(http1, http2, "a.test").await;
            assert_eq!(answers.map(|answer| answer.0), [200; 2], "{client}");
        }
    }
}

#[tokio::test]
async fn d6_b3_forwarded_fields_change_no_address() {
    let fields = "Forwarded: for=127.0.0.9;host=a.test;proto=https\nX-Forwarded-For: 127.0.0.9\n\
                  X-Real-IP: 127.0.0.9\nX-Forwarded-Host: a.test\n";
    let header = proxy::v2(CLIENT.parse().unwrap());
    for (gateways, host, status) in [
        (us(), "a.test", 200),
        (us(), "evil.test", 421),
        (others(), "a.test", 421),
    ] {
        let (listener, addr) = bind(ProxyProtocol::from_peers(us())).await;
        serve(listener, app(gateways));
        let (mut io, own) = open(addr, &header).await;
        let request = format!("GET / HTTP/1.1\nHost: {host}\n{fields}\n");
        let answer = wire::exchange(&mut io, &request).await;
        assert_eq!(answer.status, status);
        if status == 200 {
            assert_eq!(answer.body, format!("{CLIENT} {own}"));
        }
    }
}

/// A server that reads no headers has none that could be believed.
#[tokio::test]
async fn d6_a_plain_listener_reads_no_header() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app(us()).into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    for header in proxy::both(CLIENT) {
        let (mut io, _) = open(addr, &header).await;
        assert_eq!(wire::read_answer(&mut io, false).await.status, 400);
    }
}
