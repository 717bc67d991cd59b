//! W5: the answer to a refused upload over HTTP/1.1 arrives, whatever the client does first, and no connection stays
//! open for it that has nothing left to read. Most tests have the clock to themselves, so nothing depends on the
//! machine. The last tests are about HTTP/3.

mod pki;
mod server;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use h3::error::StreamError;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use quinn::Endpoint;
use tokio::io::{AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tower::ServiceBuilder;
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{MisdirectedLayer, TlsAcceptor};

use crate::wire::PATIENCE;
use crate::wire::http3::Client3;

fn acceptor() -> TlsAcceptor {
    TlsAcceptor::new(pki::server(&["a.test"]))
}

fn layer() -> MisdirectedLayer {
    MisdirectedLayer::new()
}

/// Answers with the length of the request's body.
fn app(layer: MisdirectedLayer) -> Router {
    let length = |body: axum::body::Body| async move {
        let body = body.collect().await;
        body.map_or("cut".into(), |body| body.to_bytes().len().to_string())
    };
    Router::new().fallback(any(length)).layer(layer.json())
}

/// A client, and a task that ends when the server has let go of the connection. Its result is when that was.
struct Connection {
    client: tokio_rustls::client::TlsStream<DuplexStream>,
    server: JoinHandle<Instant>,
}

/// A connection to a server of hyper's, through a pipe that holds so many octets.
async fn connect(acceptor: &TlsAcceptor, layer: MisdirectedLayer, pipe: usize) -> Connection {
    let (client, server) = tokio::io::duplex(pipe);
    let client = wire::handshake(client, pki::client(&["http/1.1"]), Some("a.test"));
    let (client, stream) = tokio::join!(client, acceptor.accept(server));
    let stream = stream.unwrap();
    let service = ServiceBuilder::new()
        .layer(AddExtensionLayer::new(stream.connection_info().clone()))
        .service(app(layer));
    let server = tokio::spawn(async move {
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .await;
        Instant::now()
    });
    let client = client.unwrap();
    Connection { client, server }
}

impl Connection {
    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    /// Reads the 421 and the end of what the server sends.
    async fn is_refused(&mut self) {
        let answer = wire::read_answer(&mut self.client, false).await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (421, Some("close"))
        );
        assert!(wire::closes(&mut self.client).await);
    }

    /// How long the server keeps the connection from now on, while the client keeps its end open.
    async fn kept(self) -> Duration {
        let now = Instant::now();
        let ended = timeout(Duration::from_secs(100_000), self.server).await;
        ended.expect("it ends").unwrap() - now
    }
}

const PIPE: usize = 1 << 20;
const SILENCE: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(60);

fn head(more: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: b.test\r\n{more}\r\n")
}

