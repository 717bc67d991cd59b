//! D5: transports that are not sockets, accepted with the addresses that the caller knows.

mod pki;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower_misdirected::{Addresses, ConnectionInfo, TlsAcceptor, VirtualHosts};

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Virtual hosts for a name and for an address, without a default.
fn acceptor() -> TlsAcceptor {
    let names = &["a.test", "192.0.2.1"];
    let hosts = VirtualHosts::builder()
        .host("a.test", pki::server(names))
        .host("192.0.2.1", pki::server(names));
    hosts.build().unwrap().into()
}

/// What the acceptor records of a connection with these addresses, over a pipe.
async fn accept(sni: Option<&str>, addresses: Addresses) -> io::Result<ConnectionInfo> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = acceptor().accept_with_addresses(near, addresses);
    let client = wire::handshake(far, pki::client(&["h2"]), sni);
    let (_client, server) = tokio::join!(client, server);
    Ok(server?.connection_info().clone())
}

fn virtual_host(info: &ConnectionInfo) -> String {
    info.virtual_host().unwrap().id().to_owned()
}

#[tokio::test]
async fn d5_b9_a_given_local_address_selects_the_virtual_host_of_a_client_without_a_server_name() {
    for local in ["192.0.2.1:443", "[::ffff:192.0.2.1]:443"] {
        let addresses = Addresses::new().local_addr(addr(local));
        let info = accept(None, addresses).await.unwrap();
        assert_eq!(virtual_host(&info), "192.0.2.1");
        assert_eq!(info.local_addr(), Some(addr("192.0.2.1:443")));
        assert_eq!(info.peer_addr(), None);
        // With a server name, the address plays no part.
        let info = accept(Some("a.test"), addresses).await.unwrap();
        assert_eq!(virtual_host(&info), "a.test");
    }
}

#[tokio::test]
async fn d5_b9_neither_another_local_address_nor_that_of_the_peer_selects() {
    let entry = addr("192.0.2.1:443");
    for addresses in [
        Addresses::new(),
        Addresses::new().local_addr(addr("192.0.2.2:443")),
        Addresses::new().peer_addr(entry),
        Addresses::new().local_addr(entry).local_addr(None),
    ] {
        let refused = accept(None, addresses).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{addresses:?}");
    }
}

#[tokio::test]
async fn d5_given_addresses_are_recorded() {
    let addresses = Addresses::new()
        .peer_addr(addr("[::ffff:198.51.100.7]:50000"))
        .local_addr(addr("[2001:db8::1]:443"));
    let info = accept(Some("a.test"), addresses).await.unwrap();
    assert_eq!(info.peer_addr(), Some(addr("198.51.100.7:50000")));
    assert_eq!(info.client_addr(), info.peer_addr());
    assert_eq!(info.local_addr(), Some(addr("[2001:db8::1]:443")));
}

#[tokio::test]
async fn d5_a_tcp_stream_tells_the_addresses_that_are_not_given() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let other = addr("198.51.100.7:50000");
    let given = Addresses::new();
    for (given, peer, local) in [
        (given, None, None),
        (given.peer_addr(other), Some(other), None),
        (given.local_addr(other), None, Some(other)),
    ] {
        let client = TcpStream::connect(at).await.unwrap();
        let (server, from) = listener.accept().await.unwrap();
        let own = Addresses::from(&server);
        assert_eq!(own, Addresses::new().peer_addr(from).local_addr(at));
        let info = record(client, acceptor.accept_with_addresses(server, given)).await;
        assert_eq!(info.peer_addr(), peer.or(Some(from)));
        assert_eq!(info.local_addr(), local.or(Some(at)));
    }
}

async fn record<IO, S>(
    client: IO,
    server: impl Future<Output = io::Result<tower_misdirected::TlsStream<S>>>,
) -> ConnectionInfo
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let client = wire::handshake(client, Arc::new(pki::client(&[])), Some("a.test"));
    let (client, server) = tokio::join!(client, server);
    client.unwrap();
    server.unwrap().connection_info().clone()
}
