//! D6: the same over listeners of the user, in axum-server, and in a loop over hyper.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum_server::Handle;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, service_fn};
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{
    Addresses, ConnectionInfo, MisdirectedLayer, PlaintextListener, PlaintextStream, ProxyProtocol,
};

use super::{CLIENT, GET, HOSTS, addresses, app, ask, closes, open, serve, us};
use crate::wire::{self, proxy};

const HOUR: Duration = Duration::from_secs(3600);

/// What every server has to do behind the test's own gateway.
async fn check(addr: SocketAddr) {
    let (_silent, _) = open(addr, b"PROXY").await;
    for header in proxy::both(CLIENT) {
        let (http1, own1) = open(addr, &header).await;
        let (http2, own2) = open(addr, &header).await;
        let answers = ask(http1, http2, "a.test").await;
        let seen = [own1, own2].map(|own| (200, format!("{CLIENT} {own}")));
        assert_eq!(answers, seen);
        let (http1, _) = open(addr, &header).await;
        let (http2, _) = open(addr, &header).await;
        let answers = ask(http1, http2, "evil.test").await;
        assert_eq!(answers.map(|answer| answer.0), [421; 2]);
    }
    let (mut io, own) = open(addr, proxy::LOCAL).await;
    let answer = wire::exchange(&mut io, GET).await;
    assert_eq!(answer.body, format!("{own} {own}"));
    let (mut without, _) = open(addr, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(closes(&mut without).await);
}

#[tokio::test]
async fn d6_axum_server_with_proxy_protocol_as_its_acceptor() {
    let handle = Handle::new();
    let proxy_protocol = ProxyProtocol::from_peers(us()).header_timeout(HOUR);
    let server = axum_server::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .acceptor(proxy_protocol)
        .handle(handle.clone())
        .serve(app(us()).into_make_service());
    tokio::spawn(server);
    check(handle.listening().await.unwrap()).await;
}

async fn hello(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let info = request.extensions().get::<ConnectionInfo>().unwrap();
    Ok(Response::new(Body::from(addresses(info))))
}

/// Serves one connection as a loop of a user's does.
async fn serve_connection(stream: PlaintextStream<TcpStream>) {
    let service = ServiceBuilder::new()
        .layer(AddExtensionLayer::new(stream.connection_info().clone()))
        .layer(MisdirectedLayer::behind_gateway(us(), HOSTS).unwrap())
        .service(service_fn(hello));
    let _ = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
}

#[tokio::test]
async fn d6_a_loop_over_hyper_with_the_listener() {
    let proxy_protocol = ProxyProtocol::from_peers(us()).header_timeout(HOUR);
    let (mut listener, addr) = super::bind(proxy_protocol).await;
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await;
            assert_eq!(stream.connection_info().peer_addr(), Some(peer));
            tokio::spawn(serve_connection(stream));
        }
    });
    check(addr).await;
}

#[tokio::test]
async fn d6_a_loop_over_hyper_that_accepts_by_itself() {
    let proxy_protocol = ProxyProtocol::from_peers(us()).header_timeout(HOUR);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let accepting = proxy_protocol.accept(tcp.accept().await.unwrap().0);
            tokio::spawn(async {
                if let Ok(stream) = accepting.await {
                    serve_connection(stream).await;
                }
            });
        }
    });
    check(addr).await;
}

#[tokio::test]
async fn d6_a_listener_of_the_user_says_who_the_peer_is() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let proxy_protocol = ProxyProtocol::from_peers(us()).header_timeout(HOUR);
    serve(
        PlaintextListener::over(tcp, proxy_protocol.clone()),
        app(us()),
    );
    check(addr).await;

    // The same peer, said to be another: no header is read, and it is no gateway.
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let listener = PlaintextListener::over(tcp, proxy_protocol)
        .addresses(|_, _| Addresses::new().peer_addr(SocketAddr::from(([10, 0, 0, 1], 1))));
    serve(listener, app(us()));
    let (mut io, _) = open(addr, b"").await;
    assert_eq!(wire::exchange(&mut io, GET).await.status, 421);
    let (mut io, _) = open(addr, proxy::UNKNOWN).await;
    assert_eq!(wire::read_answer(&mut io, false).await.status, 400);
}
