//! Where the GOAWAY comes, whatever a server writes and however its writes are cut. The server here is the test itself,
//! which writes frames by hand.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tower_misdirected::{TlsAcceptor, TlsStream, VirtualHosts};

use crate::application::config;
use crate::pki;
use crate::wire::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PING, SETTINGS,
};
use crate::wire::{self, PATIENCE};

/// What the server writes, and after which octets another frame may come.
fn script() -> (Vec<u8>, Vec<usize>) {
    let frames = [
        (Frame::new(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 100]), true),
        (Frame::new(SETTINGS, ACK, 0, []), true),
        (Frame::new(HEADERS, 0, 1, [0x88]), false),
        (Frame::new(CONTINUATION, 0, 1, []), false),
        (
            Frame::new(CONTINUATION, END_HEADERS, 1, [0, 1, b'a', 1, b'b']),
            true,
        ),
        // Its payload looks like the beginning of a frame.
        (
            Frame::new(DATA, END_STREAM, 1, Frame::graceful_goaway().bytes()),
            true,
        ),
        (Frame::new(0xfa, END_HEADERS, 0, [1, 2, 3]), true),
        (Frame::new(PING, ACK, 0, [0; 8]), true),
    ];
    let (mut bytes, mut boundaries) = (Vec::new(), Vec::new());
    for (frame, boundary) in frames {
        bytes.extend(frame.bytes());
        if boundary {
            boundaries.push(bytes.len());
        }
    }
    (bytes, boundaries)
}

/// A connection under virtual hosts of its own: the client's end, the server's, and a handle to replace them.
async fn connection(
    pipe: usize,
    alpn: &str,
) -> (
    tokio_rustls::client::TlsStream<DuplexStream>,
    TlsStream<Gated>,
    VirtualHosts,
) {
    let hosts = VirtualHosts::builder()
        .host("a.test", config())
        .build()
        .unwrap();
    let acceptor = TlsAcceptor::from(hosts.clone()).drain(Duration::ZERO);
    let (client, io) = tokio::io::duplex(pipe);
    let gate = Gate(Arc::new(Mutex::new(State {
        takes: Some(usize::MAX),
        waker: None,
    })));
    let server = Gated { io, gate };
    let client = wire::handshake(client, pki::client(&[alpn]), Some("a.test"));
    let (client, server) = tokio::join!(client, acceptor.accept(server));
    (client.unwrap(), server.unwrap(), hosts)
}

fn replace(hosts: &VirtualHosts) {
    hosts
        .replace(VirtualHosts::builder().host("a.test", config()))
        .unwrap();
}

/// Reads once, as a server does that then waits for its client.
async fn wait_for_the_client(server: &mut TlsStream<Gated>) {
    poll_fn(|context| {
        let (mut space, server) = ([0; 1], Pin::new(&mut *server));
        assert!(
            server
                .poll_read(context, &mut ReadBuf::new(&mut space))
                .is_pending()
        );
        Poll::Ready(())
    })
    .await;
}

#[derive(Clone, Copy, Debug)]
enum Writes {
    Plain,
    /// Two slices at a time.
    Vectored,
    /// One that is flushed after every piece.
    Flushed,
}

async fn write(server: &mut TlsStream<Gated>, writes: Writes, mut piece: &[u8]) {
    while !piece.is_empty() {
        let (one, other) = piece.split_at(piece.len() / 3);
        let written = poll_fn(|context| {
            let server = Pin::new(&mut *server);
            match writes {
                Writes::Vectored => {
                    let slices = [IoSlice::new(&[]), IoSlice::new(one), IoSlice::new(other)];
                    server.poll_write_vectored(context, &slices)
                }
                _ => server.poll_write(context, piece),
            }
        });
        let written = written.await.unwrap();
        assert!(written > 0, "{writes:?}");
        piece = &piece[written..];
        if let Writes::Flushed = writes {
            server.flush().await.unwrap();
        }
    }
}

/// The octets that the client gets if the server writes the script in pieces, and the hosts change after `at` octets.
async fn received(writes: Writes, size: usize, at: usize) -> Vec<u8> {
    let (script, _) = script();
    let (mut client, mut server, hosts) = connection(1 << 16, "h2").await;
    wait_for_the_client(&mut server).await;
    let mut written = 0;
    for piece in script.chunks(size) {
        if written == at {
            replace(&hosts);
        }
        write(&mut server, writes, piece).await;
        written += piece.len();
    }
    server.shutdown().await.unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    received
}

