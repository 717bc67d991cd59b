//! D6: health checks of gateways: connections that begin with a PROXY protocol header without a client, and end behind
//! it. Real ones are in `clients`.

mod pki;
mod server;
mod wire;

use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV6};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::any;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tower_misdirected::{
    Addresses, ConnectionInfo, FailureReason, MisdirectedLayer, Peers, PlaintextListener,
    ProxyProtocol, TlsAcceptor, TlsListener, VirtualHosts,
};

use crate::wire::proxy;

/// The reasons that were reported, with the peers.
type Reports = Arc<Mutex<Vec<(FailureReason, Option<SocketAddr>)>>>;

fn us() -> Peers {
    Peers::new(["127.0.0.0/8"]).unwrap()
}

fn app() -> Router {
    let handler =
        any(|info: ConnectionInfo| async move { info.client_addr().unwrap().to_string() });
    Router::new().fallback(handler).layer(
        MisdirectedLayer::behind_gateway(us(), ["a.test"])
            .unwrap()
            .close_http1(false),
    )
}

/// An acceptor that chooses the configuration before the ClientHello, and one that chooses it after.
fn acceptors(peers: &Peers) -> [(TlsAcceptor, Reports); 2] {
    let config = pki::server(&["a.test"]);
    let hosts = VirtualHosts::builder().host("a.test", config.clone());
    let acceptors = [
        TlsAcceptor::new(config),
        TlsAcceptor::from(hosts.build().unwrap()),
    ];
    acceptors.map(|acceptor| {
        let reports = Reports::default();
        let sink = reports.clone();
        let acceptor =
            acceptor
                .proxy_protocol(peers.clone())
                .on_handshake_failure(move |failure| {
                    let report = (failure.reason(), failure.peer_addr());
                    sink.lock().unwrap().push(report);
                });
        (acceptor, reports)
    })
}

/// Sends what `octets` makes of its own address, and closes the connection or resets it. Returns that address.
async fn visit(
    addr: SocketAddr,
    octets: impl Fn(SocketAddr) -> Vec<u8>,
    reset: bool,
) -> SocketAddr {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let own = tcp.local_addr().unwrap();
    tcp.write_all(&octets(own)).await.unwrap();
    if reset {
        tcp.set_zero_linger().unwrap();
    }
    own
}

/// Checks as gateways send them: `LOCAL`, `UNKNOWN`, and the gateway's own address, as HAProxy has it in version 1.
async fn check(addr: SocketAddr) {
    for reset in [true, false] {
        visit(addr, |_| proxy::LOCAL.to_vec(), reset).await;
        visit(addr, |_| proxy::UNKNOWN.to_vec(), reset).await;
        visit(addr, proxy::v1, reset).await;
        visit(addr, proxy::v2, reset).await;
    }
}

async fn wait_for(reports: &Reports, count: usize) {
    let reported = async {
        while reports.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    };
    let reported = tokio::time::timeout(wire::PATIENCE, reported).await;
    reported.expect("reports in time");
}

/// Is served on another connection. Those that were accepted before have been looked at by then.
async fn is_served(addr: SocketAddr, tls: bool) {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(&proxy::both("192.0.2.7:1")[0]).await.unwrap();
    let request = "GET / HTTP/1.1\nHost: a.test\n\n";
    let answer = match tls {
        true => {
            let io = wire::handshake(tcp, pki::client(&[]), Some("a.test"));
            let io = tokio::time::timeout(wire::PATIENCE, io).await;
            wire::exchange(&mut io.expect("a handshake in time").unwrap(), request).await
        }
        false => wire::exchange(&mut tcp, request).await,
    };
    assert_eq!((answer.status, &*answer.body), (200, "192.0.2.7:1"));
}

#[tokio::test]
async fn d6_a_health_check_is_no_failed_handshake() {
    for (acceptor, reports) in acceptors(&us()) {
        let listener = TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
        let addr = listener.local_addr().unwrap();
        // They are over before anything is accepted, so their sockets no longer tell the peer.
        check(addr).await;
        let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        is_served(addr, true).await;
        check(addr).await;
        is_served(addr, true).await;
        assert_eq!(*reports.lock().unwrap(), []);
    }
}

