//! D4: the addresses of IPv4 clients that connect to a server on `[::]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use quinn::crypto::rustls::QuicServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, QuicTls, TlsAcceptor, TlsListener,
};

use crate::wire::http3::{connect_quic, quic_client};
use crate::{pki, wire};

const ANY: SocketAddr = SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0);

/// Returns whether IPv4 clients can reach a listener on `[::]`. Prints the reason if they cannot.
fn is_dual_stack() -> bool {
    let reached = std::net::TcpListener::bind(ANY).and_then(|listener| {
        let port = listener.local_addr()?.port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
    });
    if let Err(error) = &reached {
        println!("skipped: no IPv4 client can reach a listener on [::]: {error}");
    }
    reached.is_ok()
}

/// The address at which IPv4 clients reach the server.
fn over_ipv4(bound: SocketAddr) -> SocketAddr {
    assert!(bound.is_ipv6());
    (Ipv4Addr::LOCALHOST, bound.port()).into()
}

/// Answers with the recorded addresses.
fn app() -> Router {
    let handler = |info: ConnectionInfo| async move { addresses(&info) };
    Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::new())
}

fn addresses(info: &ConnectionInfo) -> String {
    format!("{:?} {:?}", info.peer_addr(), info.local_addr())
}

/// What the server must record of this client.
fn expected(client: &TcpStream) -> String {
    let (near, far) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    assert!(near.is_ipv4());
    format!("{:?} {:?}", Some(near), Some(far))
}

const GET: &str = "GET / HTTP/1.1\nHost: a.test\n\n";

async fn serve_plaintext(app: Router) -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let addr = over_ipv4(listener.local_addr().unwrap());
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    addr
}

#[tokio::test]
async fn d4_an_ipv4_peer_has_an_ipv4_address_on_every_ipv6_listener() {
    if !is_dual_stack() {
        return;
    }
    let addr = serve_plaintext(app()).await;
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    assert_eq!(wire::exchange(&mut tcp, GET).await.body, expected(&tcp));

    let client = || pki::client(&["http/1.1"]);
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.alpn_protocols = ["h2", "http/1.1", "h3"].map(Into::into).into();
    let acceptor = TlsAcceptor::new(Arc::new(config));

    let mut listener = TlsListener::bind(ANY, acceptor.clone()).await.unwrap();
    let addr = over_ipv4(listener.local_addr().unwrap());
    let connect = wire::connect(addr, client(), Some("a.test"));
    let ((stream, peer), io) = tokio::join!(listener.accept(), connect);
    let recorded = stream.connection_info();
    assert_eq!(addresses(recorded), expected(io.get_ref().0));
    assert_eq!(Some(peer), recorded.peer_addr());

    let handle = axum_server::Handle::new();
    let server = axum_server::bind(ANY)
        .acceptor(acceptor.clone())
        .handle(handle.clone())
        .serve(app().into_make_service());
    tokio::spawn(server);
    let addr = over_ipv4(handle.listening().await.unwrap());
    let mut io = wire::connect(addr, client(), Some("a.test")).await;
    let answer = wire::exchange(&mut io, GET).await;
    assert_eq!(answer.body, expected(io.get_ref().0));

    let tls = QuicTls::<QuicServerConfig>::new(acceptor).unwrap();
    let tls = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let server = quinn::Endpoint::server(tls, ANY).unwrap();
    let addr = over_ipv4(server.local_addr().unwrap());
    let endpoint = quic_client();
    let accept = async { server.accept().await.unwrap().await.unwrap() };
    let connect = connect_quic(&endpoint, addr, pki::client(&["h3"]), Some("a.test"));
    let (connection, _client) = tokio::join!(accept, connect);
    let info = ConnectionInfo::from_quinn(&connection).unwrap();
    assert_eq!(info.peer_addr(), Some(endpoint.local_addr().unwrap()));
}

/// The recipe of `guide::servers`, for this gateway.
const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn vouch(
    ConnectInfo(info): ConnectInfo<ConnectionInfo>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(peer) = info.peer_addr() {
        if !info.is_tls() && peer.ip() == GATEWAY {
            let info = ConnectionInfo::trusted_gateway().peer_addr(peer).build();
            request.extensions_mut().insert(info);
        }
    }
    next.run(request).await
}

#[tokio::test]
async fn d4_the_recipe_for_a_gateway_works_on_an_ipv6_listener() {
    if !is_dual_stack() {
        return;
    }
    let handler = |info: ConnectionInfo, _: EffectiveAuthority| async move {
        assert!(info.is_trusted_gateway());
        format!("{:?}", info.peer_addr())
    };
    let app = Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::new().require_tls(true).close_http1(false))
        .layer(from_fn(vouch));
    let addr = serve_plaintext(app).await;
    let mut gateway = TcpStream::connect(addr).await.unwrap();
    for target in ["/", "https://a.test/"] {
        let request = format!("GET {target} HTTP/1.1\nHost: a.test\n\n");
        let answer = wire::exchange(&mut gateway, &request).await;
        let peer = Some(gateway.local_addr().unwrap());
        assert_eq!((answer.status, answer.body), (200, format!("{peer:?}")));
    }
    // Nobody vouches for a peer with another address.
    let mut stranger = TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, addr.port()))
        .await
        .unwrap();
    assert_eq!(wire::exchange(&mut stranger, GET).await.status, 421);
}
