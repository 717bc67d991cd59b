//! Clients that offer their sessions to any host, whatever the server name they began with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use h2::client::SendRequest;
use http::{Method, Request, Response};
use quinn::{Endpoint, ZeroRttAccepted};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::version::TLS12;
use rustls::{ClientConfig, HandshakeKind};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::memory::Sessions;
use crate::pki::{self, AnyCertificate, Leaf};
use crate::wire::http3::{Client3, quic_client, quic_config, send3, try_http3};
use crate::wire::{self, PATIENCE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
    Three,
}

/// Every version of HTTP.
pub const EVERY_HTTP: [Http; 3] = [Http::One, Http::Two, Http::Three];

impl Http {
    fn alpn(self) -> &'static str {
        match self {
            Self::One => "http/1.1",
            Self::Two => "h2",
            Self::Three => "h3",
        }
    }
}

/// A client with one memory for all its sessions.
pub struct Visitor {
    http: Http,
    pub config: ClientConfig,
    sessions: Arc<Sessions>,
    full_handshakes: Arc<AtomicUsize>,
    endpoint: Endpoint,
}

impl Visitor {
    pub fn new(http: Http, certificate: Option<&Leaf>) -> Self {
        let config = match certificate {
            Some(leaf) => pki::client_with_certificate(&[http.alpn()], leaf),
            None => pki::client(&[http.alpn()]),
        };
        Self::with_config(http, config)
    }

    /// One that speaks nothing newer than TLS 1.2.
    pub fn tls12(http: Http, certificate: Option<&Leaf>) -> Self {
        let mut config = pki::client_of(&[http.alpn()], &[&TLS12], pki::provider());
        if let Some(leaf) = certificate {
            let with_certificate = pki::client_with_certificate(&[], leaf);
            config.client_auth_cert_resolver = with_certificate.client_auth_cert_resolver;
        }
        Self::with_config(http, config)
    }

    fn with_config(http: Http, mut config: ClientConfig) -> Self {
        let sessions = Arc::new(Sessions::default());
        config.resumption = Resumption::store(sessions.clone());
        let verifier = AnyCertificate::new(pki::provider());
        let full_handshakes = verifier.shown.clone();
        config.dangerous().set_certificate_verifier(verifier);
        Self {
            http,
            config,
            sessions,
            full_handshakes,
            endpoint: quic_client(),
        }
    }

    pub fn http(&self) -> Http {
        self.http
    }

    /// Speaks another version of HTTP from now on.
    pub fn switch_to(&mut self, http: Http) {
        self.http = http;
        self.config.alpn_protocols = vec![http.alpn().into()];
    }

    /// Waits until there is a session to offer. Tickets may come after the first answer.
    pub async fn has_session(&self) {
        let mut kept = self.sessions.kept.subscribe();
        let kept = tokio::time::timeout(PATIENCE, kept.wait_for(|kept| *kept > 0));
        kept.await.expect("a session in time").unwrap();
    }

    /// Whether there is a session to offer.
    pub fn has_any_session(&self) -> bool {
        *self.sessions.kept.borrow() > 0
    }

    /// How many sessions have been offered.
    pub fn offered(&self) -> usize {
        self.sessions.offered.load(Ordering::SeqCst)
    }

    /// Opens a connection with this server name, or with none. Whether the server wants a certificate
    /// that the client does not have shows only when something is read.
    pub async fn connect(&self, addr: SocketAddr, sni: Option<&str>) -> Result<Connection, String> {
        if self.http == Http::Three {
            return self.connect_quic(addr, sni).await;
        }
        let tcp = TcpStream::connect(addr).await.unwrap();
        let handshake = wire::handshake(tcp, self.config.clone(), sni);
        let handshake = tokio::time::timeout(PATIENCE, handshake).await;
        let io = handshake.expect("a handshake in time").map_err(text)?;
        let resumed = io.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let presented = io.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        let stream = match self.http {
            Http::Two => {
                let (client, connection) = h2::client::handshake(io).await.map_err(text)?;
                tokio::spawn(connection);
                Stream::Two(client)
            }
            _ => Stream::One(Box::new(io)),
        };
        Ok(Connection {
            stream,
            resumed,
            presented,
        })
    }

