//! D6: Unix sockets, whose peers have no IP address.

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tower_misdirected::{Peers, PlaintextListener, ProxyProtocol};

use super::{CLIENT, GET, app, ask, closes, serve, us};
use crate::program::Directory;
use crate::wire::{self, proxy};

fn start(peers: Peers, gateways: Peers) -> Directory {
    let directory = Directory::new();
    let path = directory.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let listener = PlaintextListener::over(listener, ProxyProtocol::from_peers(peers));
    let bound = listener.local_addr().unwrap();
    assert_eq!(bound.as_pathname().unwrap().to_str(), Some(&*path));
    serve(listener, app(gateways));
    directory
}

async fn open(directory: &Directory, header: &[u8]) -> UnixStream {
    let mut io = UnixStream::connect(directory.path("socket")).await.unwrap();
    io.write_all(header).await.unwrap();
    io
}

#[tokio::test]
async fn d6_a_handler_sees_the_client_behind_a_unix_socket() {
    let directory = start(Peers::any(), Peers::any());
    for header in proxy::both(CLIENT) {
        let http1 = open(&directory, &header).await;
        let http2 = open(&directory, &header).await;
        let answers = ask(http1, http2, "a.test").await;
        assert_eq!(answers, [0, 0].map(|_| (200, format!("{CLIENT} -"))));
        let mut io = open(&directory, &header).await;
        let request = "GET / HTTP/1.1\nHost: evil.test\n\n";
        assert_eq!(wire::exchange(&mut io, request).await.status, 421);
    }
    let mut io = open(&directory, proxy::LOCAL).await;
    assert_eq!(wire::exchange(&mut io, GET).await.body, "- -");
    let mut io = open(&directory, b"GET / HTTP/1.1\r\n").await;
    assert!(closes(&mut io).await);
}

#[tokio::test]
async fn d6_b3_no_list_of_networks_contains_the_peer_of_a_unix_socket() {
    let all = || Peers::new(["0.0.0.0/0", "::/0"]).unwrap();
    let directory = start(all(), Peers::any());
    let mut io = open(&directory, b"").await;
    assert_eq!(wire::exchange(&mut io, GET).await.body, "- -");
    let mut io = open(&directory, proxy::UNKNOWN).await;
    assert_eq!(wire::read_answer(&mut io, false).await.status, 400);

    // The client of its header makes it no gateway.
    let directory = start(Peers::any(), us());
    for header in proxy::both("127.0.0.1:1") {
        let mut io = open(&directory, &header).await;
        assert_eq!(wire::exchange(&mut io, GET).await.status, 421);
    }
}
