//! D6: plaintext connections from gateways that send PROXY protocol headers, over loopback. Headers before TLS, and
//! what a header may look like, are in `proxy_protocol`; real gateways are in `clients`.

#[cfg(unix)]
#[path = "program/mod.rs"]
mod program;
mod wire;

#[path = "plaintext/acceptor.rs"]
mod acceptor;
#[path = "plaintext/listener.rs"]
mod listener;
#[path = "plaintext/pending.rs"]
mod pending;
#[path = "plaintext/servers.rs"]
mod servers;
#[path = "plaintext/trust.rs"]
mod trust;
#[cfg(unix)]
#[path = "plaintext/unix.rs"]
mod unix;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::any;
use http::{Request, Version};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_misdirected::{
    ConnectionInfo, InnerListener, MisdirectedLayer, Peers, PlaintextListener, ProxyProtocol,
};

const CLIENT: &str = "192.0.2.7:49152";
const HOSTS: [&str; 2] = ["a.test", "b.test"];

const GET: &str = "GET / HTTP/1.1\nHost: a.test\n\n";

/// The test's own connections come from 127.0.0.1.
fn us() -> Peers {
    Peers::new(["127.0.0.0/8"]).unwrap()
}

fn others() -> Peers {
    Peers::new(["10.0.0.0/8", "::/0"]).unwrap()
}

/// Answers with the addresses that a handler sees: client and peer.
fn app(gateways: Peers) -> Router {
    let handler = any(|info: ConnectionInfo| async move { addresses(&info) });
    Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::behind_gateway(gateways, HOSTS).unwrap())
}

fn addresses(info: &ConnectionInfo) -> String {
    let text = |addr: Option<SocketAddr>| addr.map_or("-".to_owned(), |addr| addr.to_string());
    format!("{} {}", text(info.client_addr()), text(info.peer_addr()))
}

async fn bind(proxy_protocol: ProxyProtocol) -> (PlaintextListener, SocketAddr) {
    let listener = PlaintextListener::bind("127.0.0.1:0", proxy_protocol).await;
    let listener = listener.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Serves until the test ends.
fn serve<L>(listener: PlaintextListener<L>, app: Router)
where
    L: InnerListener<Addr: std::fmt::Debug> + Send + 'static,
{
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
}

/// Serves behind the test's own gateway.
async fn start(proxy_protocol: ProxyProtocol) -> SocketAddr {
    let (listener, addr) = bind(proxy_protocol).await;
    serve(listener, app(us()));
    addr
}

/// A connection that begins with these octets, and its own address.
async fn open(addr: SocketAddr, header: &[u8]) -> (TcpStream, SocketAddr) {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let own = tcp.local_addr().unwrap();
    tcp.write_all(header).await.unwrap();
    (tcp, own)
}

/// Whether the server closes the connection without an answer.
async fn closes<IO: AsyncRead + Unpin>(io: &mut IO) -> bool {
    let closes = tokio::time::timeout(wire::PATIENCE, wire::closes(io)).await;
    closes.expect("an end in time")
}

/// Status and body of what is answered for a host over HTTP/1.1, and over HTTP/2 on another connection, on which the
/// gateway says that its client speaks `https`.
async fn ask<IO>(mut http1: IO, http2: IO, host: &str) -> [(u16, String); 2]
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
    let answer = wire::exchange(&mut http1, &request).await;
    let client = wire::http2(http2).await;
    let request = Request::get(format!("https://{host}/")).version(Version::HTTP_2);
    let answer2 = wire::send2(&client, request.body(()).unwrap()).await;
    let status2 = answer2.status().as_u16();
    [(answer.status, answer.body), (status2, answer2.into_body())]
}