    async fn connect_quic(
        &self,
        addr: SocketAddr,
        sni: Option<&str>,
    ) -> Result<Connection, String> {
        let full_before = self.full_handshakes.load(Ordering::SeqCst);
        let connected = tokio::time::timeout(PATIENCE, self.connecting(addr, sni));
        let connection = connected.await.expect("a handshake in time");
        let connection = connection.map_err(text)?;
        let resumed = self.full_handshakes.load(Ordering::SeqCst) == full_before;
        Connection::over_quic(connection, resumed).await
    }

    /// Opens a QUIC connection that sends data at once, under a session that it resumes.
    pub async fn connect_early(
        &self,
        addr: SocketAddr,
        sni: Option<&str>,
    ) -> (Connection, ZeroRttAccepted) {
        let connecting = self.connecting(addr, sni);
        let (connection, accepted) = connecting.into_0rtt().expect("a session with 0-RTT");
        let connection = Connection::over_quic(connection, true).await;
        (connection.unwrap(), accepted)
    }

    fn connecting(&self, addr: SocketAddr, sni: Option<&str>) -> quinn::Connecting {
        let mut config = self.config.clone();
        config.enable_sni = sni.is_some();
        let name = sni.unwrap_or("unused.invalid");
        self.endpoint
            .connect_with(quic_config(config), addr, name)
            .unwrap()
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// An open connection.
pub struct Connection {
    stream: Stream,
    resumed: bool,
    presented: Vec<u8>,
}

enum Stream {
    One(Box<TlsStream<TcpStream>>),
    Two(SendRequest<Bytes>),
    Three(Client3, quinn::Connection),
}

impl Connection {
    pub async fn over_quic(connection: quinn::Connection, resumed: bool) -> Result<Self, String> {
        // There is none yet where data are sent early.
        let presented = match connection.peer_identity() {
            Some(chain) => chain.downcast::<Vec<CertificateDer<'_>>>().unwrap()[0].to_vec(),
            None => Vec::new(),
        };
        Ok(Self {
            stream: Stream::Three(
                try_http3(connection.clone()).await.map_err(text)?,
                connection,
            ),
            resumed,
            presented,
        })
    }

    /// Whether the handshake resumed a session.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// The server's certificate, as the client saw it.
    pub fn presented(&self) -> &[u8] {
        &self.presented
    }

    /// Sends a GET for this authority and reads the whole answer.
    pub async fn get(&mut self, authority: &str) -> Result<Response<String>, String> {
        let answer = async {
            match &mut self.stream {
                Stream::One(_) => {
                    let request = format!("GET / HTTP/1.1\nHost: {authority}\n\n");
                    self.text1(&request).await
                }
                Stream::Two(_) => self.request2(wire::get2(Some(authority), &[])).await,
                Stream::Three(client, _) => {
                    let request = Request::get(format!("https://{authority}/"));
                    send3(client, request.body(()).unwrap()).await.map_err(text)
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.expect("an answer in time")
    }

    /// Sends this over HTTP/1.1, in which `\n` stands for CRLF.
    pub async fn text1(&mut self, request: &str) -> Result<Response<String>, String> {
        let Stream::One(io) = &mut self.stream else {
            panic!("not HTTP/1.1");
        };
        let answer = wire::try_exchange(io, request).await.map_err(text)?;
        let response = Response::builder().status(answer.status);
        Ok(response.body(answer.body).unwrap())
    }

    /// Sends this over HTTP/2.
    pub async fn request2(&mut self, request: Request<()>) -> Result<Response<String>, String> {
        let Stream::Two(client) = &self.stream else {
            panic!("not HTTP/2");
        };
        wire::try_send2(client, request).await.map_err(text)
    }

    /// Sends a GET over HTTP/3 with these fields beside `:method`, `:scheme` and `:path`, none of which
    /// has more than 126 octets, and reads the status of the answer.
    pub async fn fields3(&mut self, fields: &[(&str, &str)]) -> Result<Response<String>, String> {
        let Stream::Three(_, connection) = &self.stream else {
            panic!("not HTTP/3");
        };
        // RFC 9204, Appendix A and §4.5: no dynamic table; GET, https and / from the static one; and
        // literals with literal names, `:authority` first.
        let mut section = vec![0, 0, 0xc0 | 17, 0xc0 | 23, 0xc0 | 1];
        for (name, value) in fields {
            section.push(0x20 | u8::try_from(name.len().min(7)).unwrap());
            if name.len() >= 7 {
                section.push(u8::try_from(name.len() - 7).unwrap());
            }
            section.extend_from_slice(name.as_bytes());
            section.push(u8::try_from(value.len()).unwrap());
            section.extend_from_slice(value.as_bytes());
        }
        // RFC 9114 §7.2.2, the length as a variable-length integer of two octets.
        let [high, low] = u16::try_from(section.len()).unwrap().to_be_bytes();
        let frame = [&[1, 0x40 | high, low], &section[..]].concat();
        let answer = async {
            let (mut send, mut receive) = connection.open_bi().await.map_err(text)?;
            send.write_all(&frame).await.map_err(text)?;
            send.finish().map_err(text)?;
            receive.read_to_end(1 << 16).await.map_err(text)
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.expect("an answer in time")?;
        let status = match answer.as_slice() {
            [1, _, 0, 0, 0xd9, ..] => 200,
            [1, _, 0, 0, 0xff, 4, ..] => 400,
            [1, _, 0, 0, 0xff, 6, ..] => 421,
            other => panic!("{other:x?}"),
        };
        Ok(Response::builder()
            .status(status)
            .body(String::new())
            .unwrap())
    }

    /// Sends a POST with the beginning of a body, and the rest only if the answer does not come before.
    pub async fn post(
        &mut self,
        authority: &str,
        rest: Option<&'static str>,
    ) -> Result<Response<String>, String> {
        let begin = "begin";
        let rest = rest.unwrap_or_default();
        let answer = async {
            match &mut self.stream {
                Stream::One(_) => {
                    // One octet more than comes, where nothing more is to come.
                    let length = begin.len() + rest.len().max(1);
                    let request = format!(
                        "POST / HTTP/1.1\nHost: {authority}\nContent-Length: {length}\n\n{begin}{rest}"
                    );
                    self.text1(&request).await
                }
                Stream::Two(client) => {
                    let request = wire::request2(Method::POST, "https", Some(authority), &[]);
                    let mut client = client.clone().ready().await.map_err(text)?;
                    let (answer, mut body) = client.send_request(request, false).map_err(text)?;
                    body.send_data(begin.into(), false).map_err(text)?;
                    if !rest.is_empty() {
                        body.send_data(rest.into(), true).map_err(text)?;
                    }
                    let answer = wire::read2(answer.await.map_err(text)?).await;
                    drop(body);
                    Ok(answer)
                }
                Stream::Three(client, _) => {
                    let request = Request::post(format!("https://{authority}/"));
                    let request = request.body(()).unwrap();
                    let stream = client.clone().send_request(request).await;
                    let mut stream = stream.map_err(text)?;
                    stream.send_data(begin.into()).await.map_err(text)?;
                    if !rest.is_empty() {
                        stream.send_data(rest.into()).await.map_err(text)?;
                        stream.finish().await.map_err(text)?;
                    }
                    let response = stream.recv_response().await.map_err(text)?;
                    let mut body = Vec::new();
                    while let Some(mut data) = stream.recv_data().await.map_err(text)? {
                        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
                    }
                    Ok(response.map(|()| String::from_utf8(body).unwrap()))
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.expect("an answer in time")
    }
}
