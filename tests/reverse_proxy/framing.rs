//! The length and the coding of messages whose fields contradict themselves or say nothing. The upstream is written by
//! hand.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::front::{Front, get, read, request};
use crate::site::VERSIONS;
use crate::{pki, wire};

/// Starts a proxy in front of an upstream that answers every request with `answer` and closes the connection. Returns
/// what the upstream reads as well. An upload ends with `end`.
async fn before(answer: &'static str) -> (Front, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = Front::with(&format!("http://{}", listener.local_addr().unwrap()), &[]).await;
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            let is_upload = |text: &[u8]| text.windows(9).any(|part| part == b": chunked");
            while !text.ends_with(b"\r\n\r\n")
                || is_upload(&text) && !text.ends_with(b"\r\n0\r\n\r\n")
            {
                text.push(io.read_u8().await.unwrap());
            }
            sender.send(String::from_utf8(text).unwrap()).unwrap();
            let answer = answer.replace('\n', "\r\n");
            io.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (front, received)
}

/// Sends a request with these lines after `Host`, and returns the status of the answer and what the upstream read.
async fn forwarded(method: &str, rest: &str) -> (u16, Option<String>) {
    let (front, mut received) = before("HTTP/1.1 200 OK\nContent-Length: 0\n\n").await;
    let config = pki::client(&["http/1.1"]);
    let mut io = wire::connect(front.program.addr, config, Some("one.test")).await;
    let request = format!("{method} / HTTP/1.1\nHost: one.test\n{rest}");
    let answer = wire::exchange(&mut io, &request).await;
    (answer.status, received.try_recv().ok())
}

/// A client would read the rest of the body as the next answer (RFC 9112 §6.3).
#[tokio::test]
async fn an_answer_with_two_lengths_passes_as_a_whole() {
    for (length, body) in [(3, "5\nhello\n"), (30, "5\nhello\n"), (30, "")] {
        let head = format!("Content-Length: {length}\nTransfer-Encoding: chunked");
        let answer = format!("HTTP/1.1 200 OK\n{head}\n\n{body}0\n\n");
        let (front, _received) = before(answer.leak()).await;
        for alpn in VERSIONS {
            let answer = read(front.client(alpn).request(get("/")).await.unwrap()).await;
            let expected = if body.is_empty() { "" } else { "hello" };
            assert_eq!((answer.status(), &*answer.body), (200, expected), "{alpn}");
            assert_ne!(answer.field("content-length"), Some(&*length.to_string()));
        }
    }
}

#[tokio::test]
async fn a_request_with_two_lengths_passes_as_a_whole() {
    let fields = "Content-Length: 3\nTransfer-Encoding: chunked";
    let (status, seen) = forwarded("POST", &format!("{fields}\n\n5\nhello\n0\n\n")).await;
    let seen = seen.unwrap();
    assert_eq!(status, 200);
    assert!(!seen.contains("content-length"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{seen}");
}

/// Without the field, the other end would take the coded octets for the body itself.
#[tokio::test]
async fn transfer_codings_that_hyper_does_not_decode_are_not_passed_on() {
    let rest = "Transfer-Encoding: gzip, chunked\n\n5\nhello\n0\n\n";
    assert_eq!(forwarded("POST", rest).await, (501, None));

    let answer = "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n5\nhello\n0\n\n";
    let (front, _received) = before(answer).await;
    for alpn in VERSIONS {
        let answer = read(front.client(alpn).request(get("/")).await.unwrap()).await;
        answer.assert_is_bare(502);
    }
}

/// Searches are sent like this.
#[tokio::test]
async fn a_get_keeps_a_body_whose_length_is_not_known() {
    let rest = "Transfer-Encoding: chunked\n\n5\nhello\n0\n\n";
    let (status, seen) = forwarded("GET", rest).await;
    let seen = seen.unwrap();
    assert_eq!(status, 200);
    assert!(seen.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn an_answer_to_head_says_no_length_of_its_own() {
    let (front, _received) = before("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n").await;
    for alpn in VERSIONS {
        let head = request("HEAD", "/", axum::body::Body::empty());
        let answer = read(front.client(alpn).request(head).await.unwrap()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.field("content-length"), None, "{alpn}");
    }
}
