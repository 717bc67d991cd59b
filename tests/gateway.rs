//! B3, B4: servers behind a gateway that terminates TLS, over real connections. Every combination of settings is in
//! `verdict_table`, and real gateways are in `clients`.

mod pki;
mod server;
mod wire;

use std::net::SocketAddr;

use axum::Router;
use http::{Request, StatusCode, Version};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tower_misdirected::{
    Coalescing, ConnectionInfo, MisdirectedLayer, Peers, Rejection, TlsAcceptor,
};

use crate::server::Calls;

const HOSTS: [&str; 2] = ["a.test", "b.test"];

/// The test's own connections come from 127.0.0.1.
fn us() -> Peers {
    Peers::new(["127.0.0.0/8"]).unwrap()
}

fn others() -> Peers {
    Peers::new(["10.0.0.0/8"]).unwrap()
}

fn app(layer: MisdirectedLayer) -> Router {
    server::echo(&Calls::default()).layer(layer)
}

/// Serves without connection info, as a short program does.
async fn without_info(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    addr
}

/// What a gateway that names the scheme of its client is answered: over HTTP/1, over HTTP/2 with `https`, and over
/// HTTP/2 with a scheme that is lost.
async fn statuses(addr: SocketAddr, host: &str) -> [u16; 3] {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET / HTTP/1.1\nHost: {host}\nX-Forwarded-Proto: https\n\n");
    let http1 = wire::exchange(&mut tcp, &request).await.status;
    let client = wire::http2(TcpStream::connect(addr).await.unwrap()).await;
    let https = Request::get(format!("https://{host}/")).version(Version::HTTP_2);
    let https = wire::send2(&client, https.body(()).unwrap()).await;
    let unseen = wire::send2(&client, wire::get2(None, &[host])).await;
    [http1, https.status().as_u16(), unseen.status().as_u16()]
}

#[tokio::test]
async fn b3_a_gateway_may_ask_for_listed_hosts_and_nobody_else_may_ask_without_tls() {
    for (gateways, listed) in [(us(), 200), (others(), 421), (Peers::any(), 200)] {
        let layer = MisdirectedLayer::behind_gateway(gateways, HOSTS).unwrap();
        let addr = server::plaintext(app(layer)).await;
        assert_eq!(statuses(addr, "a.test").await, [listed; 3]);
        assert_eq!(statuses(addr, "B.test.:443").await, [listed; 3]);
        assert_eq!(statuses(addr, "evil.test").await, [421; 3]);
    }
}

#[tokio::test]
async fn b2_only_any_gateway_with_a_list_of_hosts_needs_no_connection_info() {
    let any = || MisdirectedLayer::new().gateway(Peers::any());
    for (layer, expected) in [
        (
            MisdirectedLayer::behind_gateway(Peers::any(), HOSTS).unwrap(),
            200,
        ),
        (any().allowed_hosts_by(|host| host == "a.test"), 200),
        (any(), 500),
        (any().coalescing(Coalescing::Unchecked), 500),
        (MisdirectedLayer::behind_gateway(us(), HOSTS).unwrap(), 500),
    ] {
        let addr = without_info(app(layer)).await;
        assert_eq!(statuses(addr, "a.test").await, [expected; 3]);
    }
}

/// B3: what a header says of the host, the scheme or the client changes nothing.
#[tokio::test]
async fn b3_forwarded_fields_are_never_believed() {
    let fields = "Forwarded: for=127.0.0.1;host=a.test;proto=https\nX-Forwarded-Host: a.test\n\
                  X-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: https\nX-Real-IP: 127.0.0.1\n";
    for (gateways, host, expected) in [
        (us(), "evil.test", 421),
        (Peers::any(), "evil.test", 421),
        (us(), "a.test", 200),
        (others(), "a.test", 421),
    ] {
        let layer = MisdirectedLayer::behind_gateway(gateways, HOSTS).unwrap();
        let mut tcp = TcpStream::connect(server::plaintext(app(layer)).await)
            .await
            .unwrap();
        let request = format!("GET / HTTP/1.1\nHost: {host}\n{fields}\n");
        assert_eq!(wire::exchange(&mut tcp, &request).await.status, expected);
    }
}

/// Asks a layer about a request for `a.test` on this connection.
async fn verdict(layer: MisdirectedLayer, uri: &str, info: ConnectionInfo) -> Option<Rejection> {
    let request = Request::get(uri).header("host", "a.test").extension(info);
    let request = request.body(axum::body::Body::empty()).unwrap();
    let response = app(layer).oneshot(request).await.unwrap();
    response.extensions().get().copied()
}

#[tokio::test]
async fn b3_the_real_peer_decides_and_an_unknown_one_only_under_any() {
    let peer = |peer: &str| ConnectionInfo::plaintext().peer_addr(peer.parse().unwrap());
    let gateway = "10.0.0.1:50000";
    let refused = Some(Rejection::InsecureConnection);
    for (info, listed, any) in [
        (peer(gateway), None, None),
        (peer("[::ffff:10.0.0.1]:50000"), None, None),
        (
            peer(gateway).client_addr("192.0.2.7:1".parse().unwrap()),
            None,
            None,
        ),
        (
            peer("192.0.2.7:1").client_addr(gateway.parse().unwrap()),
            refused,
            None,
        ),
        (ConnectionInfo::plaintext(), refused, None),
        // Somebody has vouched for it already.
        (ConnectionInfo::trusted_gateway(), None, None),
    ] {
        let info = info.build();
        for uri in ["/", "http://a.test/", "https://a.test/"] {
            for level in [Coalescing::Unchecked, Coalescing::Never] {
                let layer = || MisdirectedLayer::new().coalescing(level);
                let seen = verdict(layer().gateway(others()), uri, info.clone()).await;
                assert_eq!(seen, listed, "{info:?}");
                let seen = verdict(layer().gateway(Peers::any()), uri, info.clone()).await;
                assert_eq!(seen, any, "{info:?}");
            }
        }
    }
}

#[tokio::test]
async fn b5_a_gateway_over_tls_is_judged_like_anyone() {
    for gateways in [us(), others(), Peers::any()] {
        let layer = MisdirectedLayer::behind_gateway(gateways, HOSTS).unwrap();
        let tls = TlsAcceptor::from(pki::server(&["a.test"]));
        let addr = server::tls(app(layer), tls).await;
        let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
        let client = wire::http2(io).await;
        for (host, status) in [("a.test", 200), ("b.test", 421), ("evil.test", 421)] {
            let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
            assert_eq!(
                answer.status(),
                StatusCode::from_u16(status).unwrap(),
                "{host}"
            );
        }
    }
}

/// What nobody expects: there is no certificate to compare with the host.
#[tokio::test]
async fn b4_without_a_list_a_plaintext_listener_serves_every_host() {
    let addr = server::plaintext(app(MisdirectedLayer::new())).await;
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let answer = wire::exchange(&mut tcp, "GET / HTTP/1.1\nHost: evil.test\n\n").await;
    assert_eq!(answer.status, 200);
}
