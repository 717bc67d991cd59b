//! A listener that is not cancel safe, as a user would write it: it looks something up for each connection that it has
//! accepted. If its future were dropped then, the connection would be lost.

use axum::serve::Listener;
use tokio::io::{self, DuplexStream};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use tower_misdirected::{Over, TlsAcceptor, TlsListener};

use crate::wire::PATIENCE;
use crate::{pki, wire};

const CONNECTIONS: u32 = 100;

struct Lookup {
    incoming: UnboundedReceiver<(DuplexStream, u32)>,
    /// How often the look-up yields.
    turns: u32,
}

impl Listener for Lookup {
    type Io = DuplexStream;
    type Addr = u32;

    async fn accept(&mut self) -> (DuplexStream, u32) {
        let Some((io, number)) = self.incoming.recv().await else {
            return std::future::pending().await;
        };
        for _ in 0..self.turns {
            tokio::task::yield_now().await;
        }
        (io, number)
    }

    fn local_addr(&self) -> io::Result<u32> {
        Ok(7)
    }
}

type Clients = JoinSet<TlsStream<DuplexStream>>;

/// The listener, and clients that connect to it all at once and stay.
fn storm(turns: u32) -> (TlsListener<Over<Lookup>>, Clients) {
    let (sender, incoming) = mpsc::unbounded_channel();
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let listener = TlsListener::over(Lookup { incoming, turns }, acceptor);
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (near, far) = tokio::io::duplex(1 << 16);
        sender.send((near, number)).unwrap();
        clients.spawn(async {
            let client = wire::handshake(far, pki::client(&[]), Some("a.test"));
            client.await.expect("it is not lost")
        });
    }
    (listener, clients)
}

#[tokio::test]
async fn d5_handshakes_that_complete_meanwhile_cost_no_connection() {
    for turns in [1, 7, 50] {
        let (mut listener, clients) = storm(turns);
        let accepted = async {
            let mut numbers = Vec::new();
            for _ in 0..CONNECTIONS {
                numbers.push(listener.accept().await.1);
                // The future of the next connection has the listener meanwhile.
                assert_eq!(listener.local_addr().unwrap(), 7);
            }
            numbers.sort();
            assert_eq!(numbers, Vec::from_iter(0..CONNECTIONS));
        };
        let both = async { tokio::join!(accepted, clients.join_all()) };
        tokio::time::timeout(PATIENCE, both)
            .await
            .expect("an end in time");
    }
}

#[tokio::test]
async fn d5_accepting_is_cancel_safe_over_a_listener_that_is_not() {
    let (mut listener, clients) = storm(7);
    let accepted = async {
        let mut accepted = 0;
        while accepted < CONNECTIONS {
            tokio::select! {
                biased;
                _ = listener.accept() => accepted += 1,
                () = tokio::task::yield_now() => {}
            }
        }
    };
    let both = async { tokio::join!(accepted, clients.join_all()) };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("an end in time");
}

#[test]
fn d5_a_listener_over_another_can_be_shared_and_sent() {
    fn check<T: Send + Sync>() {}
    check::<TlsListener<Over<Lookup>>>();
    check::<TlsListener>();
}