#[tokio::test]
async fn w2_the_goaway_comes_at_the_first_boundary_however_writes_are_cut() {
    let (script, boundaries) = script();
    let goaway = Frame::graceful_goaway().bytes();
    for (size, writes) in [
        (1, Writes::Plain),
        (2, Writes::Flushed),
        (4, Writes::Vectored),
        (9, Writes::Plain),
        (13, Writes::Vectored),
        (30, Writes::Flushed),
        (script.len(), Writes::Plain),
        (script.len(), Writes::Vectored),
    ] {
        for at in (0..script.len()).step_by(size) {
            let mut expected = script.clone();
            let first = *boundaries.iter().find(|&&boundary| boundary >= at).unwrap();
            // After the last octet nobody writes any more, and the connection is closed.
            if first < script.len() {
                expected.splice(first..first, goaway.iter().copied());
            }
            let received = received(writes, size, at).await;
            assert_eq!(
                received, expected,
                "{writes:?} of {size}, changed after {at}"
            );
        }
    }
}

#[tokio::test]
async fn w2_without_a_change_every_octet_is_the_servers() {
    let (script, _) = script();
    for (size, writes) in [
        (1, Writes::Plain),
        (7, Writes::Vectored),
        (script.len(), Writes::Flushed),
    ] {
        assert_eq!(received(writes, size, usize::MAX).await, script);
    }
}

/// The server itself says GOAWAY, with a lower stream than ours. No later one may name a higher (RFC 9113 §6.8).
#[tokio::test]
async fn w2_after_a_goaway_of_the_server_no_other_is_sent() {
    let lower = Frame::new(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 0]).bytes();
    let script = [Frame::new(SETTINGS, 0, 0, []).bytes(), lower.clone()].concat();
    let more = Frame::new(PING, ACK, 0, [0; 8]).bytes();
    // Before the server's GOAWAY, in the middle of it, and after it.
    for at in script.len() - lower.len()..=script.len() {
        let (mut client, mut server, hosts) = connection(1 << 16, "h2").await;
        wait_for_the_client(&mut server).await;
        server.write_all(&script[..at]).await.unwrap();
        replace(&hosts);
        server.write_all(&script[at..]).await.unwrap();
        server.write_all(&more).await.unwrap();
        server.flush().await.unwrap();
        wait_for_the_client(&mut server).await;
        server.shutdown().await.unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        let mut expected = [&script[..], &more].concat();
        if at == script.len() - lower.len() {
            let goaway = Frame::graceful_goaway().bytes();
            expected.splice(at..at, goaway);
        }
        assert_eq!(received, expected, "changed after {at}");
    }
}

/// A server that speaks something else than ALPN says, for which a replacement comes after every octet.
#[tokio::test]
async fn w2_what_is_not_http2_is_left_alone_though_alpn_says_so() {
    let not_settings = Frame::new(DATA, 0, 0, [0; 9]).bytes();
    let on_a_stream = Frame::new(SETTINGS, 0, 1, []).bytes();
    let acknowledgement = Frame::new(SETTINGS, ACK, 0, []).bytes();
    let texts = [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        &not_settings,
        &on_a_stream,
        &acknowledgement,
    ];
    for text in texts {
        for at in 0..text.len() {
            let (mut client, mut server, hosts) = connection(1 << 16, "h2").await;
            wait_for_the_client(&mut server).await;
            server.write_all(&text[..at]).await.unwrap();
            replace(&hosts);
            server.write_all(&text[at..]).await.unwrap();
            server.flush().await.unwrap();
            wait_for_the_client(&mut server).await;
            server.shutdown().await.unwrap();
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            assert_eq!(received, text, "changed after {at}");
        }
    }
}

