//! A client of OpenSSL or BoringSSL, which sends a server name as it is written.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use openssl::ssl::{Ssl, SslContext, SslMethod};

use crate::wire::PATIENCE;

/// Opens a connection with this server name and sends a GET with this `Host`. Returns the status.
pub async fn get(addr: SocketAddr, sni: &'static str, host: &'static str) -> u16 {
    let exchange = move || {
        let tcp = TcpStream::connect(addr).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let context = SslContext::builder(SslMethod::tls()).unwrap().build();
        let mut ssl = Ssl::new(&context).unwrap();
        ssl.set_hostname(sni).unwrap();
        let mut stream = ssl.connect(tcp).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        let status = std::str::from_utf8(&status).unwrap();
        status.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}
