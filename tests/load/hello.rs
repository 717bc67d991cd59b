//! What a client says first, for those who stop there.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pki;
use crate::wire::PATIENCE;

/// The record with the ClientHello for `www.test`.
pub fn client_hello() -> Vec<u8> {
    let name = "www.test".try_into().unwrap();
    let config = Arc::new(pki::client(&["h2", "http/1.1"]));
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Connects and says this.
pub async fn say(addr: std::net::SocketAddr, octets: &[u8]) -> TcpStream {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(octets).await.unwrap();
    tcp
}

/// Reads an octet of what the server says to that.
pub async fn hear(tcp: &mut TcpStream) {
    let octet = tokio::time::timeout(PATIENCE, tcp.read_u8()).await;
    octet.expect("an octet in time").unwrap();
}
