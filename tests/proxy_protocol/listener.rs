//! D6: what handlers see behind `TlsListener`, over TCP, and what a header never changes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, Peers, TlsAcceptor, VirtualHosts};

use crate::header::{ADDRESSES, AUTHORITY, Behind, CLIENT, LOCAL, PROXY, V1, field, ssl, tcp4, v2};
use crate::{pki, server, wire};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Answers with the addresses: client, peer, local.
pub fn app() -> Router {
    let handler = any(|info: ConnectionInfo| async move {
        let text = |addr: Option<SocketAddr>| addr.map_or("-".to_owned(), |it| it.to_string());
        let addrs = [info.client_addr(), info.peer_addr(), info.local_addr()];
        addrs.map(text).join(" ")
    });
    Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::new().close_http1(false))
}

fn loopback() -> Peers {
    Peers::new(["127.0.0.1"]).unwrap()
}

fn others() -> Peers {
    Peers::new(["127.0.0.2", "10.0.0.0/8", "::/0"]).unwrap()
}

fn acceptor(peers: Peers) -> TlsAcceptor {
    TlsAcceptor::new(pki::server(&["a.test"])).proxy_protocol(peers)
}

type Client = TlsStream<Behind<TcpStream>>;

/// A connection that begins with a header, and the client's own address.
pub async fn connect(
    addr: SocketAddr,
    header: &[u8],
    sni: Option<&str>,
) -> std::io::Result<(Client, SocketAddr)> {
    let tcp = TcpStream::connect(addr).await.unwrap();
    begin(tcp, header, sni).await
}

async fn begin(
    tcp: TcpStream,
    header: &[u8],
    sni: Option<&str>,
) -> std::io::Result<(Client, SocketAddr)> {
    tcp.set_nodelay(true).unwrap();
    let own = tcp.local_addr().unwrap();
    // In one segment with the ClientHello.
    let client = Behind::new(header, tcp);
    let client = wire::handshake(client, pki::client(&["http/1.1"]), sni);
    let client = tokio::time::timeout(wire::PATIENCE, client).await;
    client.expect("a handshake in time").map(|io| (io, own))
}

pub async fn get(io: &mut Client, host: &str) -> wire::Answer {
    wire::exchange(io, &format!("GET / HTTP/1.1\nHost: {host}\n\n")).await
}

/// Asks for the addresses that the handler sees.
async fn seen(addr: SocketAddr, header: &[u8]) -> (String, SocketAddr) {
    let (mut io, own) = connect(addr, header, Some("a.test")).await.unwrap();
    let answer = get(&mut io, "a.test").await;
    assert_eq!(answer.status, 200);
    (answer.body, own)
}

#[tokio::test]
async fn d6_a_handler_sees_the_client_and_the_peer() {
    let addr = server::tls(app(), acceptor(loopback())).await;
    let mapped = b"PROXY TCP6 ::ffff:192.0.2.7 ::1 49152 443\r\n";
    let v6 = v2(
        PROXY,
        0x21,
        &[&[0x20; 16][..], &[9; 16], &[0xc0, 0, 1, 0xbb]].concat(),
    );
    for (header, client) in [
        (V1, CLIENT),
        (&tcp4(&[]), CLIENT),
        (&tcp4(&ssl()), CLIENT),
        (mapped, CLIENT),
        (&v6, "[2020:2020:2020:2020:2020:2020:2020:2020]:49152"),
    ] {
        let (addrs, own) = seen(addr, header).await;
        assert_eq!(addrs, format!("{client} {own} {addr}"));
    }
}

#[tokio::test]
async fn d6_without_a_tcp_client_the_address_stays_the_peers() {
    let addr = server::tls(app(), acceptor(loopback())).await;
    for header in [
        &b"PROXY UNKNOWN\r\n"[..],
        b"PROXY UNKNOWN 192.0.2.7 203.0.113.1 49152 443\r\n",
        &v2(LOCAL, 0, &[]),
        &v2(LOCAL, 0x11, &ADDRESSES),
        &v2(PROXY, 0, &ADDRESSES),
        &v2(PROXY, 0x12, &ADDRESSES),
        &v2(PROXY, 0x31, &[b'/'; 216]),
    ] {
        let (addrs, own) = seen(addr, header).await;
        assert_eq!(addrs, format!("{own} {own} {addr}"));
    }
}

#[tokio::test]
async fn d6_a_listed_peer_has_to_send_a_header() {
    let addr = server::tls(app(), acceptor(loopback())).await;
    for header in [&b""[..], b"PROXY TCP4 nobody\r\n", &tcp4(&[4, 0])] {
        assert!(connect(addr, header, Some("a.test")).await.is_err());
    }
    // Nobody else notices.
    seen(addr, V1).await;
}

#[tokio::test]
async fn d6_no_header_is_read_from_a_peer_that_is_not_listed() {
    for acceptor in [
        acceptor(others()),
        TlsAcceptor::new(pki::server(&["a.test"])),
    ] {
        let addr = server::tls(app(), acceptor).await;
        let (addrs, own) = seen(addr, b"").await;
        assert_eq!(addrs, format!("{own} {own} {addr}"));
        for header in [V1, &tcp4(&[]), &v2(LOCAL, 0, &[])] {
            assert!(connect(addr, header, Some("a.test")).await.is_err());
        }
    }
}

