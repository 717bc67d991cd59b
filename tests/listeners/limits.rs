//! A listener that limits how many connections are open, as a user would write it: each transport holds a permit.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::{Listener, ListenerExt};
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_misdirected::{
    Addresses, ConnectionInfo, MisdirectedLayer, Over, TlsAcceptor, TlsListener,
};

use crate::wire::PATIENCE;
use crate::{pki, wire};

const GET: &str = "GET / HTTP/1.1\nHost: a.test\n\n";

/// How many transports are open, and how many there were at most.
#[derive(Clone, Default)]
struct Open(Arc<(AtomicUsize, AtomicUsize)>);

impl Open {
    fn at_most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

struct Limited {
    tcp: TcpListener,
    permits: Arc<Semaphore>,
    open: Open,
}

struct Permitted {
    tcp: TcpStream,
    open: Open,
    _permit: OwnedSemaphorePermit,
}

impl Listener for Limited {
    type Io = Permitted;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Permitted, SocketAddr) {
        let (tcp, addr) = Listener::accept(&mut self.tcp).await;
        let permit = self.permits.clone().acquire_owned().await.unwrap();
        let open = self.open.clone();
        let now = open.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        open.0.1.fetch_max(now, Ordering::SeqCst);
        let io = Permitted {
            tcp,
            open,
            _permit: permit,
        };
        (io, addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Drop for Permitted {
    fn drop(&mut self) {
        self.open.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for Permitted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buf)
    }
}

impl AsyncWrite for Permitted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

async fn limited(permits: usize) -> (Limited, SocketAddr, Open) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let open = Open::default();
    let limited = Limited {
        tcp,
        permits: Arc::new(Semaphore::new(permits)),
        open: open.clone(),
    };
    (limited, addr, open)
}

fn acceptor() -> TlsAcceptor {
    TlsAcceptor::new(pki::server(&["a.test"]))
}

/// Answers with the addresses of the connection.
fn app() -> Router {
    let addresses = get(|info: ConnectionInfo| async move {
        format!("{:?} {:?}", info.peer_addr(), info.local_addr())
    });
    Router::new()
        .route("/", addresses)
        .layer(MisdirectedLayer::new())
}

fn serve(listener: TlsListener<Over<Limited>>) {
    let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
}

async fn connect(addr: SocketAddr) -> tokio_rustls::client::TlsStream<TcpStream> {
    let connect = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test"));
    let connected = tokio::time::timeout(PATIENCE, connect).await;
    connected.expect("a connection in time")
}

#[tokio::test]
async fn d5_connections_beyond_a_limit_are_served_one_after_the_other() {
    let (listener, addr, open) = limited(1).await;
    serve(TlsListener::over(listener, acceptor()));
    let mut first = connect(addr).await;
    assert_eq!(wire::exchange(&mut first, GET).await.status, 200);
    let order = Arc::new(Mutex::new(Vec::new()));
    let others = [1, 2, 3].map(|n| {
        let order = order.clone();
        tokio::spawn(async move {
            let mut io = connect(addr).await;
            order.lock().unwrap().push(n);
            assert_eq!(wire::exchange(&mut io, GET).await.status, 200);
        })
    });
    // The others wait for as long as the first one is there.
    for _ in 0..10 {
        assert_eq!(wire::exchange(&mut first, GET).await.status, 200);
    }
    assert!(order.lock().unwrap().is_empty());
    drop(first);
    for other in others {
        other.await.unwrap();
    }
    assert_eq!(order.lock().unwrap().len(), 3);
    assert_eq!(open.at_most(), 1);
}

#[tokio::test]
async fn d5_a_handshake_that_fails_gives_its_permit_back() {
    let (listener, addr, open) = limited(1).await;
    let acceptor = acceptor().handshake_timeout(Duration::from_millis(50));
    serve(TlsListener::over(listener, acceptor));
    for _ in 0..3 {
        let mut garbage = TcpStream::connect(addr).await.unwrap();
        garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let _ = garbage.read_to_end(&mut Vec::new()).await;
        drop(TcpStream::connect(addr).await.unwrap());
        // Ended by the time limit.
        let mut silent = TcpStream::connect(addr).await.unwrap();
        assert!(wire::closes(&mut silent).await);
    }
    // An honest client may need more than that time, if the machine is slow.
    let mut served = false;
    for _ in 0..100 {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let client = pki::client(&["http/1.1"]);
        if let Ok(mut io) = wire::handshake(tcp, client, Some("a.test")).await {
            served |= wire::try_exchange(&mut io, GET).await.is_ok();
        }
        if served {
            break;
        }
    }
    assert!(served);
    assert_eq!(open.at_most(), 1);
}

#[tokio::test]
async fn d5_the_addresses_are_found_as_the_user_says() {
    let found = async |peer: bool, local: bool, addr: SocketAddr| {
        let mut io = connect(addr).await;
        let known = |known: bool, addr| known.then_some(addr);
        let peer = known(peer, io.get_ref().0.local_addr().unwrap());
        let local = known(local, addr);
        let answer = wire::exchange(&mut io, GET).await;
        assert_eq!(answer.body, format!("{peer:?} {local:?}"));
    };
    // The transport is the user's, so its local address is not known by itself.
    let (listener, addr, _) = limited(10).await;
    serve(TlsListener::over(listener, acceptor()));
    found(true, false, addr).await;

    let (listener, addr, _) = limited(10).await;
    let listener = TlsListener::over(listener, acceptor());
    serve(listener.addresses(|io, _| Addresses::from(&io.tcp)));
    found(true, true, addr).await;

    let (listener, addr, _) = limited(10).await;
    let listener = TlsListener::over(listener, acceptor());
    serve(listener.addresses(|io, _| Addresses::new().local_addr(io.tcp.local_addr().ok())));
    found(false, true, addr).await;

    // The transport is a `TcpStream`.
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let tcp = tcp.tap_io(|tcp| tcp.set_nodelay(true).unwrap());
    let listener = TlsListener::over(tcp, acceptor()).tap_io(|stream| {
        assert!(stream.get_ref().0.nodelay().unwrap());
    });
    let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    found(true, true, addr).await;
}

/// For example, a function that unwraps the address of a socket that its peer has reset.
#[tokio::test]
async fn d5_a_function_for_addresses_that_panics_costs_no_other_connection() {
    let (listener, addr, _) = limited(10).await;
    let is_first = AtomicBool::new(true);
    let listener = TlsListener::over(listener, acceptor()).addresses(move |io, _| {
        assert!(!is_first.swap(false, Ordering::SeqCst), "a mistake");
        Addresses::from(&io.tcp)
    });
    serve(listener);
    let mut first = TcpStream::connect(addr).await.unwrap();
    assert!(wire::closes(&mut first).await);
    let answer = wire::exchange(&mut connect(addr).await, GET).await;
    assert_eq!(answer.status, 200);
}
