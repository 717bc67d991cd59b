//! Clients that go in the middle: of a handshake, and of a request's body, be it served or refused. Nothing
//! of theirs stays behind, and nothing of anybody else's is lost.

use bytes::Bytes;
use h2::{Reason, SendStream};
use h3::client::RequestStream;
use h3::error::Code;
use h3_quinn::BidiStream;
use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use crate::client::{Client, Connection, Http, VISIT};
use crate::hello::{client_hello, hear, say};
use crate::messages::{FRONTS, Settings};
use crate::number;
use crate::process::Server;
use crate::site::Fate;
use crate::wire;
use crate::wire::http3::Client3;

const SNI: Option<&str> = Some("www.test");

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Close,
    Reset,
    /// First its stream of HTTP/2 or HTTP/3 alone.
    ResetStream,
}

impl Way {
    /// What becomes of a connection when it is dropped.
    fn on_drop(self, tcp: &TcpStream) {
        if let Self::Reset = self {
            tcp.set_zero_linger().unwrap();
        }
    }
}

#[tokio::test]
async fn d3_clients_that_go_in_the_middle_of_a_handshake_leave_nothing_behind() {
    let each = number(20, 500);
    let hello = client_hello();
    for front in FRONTS {
        let settings = Settings {
            front,
            ..Settings::default()
        };
        let (mut server, client) = Server::start(settings).await;
        let mut gone = 0;
        for way in [Way::Close, Way::Reset] {
            for _ in 0..each {
                for (said, hears) in [
                    (0, false),
                    (hello.len() / 2, false),
                    (hello.len(), false),
                    (hello.len(), true),
                ] {
                    let mut tcp = say(client.addr, &hello[..said]).await;
                    way.on_drop(&tcp);
                    if hears {
                        // ServerHello is on its way, and what follows it stays unread.
                        hear(&mut tcp).await;
                    }
                    gone += 1;
                }
            }
            client.is_served().await;
        }
        server.comes_to(0).await;
        let counts = server.ends().await;
        assert_eq!(counts.handshakes_failed, gone);
        assert_eq!(counts.judged(), 2 * VISIT);
        println!(
            "{front:?}: {gone} clients gone in the middle of a handshake, nothing left behind"
        );
    }
}

/// A client that has sent a part of a request's body.
enum Sending {
    One(Box<TlsStream<TcpStream>>),
    Two {
        body: SendStream<Bytes>,
        /// The response, and with it the connection.
        response: h2::client::ResponseFuture,
        connection: JoinHandle<Result<(), h2::Error>>,
    },
    Three {
        stream: Box<RequestStream<BidiStream<Bytes>, Bytes>>,
        /// Without it the connection ends.
        _client: Client3,
        quic: quinn::Connection,
    },
}

impl Sending {
    /// Posts to a host, ten octets of a thousand.
    async fn begin(client: &Client, http: Http, way: Way, host: &str) -> Self {
        let request = Request::post(format!("https://{host}/")).header("content-length", 1000);
        let request = request.body(()).unwrap();
        if let Http::Three = http {
            let Connection::Three(mut client, quic) = client.connect(http, SNI).await else {
                unreachable!()
            };
            let mut stream = client.send_request(request).await.unwrap();
            stream.send_data("0123456789".into()).await.unwrap();
            return Self::Three {
                stream: Box::new(stream),
                _client: client,
                quic,
            };
        }
        let tcp = TcpStream::connect(client.addr).await.unwrap();
        way.on_drop(&tcp);
        let config = client.configs[http as usize].clone();
        let handshake = tokio::time::timeout(wire::PATIENCE, wire::handshake(tcp, config, SNI));
        let mut io = handshake.await.expect("a handshake in time").unwrap();
        match http {
            Http::One => {
                let request = format!(
                    "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n0123456789"
                );
                io.write_all(request.as_bytes()).await.unwrap();
                Self::One(Box::new(io))
            }
            Http::Two => {
                let (client, connection) = h2::client::handshake(io).await.unwrap();
                let connection = tokio::spawn(connection);
                let mut client = client.ready().await.unwrap();
                let (response, mut body) = client.send_request(request, false).unwrap();
                body.send_data("0123456789".into(), false).unwrap();
                Self::Two {
                    body,
                    response,
                    connection,
                }
            }
            Http::Three => unreachable!(),
        }
    }

    /// The status that comes although the body is not there.
    async fn refusal(&mut self) -> u16 {
        match self {
            Self::One(io) => wire::read_answer(io, false).await.status,
            Self::Two { response, .. } => {
                let response = tokio::time::timeout(wire::PATIENCE, response).await;
                response
                    .expect("an answer in time")
                    .unwrap()
                    .status()
                    .as_u16()
            }
            Self::Three { stream, .. } => {
                let response = tokio::time::timeout(wire::PATIENCE, stream.recv_response()).await;
                response
                    .expect("an answer in time")
                    .unwrap()
                    .status()
                    .as_u16()
            }
        }
    }

    fn resets_stream(&mut self) {
        match self {
            Self::One(_) => panic!("HTTP/1 has no streams"),
            Self::Two { body, .. } => body.send_reset(Reason::CANCEL),
            Self::Three { stream, .. } => stream.stop_stream(Code::H3_REQUEST_CANCELLED),
        }
    }

    async fn goes(self) {
        match self {
            Self::One(_) => {}
            Self::Two { connection, .. } => {
                connection.abort();
                let _ = connection.await;
            }
            Self::Three { quic, .. } => quic.close(0u32.into(), b""),
        }
    }
}

#[tokio::test]
async fn clients_that_go_in_the_middle_of_a_body_leave_nothing_behind() {
    let each = number(10, 250);
    for front in FRONTS {
        let settings = Settings {
            front,
            close_http1: true,
            ..Settings::default()
        };
        let (mut server, client) = Server::start(settings).await;
        let (mut served, mut refused) = (0, 0);
        // What is served is answered after its body, so this is seen first of requests without one.
        for http in [Http::One, Http::Two, Http::Three] {
            let mut connection = client.connect(http, SNI).await;
            let fate = Fate::DifferentConfig;
            connection.asks(SNI, "api.test", fate, 0).await;
            refused += 1;
        }
        for (http, way) in [
            (Http::One, Way::Close),
            (Http::One, Way::Reset),
            (Http::Two, Way::Close),
            (Http::Two, Way::Reset),
            (Http::Two, Way::ResetStream),
            (Http::Three, Way::Close),
            (Http::Three, Way::ResetStream),
        ] {
            let mut sending = Vec::new();
            for _ in 0..each {
                sending.push(Sending::begin(&client, http, way, "www.test").await);
                served += 1;
                let mut other = Sending::begin(&client, http, way, "api.test").await;
                // C4: it comes without the body's having been waited for.
                assert_eq!(other.refusal().await, 421);
                sending.push(other);
                refused += 1;
            }
            // The handler waits for the bodies of those that are served.
            server.until(|counts| counts.entered == served).await;
            let left = server.counts().await.left;
            assert_eq!(left, served - each as u64);
            if let Way::ResetStream = way {
                sending.iter_mut().for_each(Sending::resets_stream);
                server.until(|counts| counts.left == served).await;
            }
            for client in sending {
                client.goes().await;
            }
            server.comes_to(0).await;
        }
        let counts = server.ends().await;
        assert_eq!((counts.entered, counts.left), (served, served));
        assert_eq!(counts.verdicts["served"], served);
        assert_eq!(counts.verdicts["different_tls_config"], refused);
        println!(
            "{front:?}: {served} clients gone in the middle of a body, and {refused} when refused, nothing left behind"
        );
    }
}
