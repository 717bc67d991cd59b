//! Clients of the server: a connection of any version, and what came back on it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use quinn::Endpoint;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::messages::Ready;
use crate::pki::{self, Leaf};
use crate::site::{Fate, HOSTS, TABLE};
use crate::wire::http3::{Client3, connect_quic, http3, quic_client, send3};
use crate::wire::{self, PATIENCE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
    Three,
}

pub const OVER_TCP: [Http; 2] = [Http::One, Http::Two];

/// Opens connections to one server, and shows a certificate where it is asked for one.
#[derive(Clone)]
pub struct Client {
    pub addr: SocketAddr,
    pub quic: SocketAddr,
    pub configs: [Arc<ClientConfig>; 3],
    /// From which it connects over QUIC.
    pub endpoint: Endpoint,
}

pub enum Connection {
    One(Box<TlsStream<TcpStream>>),
    Two(SendRequest<Bytes>),
    Three(Client3, quinn::Connection),
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
            configs: [config("http/1.1"), config("h2"), config("h3")],
            endpoint: quic_client(),
        }
    }

    fn config(&self, http: Http) -> Arc<ClientConfig> {
        self.configs[http as usize].clone()
    }

    pub async fn connect(&self, http: Http, sni: Option<&str>) -> Connection {
        if let Http::Three = http {
            let connecting = connect_quic(&self.endpoint, self.quic, self.config(http), sni);
            let quic = connecting.await.unwrap();
            return Connection::Three(http3(quic.clone()).await, quic);
        }
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
            Http::Three => panic!("HTTP/3 over TCP"),
        })
    }

    /// Opens a connection of each version over TCP, and is answered on it as the first line of the table says.
    pub async fn is_served(&self) {
        for http in OVER_TCP {
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
pub const VISIT: u64 = (OVER_TCP.len() * HOSTS.len()) as u64;

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

    /// The same connection, for requests beside others.
    pub fn lane(&self) -> Self {
        match self {
            Self::One(_) => panic!("HTTP/1 has no streams"),
            Self::Two(client) => Self::Two(client.clone()),
            Self::Three(client, quic) => Self::Three(client.clone(), quic.clone()),
        }
    }

    async fn get(&mut self, host: &str, number: u64) -> (u16, String) {
        let uri = format!("https://{host}/{number}");
        match self {
            Self::One(io) => {
                let request = format!("GET /{number} HTTP/1.1\nHost: {host}\n\n");
                let answer = wire::exchange(io, &request).await;
                (answer.status, answer.body)
            }
            Self::Two(client) => {
                let request = Request::get(uri).body(()).unwrap();
                let answer = wire::send2(client, request).await;
                (answer.status().as_u16(), answer.into_body())
            }
            Self::Three(client, quic) => {
                let request = Request::get(uri).body(()).unwrap();
                let answer = send3(client, request).await.unwrap();
                // C3, W3: whatever the answer.
                assert_eq!(quic.close_reason(), None, "{host}");
                (answer.status().as_u16(), answer.into_body())
            }
        }
    }
}