#[tokio::test]
async fn d6_the_real_peer_is_trusted_and_no_client_that_it_names() {
    // 127.0.0.1 sends headers for clients that are listed and for clients that are not.
    let addr = server::tls(app(), acceptor(others())).await;
    let listed = b"PROXY TCP4 127.0.0.2 203.0.113.1 1 443\r\n";
    assert!(connect(addr, listed, Some("a.test")).await.is_err());
    let addr = server::tls(app(), acceptor(loopback())).await;
    let (addrs, own) = seen(addr, listed).await;
    assert_eq!(addrs, format!("127.0.0.2:1 {own} {addr}"));
}

#[tokio::test]
async fn d6_the_address_of_the_peer_decides_and_not_the_address_of_this_server() {
    let addr = server::tls(app(), acceptor(others())).await;
    for (header, is_accepted) in [(V1, true), (b"", false)] {
        let socket = TcpSocket::new_v4().unwrap();
        if let Err(why) = socket.bind("127.0.0.2:0".parse().unwrap()) {
            println!("skipped: 127.0.0.2: {why}");
            return;
        }
        let tcp = socket.connect(addr).await.unwrap();
        let client = begin(tcp, header, Some("a.test")).await;
        assert_eq!(client.is_ok(), is_accepted, "{header:?}");
    }
}

#[tokio::test]
async fn d6_an_ipv4_peer_of_an_ipv6_listener_is_an_ipv4_peer() {
    let any_v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    for (peers, is_listed) in [(loopback(), true), (others(), false)] {
        let addr = server::tls_at(any_v6, app(), acceptor(peers)).await;
        let addr = SocketAddr::new(V4, addr.port());
        let header = if is_listed { V1 } else { b"" };
        let (addrs, own) = seen(addr, header).await;
        let client = if is_listed {
            CLIENT.to_owned()
        } else {
            own.to_string()
        };
        assert_eq!(addrs, format!("{client} {own} {addr}"));
        let header = if is_listed { b"" } else { V1 };
        assert!(connect(addr, header, Some("a.test")).await.is_err());
    }
}

#[tokio::test]
async fn d6_a_header_of_the_client_behind_that_of_the_gateway_fails() {
    let addr = server::tls(app(), acceptor(loopback())).await;
    let claim = b"PROXY TCP4 198.51.100.1 203.0.113.1 1 443\r\n";
    assert!(
        connect(addr, &[V1, claim].concat(), Some("a.test"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn d6_silent_connections_delay_nobody() {
    let addr = server::tls(app(), acceptor(loopback())).await;
    let mut herd = Vec::new();
    for part in [&b""[..], &V1[..7], V1] {
        for _ in 0..20 {
            let mut tcp = TcpStream::connect(addr).await.unwrap();
            tcp.write_all(part).await.unwrap();
            herd.push(tcp);
        }
    }
    seen(addr, V1).await;
}

/// Two hosts that are IP addresses: where the listener is, and where the header says that the client went.
#[tokio::test]
async fn d6_b9_the_destination_of_a_header_selects_no_virtual_host() {
    let leaf = pki::leaf(&["127.0.0.1", "203.0.113.1"]);
    let hosts = VirtualHosts::builder()
        .host("127.0.0.1", Arc::new(leaf.server_config()))
        .host("203.0.113.1", Arc::new(leaf.server_config()))
        .build()
        .unwrap();
    let acceptor = TlsAcceptor::from(hosts).proxy_protocol(loopback());
    let addr = server::tls(app(), acceptor).await;
    for header in [V1, &tcp4(&[])] {
        let (mut io, _) = connect(addr, header, None).await.unwrap();
        assert_eq!(get(&mut io, "127.0.0.1").await.status, 200);
        assert_eq!(get(&mut io, "203.0.113.1").await.status, 421);
    }
}

#[tokio::test]
async fn d6_what_a_header_says_about_names_and_tls_changes_no_verdict() {
    let leaf = pki::leaf(&["a.test", "admin.test"]);
    let hosts = VirtualHosts::builder()
        .host("a.test", Arc::new(leaf.server_config()))
        .host("admin.test", Arc::new(leaf.mutual_tls_config()))
        .build()
        .unwrap();
    let acceptor = TlsAcceptor::from(hosts).proxy_protocol(loopback());
    let addr = server::tls(app(), acceptor).await;
    // A client certificate was verified, it says.
    let verified = field(
        0x20,
        &[&[7, 0, 0, 0, 0][..], &field(0x22, b"admin")].concat(),
    );
    let header = tcp4(&[field(AUTHORITY, b"admin.test"), verified].concat());
    let (mut io, _) = connect(addr, &header, Some("a.test")).await.unwrap();
    assert_eq!(get(&mut io, "a.test").await.status, 200);
    assert_eq!(get(&mut io, "admin.test").await.status, 421);
    // Nor does it stand in for a server name.
    assert!(connect(addr, &header, None).await.is_err());
}
