//! D6: the header before a handshake on transports in memory: however it arrives, in which time, and what may come
//! instead of it.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower_misdirected::{Peers, TlsAcceptor, TlsStream};

use crate::header::{Behind, CLIENT, CRC32C, V1, field, ssl, tcp4, v2, with_checksum};
use crate::{pki, wire};

/// In memory there are no addresses, so only `any` contains the peer.
fn acceptor() -> TlsAcceptor {
    TlsAcceptor::new(pki::server(&["a.test"])).proxy_protocol(Peers::any())
}

fn begin(
    acceptor: &TlsAcceptor,
) -> (
    JoinHandle<std::io::Result<TlsStream<DuplexStream>>>,
    DuplexStream,
) {
    let (near, far) = tokio::io::duplex(1 << 16);
    (tokio::spawn(acceptor.accept(near)), far)
}

/// What a client says first.
fn client_hello() -> Vec<u8> {
    let name = "a.test".try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::new(pki::client(&[])), name);
    let mut hello = Vec::new();
    client.unwrap().write_tls(&mut hello).unwrap();
    hello
}

/// Why the server ends a connection that begins with these octets, while the client waits for more.
async fn ended(acceptor: &TlsAcceptor, octets: &[u8]) -> std::io::Error {
    let (server, mut client) = begin(acceptor);
    client.write_all(octets).await.unwrap();
    let server = tokio::time::timeout(wire::PATIENCE, server).await;
    let error = server.expect("an end in time").unwrap().unwrap_err();
    assert!(error.to_string().len() <= 400, "{error}");
    assert!(error.to_string().is_ascii(), "{error}");
    error
}

#[tokio::test]
async fn d6_header_and_client_hello_are_told_apart_wherever_they_are_split() {
    let acceptor = acceptor();
    let version_2 = with_checksum(tcp4(&[ssl(), field(CRC32C, &[0; 4])].concat()));
    for header in [V1, &version_2] {
        // Some more than what is sent first, so that the last is sent in one part.
        for first_part in 0..header.len() + client_hello().len() + 16 {
            let (server, client) = begin(&acceptor);
            let client = Behind::split_at(header, client, first_part);
            let client = wire::handshake(client, pki::client(&[]), Some("a.test"));
            let both = async { tokio::join!(client, server) };
            let both = tokio::time::timeout(wire::PATIENCE, both).await;
            let (client, server) = both.expect("a handshake in time");
            client.unwrap();
            let stream = server.unwrap().unwrap();
            let info = stream.connection_info();
            assert_eq!(info.client_addr(), Some(CLIENT.parse().unwrap()));
            assert_eq!(info.peer_addr(), None);
            assert_eq!(info.server_name(), Some("a.test"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn d6_the_time_limit_is_for_the_header_and_the_handshake_together() {
    let limit = Duration::from_secs(3);
    let acceptor = acceptor().handshake_timeout(limit);
    let hello = client_hello();
    for first in [
        &b""[..],
        b"P",
        &V1[..V1.len() - 1],
        &tcp4(&[])[..20],
        V1,
        &[V1, &hello[..9]].concat(),
        &[V1, &hello].concat(),
    ] {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let begin = Instant::now();
        let slow = async {
            // Whatever arrives in time does not extend the limit.
            tokio::time::sleep(limit / 2).await;
            far.write_all(first).await.unwrap();
            std::future::pending::<()>().await;
        };
        let error = tokio::select! {
            result = acceptor.accept(near) => result.unwrap_err(),
            () = slow => unreachable!(),
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert_eq!(begin.elapsed().as_secs(), limit.as_secs());
    }
}

#[tokio::test]
async fn d6_a_connection_that_waits_for_its_header_is_among_the_pending_handshakes() {
    let acceptor = acceptor()
        .handshake_timeout(Duration::from_secs(3600))
        .max_pending_handshakes(2);
    let (oldest, _silent) = begin(&acceptor);
    tokio::task::yield_now().await;
    let (second, mut slow) = begin(&acceptor);
    slow.write_all(&V1[..9]).await.unwrap();
    tokio::task::yield_now().await;
    let (_third, _client) = begin(&acceptor);
    let error = tokio::time::timeout(wire::PATIENCE, oldest).await;
    let error = error.expect("an end in time").unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("this is the oldest"), "{error}");
    // The newer ones go on.
    slow.write_all(&V1[9..]).await.unwrap();
    let client = wire::handshake(slow, pki::client(&[]), None);
    let (client, server) = tokio::join!(client, second);
    client.unwrap();
    server.unwrap().unwrap();
}

#[tokio::test]
async fn d6_without_a_header_the_connection_ends_at_once() {
    for octets in [
        &client_hello()[..],
        b"\x16",
        b"GET / HTTP/1.1\r\n",
        b"PROXX",
        b"\r\nPROXY",
        b"\0",
    ] {
        let error = ended(&acceptor(), octets).await;
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let text = error.to_string();
        assert!(text.contains("is not a PROXY protocol header"), "{text}");
        assert!(text.contains("configure the peer"), "{text}");
    }
}

#[tokio::test]
async fn d6_a_header_that_is_too_long_is_refused_before_it_arrives() {
    let mut longest = v2(0x21, 0x11, &[]);
    longest[14..].fill(0xff);
    let error = ended(&acceptor(), &longest).await;
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("65551 octets"), "{error}");
    let error = ended(&acceptor(), &[b"PROXY UNKNOWN", &[b' '; 95][..]].concat()).await;
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("107 octets"), "{error}");
}

#[tokio::test]
async fn d6_a_refused_header_is_not_quoted_at_length() {
    let hostile = [b"PROXY ", &b"\x1b[31m\n"[..], &[b'x'; 9000]].concat();
    let text = ended(&acceptor(), &hostile).await.to_string();
    assert!(text.contains("\\x1b[31m\\n"), "{text}");
    assert!(text.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
}

#[tokio::test]
async fn d6_a_second_header_is_the_clients_and_fails() {
    for second in [V1.to_vec(), tcp4(&[]), v2(0x20, 0, &[])] {
        let octets = [V1, &second, &client_hello()].concat();
        let (server, mut client) = begin(&acceptor());
        client.write_all(&octets).await.unwrap();
        let server = tokio::time::timeout(wire::PATIENCE, server).await;
        let error = server.expect("an end in time").unwrap().unwrap_err();
        assert!(!error.to_string().contains("PROXY"), "from TLS: {error}");
    }
}

#[tokio::test]
async fn d6_a_client_that_leaves_in_its_header_is_an_error() {
    for length in [0, 1, V1.len() - 1] {
        let (server, mut client) = begin(&acceptor());
        client.write_all(&V1[..length]).await.unwrap();
        client.shutdown().await.unwrap();
        let error = server.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let count = format!("ended after {length} octets");
        assert!(error.to_string().contains(&count), "{error}");
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "it is told");
    }
}

#[tokio::test]
async fn d6_only_any_contains_a_transport_without_addresses() {
    let all = Peers::new(["0.0.0.0/0", "::/0"]).unwrap();
    let networks = TlsAcceptor::new(pki::server(&["a.test"])).proxy_protocol(all);
    let (server, client) = begin(&networks);
    let client = wire::handshake(client, pki::client(&[]), None);
    let (client, server) = tokio::join!(client, server);
    client.unwrap();
    assert_eq!(
        server.unwrap().unwrap().connection_info().client_addr(),
        None
    );
    let error = ended(&networks, V1).await;
    assert!(!error.to_string().contains("PROXY"), "from TLS: {error}");
}
