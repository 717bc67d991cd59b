//! Clients of the server: a connection of either version, and what came back on it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::messages::Ready;
use crate::pki::{self, Leaf};
use crate::site::{Fate, HOSTS, TABLE};
use crate::wire::{self, PATIENCE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

pub const EVERY_HTTP: [Http; 2] = [Http::One, Http::Two];

/// Opens connections to one server, and shows a certificate where it is asked for one.
#[derive(Clone)]
pub struct Client {
    pub addr: SocketAddr,
    pub quic: SocketAddr,
    pub configs: [Arc<ClientConfig>; 2],
}

pub enum Connection {
    One(Box<TlsStream<TcpStream>>),
    Two(SendRequest<Bytes>),
}

impl Client {
    pub fn of(ready: &Ready) -> Self {
        let leaf = Leaf {
            der: CertificateDer::from(ready.certificate.clone()),
            key: PrivateKeyDer::try_from(ready.key.clone()).unwrap(),
        };
        let config = |alpn| Arc::new(pki::client_with_certificate(&[alpn], &leaf));
        Self {
            addr: ready.tcp,
            quic: ready.quic,
            configs: [config("http/1.1"), config("h2")],
        }
    }

    fn config(&self, http: Http) -> Arc<ClientConfig> {
        self.configs[http as usize].clone()
    }

    pub async fn connect(&self, http: Http, sni: Option<&str>) -> Connection {
        let tcp = TcpStream::connect(self.addr).await.unwrap();
        self.connect_over(tcp, http, sni).await.unwrap()
    }

    pub async fn connect_over(
        &self,
        tcp: TcpStream,
        http: Http,
        sni: Option<&str>,
    ) -> std::io::Result<Connection> {
        tcp.set_nodelay(true)?;
        let handshake = wire::handshake(tcp, self.config(http), sni);
        let handshake = tokio::time::timeout(PATIENCE, handshake);
        let io = handshake.await.expect("a handshake in time")?;
        Ok(match http {
            Http::One => Connection::One(Box::new(io)),
            Http::Two => Connection::Two(wire::http2(io).await),
        })
    }

    /// Opens connections of both versions, and is answered on them as the first line of the table says.
    pub async fn is_served(&self) {
        for http in EVERY_HTTP {
            self.is_served_over(http).await;
        }
    }

    pub async fn is_served_over(&self, http: Http) {
        let (sni, fates) = TABLE[0];
        let mut connection = self.connect(http, sni).await;
        for (host, fate) in HOSTS.into_iter().zip(fates) {
            connection.asks(sni, host, fate, 0).await;
        }
    }
}

/// How many requests [`Client::is_served`] sends.
pub const VISIT: u64 = (EVERY_HTTP.len() * HOSTS.len()) as u64;

impl Connection {
    /// Asks for a host, and is answered what is to become of it. The number tells answers apart.
    pub async fn asks(&mut self, sni: Option<&str>, host: &str, fate: Fate, number: u64) {
        let answer = tokio::time::timeout(PATIENCE, self.get(host, number));
        let (status, body) = answer.await.expect("an answer in time");
        assert_eq!(status, fate.status(), "{sni:?} {host} {fate:?}");
        let expected = match status {
            200 => format!("/{number} {} 0", sni.unwrap_or("-")),
            _ => String::new(),
        };
        assert_eq!(body, expected, "{sni:?} {host} {fate:?}");
    }

    async fn get(&mut self, host: &str, number: u64) -> (u16, String) {
        match self {
            Self::One(io) => {
                let request = format!("GET /{number} HTTP/1.1\nHost: {host}\n\n");
                let answer = wire::exchange(io, &request).await;
                (answer.status, answer.body)
            }
            Self::Two(client) => {
                let request = Request::get(format!("https://{host}/{number}"));
                let answer = wire::send2(client, request.body(()).unwrap()).await;
                (answer.status().as_u16(), answer.into_body())
            }
        }
    }
}
