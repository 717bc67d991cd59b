//! TLS handshakes in memory, one poll at a time and in one thread, so that whatever the server's side
//! costs can be told from the client's.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, DuplexStream, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The name that every client asks for.
pub const NAME: &str = "www.bench.test";

/// Handshakes have a time limit, and so need a runtime to keep the time.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs the handshake between a client and what `accept` does with the other end.
pub fn handshake<S, F>(
    client: &Arc<ClientConfig>,
    accept: impl FnOnce(DuplexStream) -> F,
) -> (TlsStream<DuplexStream>, S)
where
    F: Future<Output = io::Result<S>>,
{
    let (near, far) = tokio::io::duplex(1 << 14);
    let name = ServerName::try_from(NAME).unwrap();
    let mut server = pin!(accept(far));
    let mut client = pin!(TlsConnector::from(client.clone()).connect(name, near));
    let mut context = Context::from_waker(Waker::noop());
    let (mut accepted, mut connected) = (None, None);
    loop {
        // The server is there first, as it is where a connection has come and its data has not.
        if accepted.is_none() {
            accepted = ready(server.as_mut().poll(&mut context));
        }
        if connected.is_none() {
            connected = ready(client.as_mut().poll(&mut context));
        }
        if let (Some(_), Some(connected)) = (&accepted, &mut connected) {
            take_tickets(connected, &mut context);
            break;
        }
    }
    (connected.unwrap(), accepted.unwrap())
}

fn ready<T>(poll: Poll<io::Result<T>>) -> Option<T> {
    match poll {
        Poll::Ready(result) => Some(result.unwrap()),
        Poll::Pending => None,
    }
}

/// TLS 1.3 sends tickets after the handshake (RFC 8446 §4.6.1), and a client sees them when it reads.
fn take_tickets(client: &mut TlsStream<DuplexStream>, context: &mut Context<'_>) {
    let mut buffer = [0];
    let poll = Pin::new(client).poll_read(context, &mut ReadBuf::new(&mut buffer));
    assert!(poll.is_pending(), "the server has nothing to say");
}