#[tokio::test(start_paused = true)]
async fn w5_a_connection_with_nothing_unread_ends_at_once() {
    let body = "x".repeat(3_000);
    for request in [
        "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n".into(),
        head("Content-Length: 0\r\n"),
        head("content-length: 5\r\n") + "hello",
        head("Content-Length: 3000\r\nAccept: */*\r\nUser-Agent: x\r\n") + &body,
        head("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        head("Content-Length: 5000000\r\nExpect: 100-continue\r\n"),
        head("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"),
        "GET https://b.test/?query HTTP/1.1\r\nHost: b.test\r\ncontent-length: 2\r\n\r\nhi".into(),
    ] {
        let mut connection = connect(&acceptor(), layer(), PIPE).await;
        connection.send(&request).await;
        connection.is_refused().await;
        assert_eq!(connection.kept().await, Duration::ZERO, "{request:.90}");
    }
}

/// The body comes in pieces after the answer, and the connection ends with the last of them.
#[tokio::test(start_paused = true)]
async fn w5_a_connection_ends_with_the_body() {
    let length = 500_000;
    let half = "x".repeat(length / 2);
    let chunk = format!("{:x}\r\n{half}\r\n", length / 2);
    for (request, pieces) in [
        (
            head(&format!("Content-Length: {length}\r\n")),
            [half.clone(), half.clone()],
        ),
        (
            head("Transfer-Encoding: chunked\r\n"),
            [chunk.clone(), chunk + "0\r\n\r\n"],
        ),
        (
            head(&format!("Content-Length: {length}\r\n")),
            [half[1..].to_owned(), "x".to_owned() + &half],
        ),
    ] {
        let mut connection = connect(&acceptor(), layer(), PIPE).await;
        connection.send(&request).await;
        for piece in pieces {
            tokio::time::sleep(SILENCE / 2).await;
            assert!(!connection.server.is_finished());
            connection.send(&piece).await;
        }
        connection.is_refused().await;
        assert_eq!(connection.kept().await, Duration::ZERO, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn w5_leave_to_send_that_is_not_waited_for_is_no_obstacle() {
    let mut connection = connect(&acceptor(), layer(), PIPE).await;
    let body = "x".repeat(100_000);
    let request = head("Content-Length: 200000\r\nExpect: 100-continue\r\n") + &body;
    connection.send(&request).await;
    tokio::time::sleep(SILENCE / 2).await;
    assert!(!connection.server.is_finished());
    connection.send(&body).await;
    connection.is_refused().await;
    assert_eq!(connection.kept().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn w5_a_silent_client_is_waited_for_five_seconds() {
    for length in ["Content-Length: 5000", "Transfer-Encoding: chunked"] {
        let mut connection = connect(&acceptor(), layer(), PIPE).await;
        connection
            .send(&(head(&format!("{length}\r\n")) + "3"))
            .await;
        connection.is_refused().await;
        assert_eq!(connection.kept().await, SILENCE);
    }
}

/// The end of these heads looks like the end of a body in chunks, none of which has come yet.
#[tokio::test(start_paused = true)]
async fn w5_a_head_that_ends_in_zero_is_no_end_of_a_body() {
    for last in ["X-Length: 50", "X-Length: 0", "X-Length:0", "X: a0"] {
        let mut connection = connect(&acceptor(), layer(), PIPE).await;
        let head = head(&format!("Transfer-Encoding: chunked\r\n{last}\r\n"));
        connection.send(&head).await;
        connection.is_refused().await;
        assert!(!connection.server.is_finished(), "{last}");
        connection.send("5\r\nhello\r\n0\r\n\r\n").await;
        assert_eq!(connection.kept().await, Duration::ZERO, "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn w5_a_slow_client_is_waited_for_as_long_as_was_set() {
    for (acceptor, limit) in [
        (acceptor(), LIMIT),
        (
            acceptor().linger(Duration::from_secs(17)),
            Duration::from_secs(17),
        ),
        (
            acceptor().linger(Duration::from_secs(2)),
            Duration::from_secs(2),
        ),
        (
            acceptor().linger(Duration::MAX),
            Duration::from_secs(299 + 5),
        ),
        (acceptor().linger(None), Duration::ZERO),
        (acceptor().linger(Duration::ZERO), Duration::ZERO),
    ] {
        let mut connection = connect(&acceptor, layer(), PIPE).await;
        connection.send(&head("Content-Length: 5000\r\n")).await;
        connection.is_refused().await;
        let (mut client, begun) = (connection.client, Instant::now());
        let sending = tokio::spawn(async move {
            for _ in 0..300 {
                if client.write_all(b"x").await.is_err() || client.flush().await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            client
        });
        let ended = connection.server.await.unwrap();
        assert_eq!(ended - begun, limit);
        drop(sending.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn w5_a_long_body_is_read_as_far_as_was_set() {
    let acceptor = acceptor().max_linger_bytes(300_000);
    for (length, arrives) in [(250_000, true), (2_000_000, false)] {
        let mut connection = connect(&acceptor, layer(), 10_000).await;
        let body = "x".repeat(length);
        let request = head(&format!("Content-Length: {length}\r\n"));
        connection.send(&request).await;
        let sent = connection.client.write_all(body.as_bytes()).await;
        let sent = sent.is_ok() && connection.client.flush().await.is_ok();
        assert_eq!(sent, arrives, "{length}");
        if arrives {
            connection.is_refused().await;
        }
        assert_eq!(connection.kept().await, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn w5_a_client_that_goes_is_not_waited_for() {
    for polite in [true, false] {
        let mut connection = connect(&acceptor(), layer(), PIPE).await;
        connection
            .send(&(head("Content-Length: 5000\r\n") + "half"))
            .await;
        connection.is_refused().await;
        if polite {
            connection.client.shutdown().await.unwrap();
        }
        let Connection { client, server } = connection;
        drop(client);
        let now = Instant::now();
        assert_eq!(server.await.unwrap() - now, Duration::ZERO);
    }
}

/// A connection that goes on after a refusal does not linger for it when it ends later.
#[tokio::test(start_paused = true)]
async fn w5_a_refusal_is_forgotten_when_the_connection_goes_on() {
    let mut connection = connect(&acceptor(), layer().close_http1(false), PIPE).await;
    for _ in 0..3 {
        connection
            .send(&(head("Content-Length: 5\r\n") + "hello"))
            .await;
        let answer = wire::read_answer(&mut connection.client, false).await;
        assert_eq!((answer.status, answer.header("connection")), (421, None));
    }
    connection
        .send(
            "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 4\r\n\r\n1234",
        )
        .await;
    let answer = wire::read_answer(&mut connection.client, false).await;
    assert_eq!((answer.status, &*answer.body), (200, "4"));
    assert_eq!(connection.kept().await, Duration::ZERO);
}

/// Of requests that come at once, it is not known how much of the last one is there. It lingers rather than not.
#[tokio::test(start_paused = true)]
async fn w5_a_refused_request_behind_another_is_waited_for() {
    let mut connection = connect(&acceptor(), layer(), PIPE).await;
    let first = format!(
        "GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "x".repeat(2_000)
    );
    connection
        .send(&(first + &head("Content-Length: 1000\r\n") + "half"))
        .await;
    let answer = wire::read_answer(&mut connection.client, false).await;
    assert_eq!(answer.status, 200);
    connection.is_refused().await;
    assert_eq!(connection.kept().await, SILENCE);
}

/// What came of an earlier request is no part of the refused one.
#[tokio::test(start_paused = true)]
async fn w5_a_refused_request_after_another_is_waited_for() {
    let mut connection = connect(&acceptor(), layer(), PIPE).await;
    let path = "x".repeat(2_000);
    for _ in 0..2 {
        let served = format!("GET /{path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        connection.send(&served).await;
        let answer = wire::read_answer(&mut connection.client, false).await;
        assert_eq!(answer.status, 200);
    }
    connection
        .send(&(head("Content-Length: 1000\r\n") + "half"))
        .await;
    connection.is_refused().await;
    assert_eq!(connection.kept().await, SILENCE);
}

/// A malformed request is refused too, and its client is waited for as well.
#[tokio::test(start_paused = true)]
async fn w5_a_400_arrives_too() {
    let mut connection = connect(&acceptor(), layer(), 10_000).await;
    let body = "x".repeat(500_000);
    let request = "POST / HTTP/1.1\r\nHost: a@b\r\nContent-Length: 500000\r\n\r\n";
    connection.send(&(request.to_owned() + &body)).await;
    let answer = wire::read_answer(&mut connection.client, false).await;
    assert_eq!(answer.status, 400);
    assert_eq!(connection.kept().await, Duration::ZERO);
}

/// Nothing lingers for what the layer did not refuse.
#[tokio::test(start_paused = true)]
async fn w5_a_request_that_is_served_is_no_reason_to_linger() {
    let mut connection = connect(&acceptor(), layer().report_only(true), PIPE).await;
    let request = head("Content-Length: 5\r\nConnection: close\r\n") + "hello";
    connection.send(&request).await;
    let answer = wire::read_answer(&mut connection.client, false).await;
    assert_eq!((answer.status, &*answer.body), (200, "5"));
    assert_eq!(connection.kept().await, Duration::ZERO);
}

/// Writes a whole upload of 50 MB and only then reads, as Python's `http.client` does.
async fn upload<IO>(io: &mut IO, head: &str, length: usize) -> io::Result<wire::Answer>
where
    IO: tokio::io::AsyncRead + AsyncWrite + Unpin,
{
    io.write_all(head.as_bytes()).await?;
    let piece = vec![b'x'; 1 << 16];
    let mut rest = length;
    while rest > 0 {
        let next = rest.min(piece.len());
        io.write_all(&piece[..next]).await?;
        rest -= next;
    }
    io.flush().await?;
    Ok(wire::read_answer(io, false).await)
}

const UPLOAD: usize = 50_000_000;

async fn upload_to(addr: SocketAddr) -> io::Result<wire::Answer> {
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    let head = head(&format!("Content-Length: {UPLOAD}\r\n"));
    let answer = upload(&mut io, &head, UPLOAD);
    timeout(PATIENCE, answer).await.expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w5_an_upload_of_50_mb_gets_its_421_from_axum_serve() {
    let addr = server::tls(app(layer()), acceptor()).await;
    assert_eq!(upload_to(addr).await.unwrap().status, 421);
    // Without lingering, the client cannot even send it.
    let addr = server::tls(app(layer()), acceptor().linger(None)).await;
    assert!(upload_to(addr).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w5_an_upload_of_50_mb_gets_its_421_from_axum_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = axum_server::from_tcp(listener)
        .unwrap()
        .acceptor(acceptor());
    tokio::spawn(async {
        server
            .serve(app(layer()).into_make_service())
            .await
            .unwrap()
    });
    assert_eq!(upload_to(addr).await.unwrap().status, 421);
}

/// A thousand refused uploads at once, each slow, while others are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w5_a_thousand_that_linger_cost_the_others_nothing() {
    const CLIENTS: usize = 1_000;
    let _ = rlimit::increase_nofile_limit(4_096);
    let addr = server::tls(app(layer()), acceptor()).await;
    let client = Arc::new(pki::client(&["http/1.1"]));
    let connect = |sni: &'static str| {
        let client = client.clone();
        async move { wire::connect(addr, client, Some(sni)).await }
    };
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    // A request that is served is answered after its body, so this is seen first of one without a body.
    let whole = "GET / HTTP/1.1\nHost: b.test\n\n";
    let answer = wire::exchange(&mut connect("a.test").await, whole).await;
    assert_eq!(answer.status, 421);
    let before = descriptors();
    let mut lingering = Vec::new();
    for _ in 0..CLIENTS {
        let mut io = connect("a.test").await;
        let request = head("Content-Length: 1000000\r\n") + "half";
        io.write_all(request.as_bytes()).await.unwrap();
        lingering.push(io);
    }
    for io in &mut lingering {
        assert_eq!(wire::read_answer(io, false).await.status, 421);
    }
    // All of them wait now. Others come, are served, and go.
    let mut other = connect("a.test").await;
    for _ in 0..100 {
        let answer = wire::exchange(&mut other, "GET / HTTP/1.1\nHost: a.test\n\n").await;
        assert_eq!(answer.status, 200);
        let mut new: tokio_rustls::client::TlsStream<TcpStream> = connect("a.test").await;
        let answer = wire::exchange(&mut new, "GET / HTTP/1.1\nHost: a.test\n\n").await;
        assert_eq!(answer.status, 200);
    }
    drop((lingering, other));
    // Both ends of every connection are in this process.
    let end = std::time::Instant::now() + PATIENCE;
    while descriptors() > before + 2 {
        assert!(
            std::time::Instant::now() < end,
            "{} descriptors are left",
            descriptors()
        );
        tokio::task::yield_now().await;
    }
}

/// A QUIC connection to a server with the bridge of the example `http3`.
async fn connect_quic() -> (Endpoint, Client3) {
    let mut config = Arc::unwrap_or_clone(pki::server(&["a.test"]));
    config.alpn_protocols = vec![b"h3".to_vec()];
    let addr = server::quic(app(layer()), Arc::new(config)).await;
    let endpoint = wire::http3::quic_client();
    let connection = wire::http3::connect_quic(&endpoint, addr, pki::client(&[]), Some("a.test"));
    let client = wire::http3::http3(connection.await.unwrap()).await;
    (endpoint, client)
}

fn post3() -> Request<()> {
    Request::post("https://b.test/").body(()).unwrap()
}

/// Clients on h3 do not read an answer if they are stopped while they send.
#[tokio::test]
async fn w5_http3_a_refused_request_may_end_after_its_answer() {
    let (_endpoint, mut client) = connect_quic().await;
    let mut upload = client.send_request(post3()).await.unwrap();
    assert_eq!(upload.recv_response().await.unwrap().status(), 421);
    // Its answer comes after whatever the server said about the upload.
    let other = wire::http3::get3(&client, "a.test").await;
    assert_eq!(other.status(), 200);
    upload.send_data(Bytes::from("late")).await.unwrap();
    upload.finish().await.unwrap();
}

/// RFC 9114 §4.1: the answer is complete without the rest of the request. The code 0 means H3_NO_ERROR (RFC 9114 §8).
#[tokio::test]
async fn w5_http3_a_long_upload_is_stopped_without_an_error() {
    let (_endpoint, mut client) = connect_quic().await;
    let mut upload = client.send_request(post3()).await.unwrap();
    let stopped = async {
        loop {
            let piece = Bytes::from(vec![b'x'; 10_000]);
            if let Err(error) = upload.send_data(piece).await {
                return error;
            }
        }
    };
    match timeout(PATIENCE, stopped).await.expect("an end in time") {
        StreamError::RemoteTerminate { code, .. } => assert_eq!(code.value(), 0),
        error => panic!("{error}"),
    }
    assert_eq!(upload.recv_response().await.unwrap().status(), 421);
    let other = wire::http3::get3(&client, "a.test").await;
    assert_eq!(other.status(), 200);
}

/// Octets may have been read ahead, so that a read is pending when h3 has the trailers.
#[tokio::test]
async fn w5_http3_trailers_without_an_end_do_no_harm() {
    let panics = Arc::new(AtomicUsize::new(0));
    let (count, before) = (panics.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        if info
            .location()
            .is_some_and(|place| place.file().contains("h3-quinn"))
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        before(info);
    }));
    let (_endpoint, mut client) = connect_quic().await;
    let mut uploads = Vec::new();
    for _ in 0..20 {
        let mut upload = client.send_request(post3()).await.unwrap();
        let trailers = http::HeaderMap::from_iter([(http::header::AGE, "1".parse().unwrap())]);
        upload.send_trailers(trailers).await.unwrap();
        assert_eq!(upload.recv_response().await.unwrap().status(), 421);
        // Its answer comes after what the server does with the upload.
        let other = wire::http3::get3(&client, "a.test").await;
        assert_eq!(other.status(), 200);
        uploads.push(upload);
    }
    assert_eq!(panics.load(Ordering::Relaxed), 0);
}