/// A loop of the user's own does not pass the peer on. Other systems than Linux may not accept such a connection.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn d6_a_health_check_that_was_reset_early_is_none_without_the_listener_either() {
    for (acceptor, reports) in acceptors(&us()) {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = tcp.local_addr().unwrap();
        check(addr).await;
        for reset in [true, true, true, true, false] {
            let io = tcp.accept().await.unwrap().0;
            assert_eq!(io.peer_addr().is_err(), reset);
            let accepted = tokio::time::timeout(wire::PATIENCE, acceptor.accept(io)).await;
            let error = accepted.expect("an end in time").unwrap_err();
            let ended = [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof];
            assert_eq!(error.kind(), ended[usize::from(!reset)], "{error}");
        }
        assert_eq!(*reports.lock().unwrap(), []);
    }
}

/// A socket tells the interface of a link-local peer, and a header cannot.
#[tokio::test]
async fn d6_a_health_check_may_come_from_a_link_local_address() {
    for (acceptor, reports) in acceptors(&Peers::new(["fe80::/10"]).unwrap()) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 10);
        let header = b"PROXY TCP6 fe80::7 fe80::1 50000 443\r\n";
        theirs.write_all(header).await.unwrap();
        drop(theirs);
        let peer = SocketAddr::V6(SocketAddrV6::new("fe80::7".parse().unwrap(), 50000, 0, 3));
        let accepted = acceptor.accept_with_addresses(ours, Addresses::new().peer_addr(peer));
        let accepted = tokio::time::timeout(wire::PATIENCE, accepted).await;
        assert!(accepted.expect("an end in time").is_err());
        assert_eq!(*reports.lock().unwrap(), []);
    }
}

#[tokio::test]
async fn d6_other_connections_that_fail_are_reported() {
    for (acceptor, reports) in acceptors(&us()) {
        let listener = TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client = &proxy::both("192.0.2.7:1")[0];
        let garbage = [proxy::LOCAL, b"GET / HTTP/1.1\r\n\r\n"].concat();
        let mut expected = Vec::new();
        for (octets, reason) in [
            (&client[..], FailureReason::Closed),
            (&garbage, FailureReason::Tls),
            (&proxy::LOCAL[..15], FailureReason::ProxyProtocol),
            (b"", FailureReason::ProxyProtocol),
        ] {
            for reset in [true, false] {
                let own = visit(addr, |_| octets.to_vec(), reset).await;
                expected.push((reason, Some(own)));
            }
        }
        let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        is_served(addr, true).await;
        wait_for(&reports, expected.len()).await;
        let mut reports = reports.lock().unwrap();
        let by_peer = |report: &(_, Option<SocketAddr>)| report.1;
        reports.sort_by_key(by_peer);
        expected.sort_by_key(by_peer);
        assert_eq!(*reports, expected);
    }
}

#[tokio::test]
async fn d6_a_health_check_is_accepted_over_plaintext_though_it_is_over() {
    let proxy_protocol = ProxyProtocol::from_peers(us());
    let listener = PlaintextListener::bind("127.0.0.1:0", proxy_protocol).await;
    let mut listener = listener.unwrap();
    let addr = listener.local_addr().unwrap();
    for reset in [true, false] {
        let own = visit(addr, |_| proxy::LOCAL.to_vec(), reset).await;
        let accepted = tokio::time::timeout(wire::PATIENCE, listener.accept()).await;
        let (stream, peer) = accepted.expect("a connection in time");
        assert_eq!(peer, own);
        assert_eq!(stream.connection_info().peer_addr(), Some(own));
    }
    let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    visit(addr, |_| proxy::LOCAL.to_vec(), true).await;
    is_served(addr, false).await;
}

/// A load balancer that keeps the addresses of its clients names the peer in every header.
#[tokio::test]
async fn d6_under_any_a_peer_that_names_itself_is_a_client() {
    for (acceptor, reports) in acceptors(&Peers::any()) {
        let addr = server::tls(app(), acceptor).await;
        let own = visit(addr, proxy::v1, false).await;
        wait_for(&reports, 1).await;
        assert_eq!(
            *reports.lock().unwrap(),
            [(FailureReason::Closed, Some(own))]
        );
        visit(addr, |_| proxy::LOCAL.to_vec(), false).await;
        is_served(addr, true).await;
        assert_eq!(reports.lock().unwrap().len(), 1);
    }
}