/// Two tasks use the two halves of the stream, and the transport wakes only the one that asked last. Neither may take
/// the other's place.
#[tokio::test]
async fn w2_a_writer_that_waits_is_not_forgotten() {
    // Six frames are more than TLS keeps for a transport that takes nothing, so the writer waits in the middle of one.
    // With a single one it waits until all has been taken.
    for (at_most, frames) in [
        (1, 6),
        (20, 6),
        (1_000, 6),
        (1 << 20, 6),
        (1, 1),
        (1 << 20, 1),
    ] {
        let settings = Frame::new(SETTINGS, 0, 0, []).bytes();
        let data = Frame::new(DATA, 0, 1, vec![1; 16_384]).bytes();
        let (mut client, mut server, hosts) = connection(1 << 20, "h2").await;
        let gate = server.get_ref().0.gate.clone();
        wait_for_the_client(&mut server).await;
        server.write_all(&settings).await.unwrap();
        gate.close();
        let (mut reader, mut writer) = tokio::io::split(server);
        let written = data.repeat(frames);
        let mut writing = tokio::spawn({
            let written = written.clone();
            async move {
                writer.write_all(&written).await.unwrap();
                writer.flush().await.unwrap();
                writer
            }
        });
        let mut reading = tokio::spawn(async move {
            let mut nothing = Vec::new();
            reader.read_to_end(&mut nothing).await.map(|_| nothing)
        });
        settle(&mut writing).await;
        settle(&mut reading).await;
        replace(&hosts);
        settle(&mut reading).await;
        gate.open(at_most);
        let mut received = vec![0; settings.len() + written.len() + 17];
        let all = tokio::time::timeout(PATIENCE, client.read_exact(&mut received)).await;
        all.expect("no task was forgotten").unwrap();
        assert_eq!(count(&received, &Frame::graceful_goaway().bytes()), 1);
        let writer = tokio::time::timeout(PATIENCE, writing)
            .await
            .unwrap()
            .unwrap();
        client.shutdown().await.unwrap();
        let read = tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(read.unwrap(), b"");
        drop(writer);
    }
}

/// A GOAWAY that an idle connection cannot send at once waits for the transport, and so does nobody else.
#[tokio::test]
async fn w2_an_idle_connection_sends_the_goaway_when_the_transport_takes_it() {
    for at_most in [1, 5, 1 << 20] {
        let settings = Frame::new(SETTINGS, 0, 0, []).bytes();
        let (mut client, mut server, hosts) = connection(1 << 20, "h2").await;
        let gate = server.get_ref().0.gate.clone();
        server.write_all(&settings).await.unwrap();
        server.flush().await.unwrap();
        let mut reading = tokio::spawn(async move {
            let mut nothing = Vec::new();
            server
                .read_to_end(&mut nothing)
                .await
                .map(|_| (server, nothing))
        });
        settle(&mut reading).await;
        gate.close();
        replace(&hosts);
        settle(&mut reading).await;
        gate.open(at_most);
        let mut received = vec![0; settings.len() + 17];
        let all = tokio::time::timeout(PATIENCE, client.read_exact(&mut received)).await;
        all.expect("the GOAWAY").unwrap();
        let expected = [settings, Frame::graceful_goaway().bytes()].concat();
        assert_eq!(received, expected);
        client.shutdown().await.unwrap();
        let read = tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(read.unwrap().1, b"");
    }
}

/// Lets a task run until it waits.
async fn settle<T>(task: &mut tokio::task::JoinHandle<T>) {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!task.is_finished(), "it waits");
}

/// A transport that takes nothing while its gate is closed.
#[derive(Debug)]
struct Gated {
    io: DuplexStream,
    gate: Gate,
}

#[derive(Clone, Debug)]
struct Gate(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// How many octets a write takes, or none.
    takes: Option<usize>,
    /// As a socket does, it knows only who asked last.
    waker: Option<Waker>,
}

impl Gate {
    fn close(&self) {
        self.0.lock().unwrap().takes = None;
    }

    fn open(&self, takes: usize) {
        let mut state = self.0.lock().unwrap();
        state.takes = Some(takes);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<usize> {
        let mut state = self.0.lock().unwrap();
        match state.takes {
            Some(takes) => Poll::Ready(takes),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buf)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let takes = ready!(self.gate.poll(context)).min(buf.len());
        Pin::new(&mut self.io).poll_write(context, &buf[..takes])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.gate.poll(context));
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

fn count(bytes: &[u8], part: &[u8]) -> usize {
    bytes
        .windows(part.len())
        .filter(|window| *window == part)
        .count()
}
