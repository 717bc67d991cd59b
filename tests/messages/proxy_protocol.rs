//! Errors of PROXY protocol headers, without and with a connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tower_misdirected::{Addresses, Peers, ProxyProtocol};

use crate::Messages;

const SECTION: &str = "When a PROXY protocol header is wrong";

const PEER: &str = "192.0.2.1:49152";

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

pub fn make(messages: &mut Messages) {
    let fields = |fields: &[u8]| v2(0x21, 0x11, &[&[0; 12], fields].concat());
    let checksum = [3, 0, 4, 1, 2, 3, 4];
    for header in [
        b"GET / HTTP/1.1\r\nHost: \x1b[31m".to_vec(),
        b"PROXY TCP4 ".to_vec(),
        b"PROXY \x1b\xff \r\n".to_vec(),
        b"PROXY TCP4 ::1 192.0.2.1 1 2\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.1 ::1 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.1 1 99999\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.1 1 2 3\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.1 1 2\n\n".to_vec(),
        [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 107]].concat(),
        v2(0x31, 0x11, &[]),
        v2(0x2f, 0x11, &[]),
        v2(0x21, 0xff, &[]),
        v2(0x21, 0x11, &[0; 5]),
        v2(0x21, 0x11, &[0; 5000]),
        fields(&[4, 0]),
        fields(&[4, 0, 9, 0]),
        fields(&[2, 0, 1, 0xff]),
        fields(&checksum),
        fields(&[checksum, checksum].concat()),
    ] {
        for peer in [None, Some(PEER.parse().unwrap())] {
            let proxy_protocol = ProxyProtocol::from_peers(Peers::any());
            let mut octets = &*header;
            let read = std::pin::pin!(proxy_protocol.read(&mut octets, peer));
            // Octets in memory never wait.
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            match read.poll(&mut context) {
                std::task::Poll::Ready(Err(error)) => messages.text(SECTION, error),
                other => panic!("{header:?}: {other:?}"),
            }
        }
    }
}

/// Headers that do not come in time, or whose place another connection takes.
pub async fn make_late(messages: &mut Messages) {
    let from_any = || ProxyProtocol::from_peers(Peers::any());
    let peer = Addresses::new().peer_addr(PEER.parse::<SocketAddr>().unwrap());
    let (_silent, theirs) = tokio::io::duplex(64);
    let late = from_any().header_timeout(Duration::ZERO);
    let error = late.accept_with_addresses(theirs, peer).await.unwrap_err();
    messages.text(SECTION, error);

    let crowded = from_any().max_pending_headers(1);
    let (_silent, first) = tokio::io::duplex(64);
    let (_other, second) = tokio::io::duplex(64);
    let first = tokio::spawn(crowded.accept(first));
    // The first connection waits when its task has been polled.
    tokio::task::yield_now().await;
    let second = tokio::spawn(crowded.accept(second));
    let first = tokio::time::timeout(crate::wire::PATIENCE, first).await;
    messages.text(SECTION, first.unwrap().unwrap().unwrap_err());
    second.abort();

    // Behind a TLS acceptor, a connection that was reset is a health check.
    let begins = "the connection was reset before";
    messages.of_source(crate::handshakes::SECTION, begins, "", &[]);
    let (mut client, server) = tokio::io::duplex(64);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(
        from_any()
            .accept_with_addresses(server, peer)
            .await
            .is_err()
    );
}
