//! What a server answers in each row of the table. What the README states is in `table`.
//!
//! The site is the same everywhere. One certificate names a.test, b.test and 127.0.0.1, and connections without a server
//! name get it too. old.test has a certificate of its own. A wildcard certificate covers www.w.test and admin.w.test, and
//! only admin.w.test requires client certificates.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use h2::client::SendRequest;
use http::header::CACHE_CONTROL;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::version::TLS13;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::memory::Sessions;
use crate::{pki, wire};

/// A cell of the table, behind the text that begins its row.
pub type Cell = (&'static str, String);

/// Asks over HTTP/1.1 and HTTP/2. Where the answers differ, the cell has both.
pub async fn measure(addr: SocketAddr) -> Vec<Cell> {
    let http1 = Client::new("http/1.1", addr).rows().await;
    let http2 = Client::new("h2", addr).rows().await;
    let cells = http1.into_iter().zip(http2);
    cells
        .map(|((row, http1), (_, http2))| match http1 == http2 {
            true => (row, http1),
            false => (row, format!("{http1} over HTTP/1.1, {http2} over HTTP/2")),
        })
        .collect()
}

/// A client without a certificate.
struct Client {
    alpn: &'static str,
    addr: SocketAddr,
}

/// What came back, or why nothing did.
type Answered = Result<Answer, String>;

struct Answer {
    status: u16,
    no_store: bool,
}

/// Under TLS 1.3, a server may refuse a client after the client's side of the handshake, so any end without an answer is
/// a refusal.
fn cell(answered: &Answered) -> String {
    match answered {
        Ok(answer) => answer.status.to_string(),
        Err(_) => "refused".into(),
    }
}

impl Client {
    fn new(alpn: &'static str, addr: SocketAddr) -> Self {
        Self { alpn, addr }
    }

    async fn rows(&self) -> [Cell; 7] {
        let shared = self.crosses("a.test", "b.test").await;
        let client_certificates = self.crosses("www.w.test", "admin.w.test").await;
        let other_certificate = self.crosses("a.test", "old.test").await;
        let spelled = self.crosses("a.test", "A.TEST.:8443").await;
        let address = self.visits(None, "127.0.0.1").await;
        let resumed = self.resumes("www.w.test", "admin.w.test").await;
        // Without a session, the server asks for the certificate that the client does not have.
        let full = self.visits(Some("admin.w.test"), "admin.w.test").await;
        assert_ne!(cell(&full), "200", "admin.w.test without a certificate");
        self.every_host_is_served_on_connections_of_its_own().await;
        let refusal = client_certificates.as_ref().ok();
        let no_store = match refusal.filter(|answer| answer.status == 421) {
            Some(answer) if answer.no_store => "yes",
            Some(_) => "no",
            None => "no 421",
        };
        [
            (
                "a host with the same certificate and TLS settings",
                cell(&shared),
            ),
            (
                "`admin`, which requires client certificates",
                cell(&client_certificates),
            ),
            ("a host with another certificate", cell(&other_certificate)),
            ("`WWW.EXAMPLE.COM.:8443`", cell(&spelled)),
            (
                "the server's IP address, which the certificate covers",
                cell(&address),
            ),
            (
                "`admin` on a new connection, resuming the TLS 1.3 session",
                cell(&resumed),
            ),
            ("`no-store` on the 421", no_store.into()),
        ]
    }

    fn config(&self) -> ClientConfig {
        pki::client(&[self.alpn])
    }

    /// Opens a connection of `host`'s own that has served it.
    async fn opens_for(&self, host: &str, config: ClientConfig) -> Connection {
        let connection = Connection::open(self.addr, config, Some(host)).await;
        let mut connection = connection.expect(host);
        let answer = connection.ask(host).await.expect(host);
        assert_eq!(answer.status, 200, "{host} on a connection of its own");
        connection
    }

    /// Asks for `host` on a connection that has served `own`, as a client does that reuses connections.
    async fn crosses(&self, own: &str, host: &str) -> Answered {
        let mut connection = self.opens_for(own, self.config()).await;
        connection.ask(host).await
    }

    /// Asks for `host` on a new connection with this server name, or with none.
    async fn visits(&self, sni: Option<&str>, host: &str) -> Answered {
        let mut connection = Connection::open(self.addr, self.config(), sni).await?;
        connection.ask(host).await
    }

    /// Asks for `host` on a connection of its own that offers a session begun at `own`.
    async fn resumes(&self, own: &str, host: &str) -> Answered {
        let sessions = Arc::new(Sessions::default());
        let mut config = pki::client_of(&[self.alpn], &[&TLS13], pki::provider());
        config.resumption = Resumption::store(sessions.clone());
        // It stays open: HTTP/2 reads sessions in the background.
        let _first = self.opens_for(own, config.clone()).await;
        let mut kept = sessions.kept.subscribe();
        let kept = tokio::time::timeout(wire::PATIENCE, kept.wait_for(|kept| *kept > 0));
        kept.await.expect("a session in time").unwrap();
        let second = Connection::open(self.addr, config, Some(host)).await;
        assert_eq!(sessions.offered.load(Ordering::SeqCst), 1);
        second?.ask(host).await
    }

    /// Checks that the site is as the rows say, so that no answer above has another cause.
    async fn every_host_is_served_on_connections_of_its_own(&self) {
        let certificate = pki::leaf(&["client.test"]);
        let config = pki::client_with_certificate(&[self.alpn], &certificate);
        let mut presented = Vec::new();
        for host in ["a.test", "b.test", "old.test", "www.w.test", "admin.w.test"] {
            let connection = self.opens_for(host, config.clone()).await;
            presented.push(connection.presented);
        }
        let [a, b, old, www, admin] = &presented[..] else {
            unreachable!("five hosts");
        };
        assert!(a == b && www == admin, "hosts that share a certificate");
        assert!(a != old && a != www, "hosts that do not");
        if let Ok(connection) = Connection::open(self.addr, config, None).await {
            assert!(connection.presented == *a, "without a server name");
        }
    }
}

/// An open connection, and the certificate that the server presented on it.
struct Connection {
    presented: Vec<u8>,
    stream: Stream,
}

enum Stream {
    One(Box<TlsStream<TcpStream>>),
    Two(SendRequest<Bytes>),
}

impl Connection {
    async fn open(
        addr: SocketAddr,
        config: ClientConfig,
        sni: Option<&str>,
    ) -> Result<Self, String> {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let handshake = wire::handshake(tcp, config, sni);
        let handshake = tokio::time::timeout(wire::PATIENCE, handshake).await;
        let io = handshake.expect("a handshake in time").map_err(text)?;
        let session = &io.get_ref().1;
        let presented = session.peer_certificates().unwrap()[0].to_vec();
        let stream = match session.alpn_protocol() {
            Some(b"h2") => {
                let (client, connection) = h2::client::handshake(io).await.map_err(text)?;
                tokio::spawn(connection);
                Stream::Two(client)
            }
            _ => Stream::One(Box::new(io)),
        };
        Ok(Self { presented, stream })
    }

    /// Sends a GET. Under TLS 1.3, a server that misses a client's certificate says so only here.
    async fn ask(&mut self, host: &str) -> Answered {
        match &mut self.stream {
            Stream::One(io) => {
                let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
                let answer = wire::try_exchange(io, &request).await.map_err(text)?;
                let cache_control = answer.header("cache-control").unwrap_or_default();
                Ok(Answer {
                    status: answer.status,
                    no_store: cache_control.contains("no-store"),
                })
            }
            Stream::Two(client) => {
                let request = wire::get2(Some(host), &[]);
                let answer = wire::try_send2(client, request);
                let answer = tokio::time::timeout(wire::PATIENCE, answer).await;
                let answer = answer.expect("an answer in time").map_err(text)?;
                let cache_control = answer.headers().get(CACHE_CONTROL);
                let no_store = cache_control.is_some_and(|value| {
                    let value = value.to_str().unwrap_or_default();
                    value.contains("no-store")
                });
                Ok(Answer {
                    status: answer.status().as_u16(),
                    no_store,
                })
            }
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
