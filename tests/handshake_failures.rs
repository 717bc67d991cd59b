//! C6: what the operator is told about handshakes that fail, by callback and event.

mod pki;
mod server;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_misdirected::{FailureReason, Peers, TlsAcceptor, VirtualHosts};

/// What the callback got: the reason, the text, and the debug form.
type Reports = Arc<Mutex<Vec<(FailureReason, String)>>>;

/// An acceptor that reports into a list.
fn reporting(acceptor: impl Into<TlsAcceptor>) -> (TlsAcceptor, Reports) {
    let reports = Reports::default();
    let sink = reports.clone();
    let acceptor = acceptor.into().on_handshake_failure(move |failure| {
        let text = failure.to_string();
        let debug = format!("{failure:?}");
        assert!(debug.contains(&text), "{debug}");
        sink.lock().unwrap().push((failure.reason(), text));
    });
    (acceptor, reports)
}

fn hosts() -> VirtualHosts {
    let hosts = VirtualHosts::builder().host("a.test", pki::server(&["a.test"]));
    hosts.build().unwrap()
}

/// Runs a handshake with a client, which must fail, and returns what was reported: the same as the error.
async fn failure<F>(
    acceptor: impl Into<TlsAcceptor>,
    client: impl FnOnce(DuplexStream) -> F,
) -> (FailureReason, String)
where
    F: Future<Output = ()>,
{
    let (acceptor, reports) = reporting(acceptor);
    let error = wire::refused(&acceptor, client).await;
    let counted: Vec<_> = acceptor.clone().handshake_failures().collect();
    let reports = std::mem::take(&mut *reports.lock().unwrap());
    let [(reason, text)] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(*text, error.to_string());
    for debug in ["Custom {", "Os {", "kind:", "Some(", "None"] {
        assert!(!text.contains(debug), "{text}");
    }
    for (counted, count) in counted {
        assert_eq!(count, u64::from(counted == *reason), "{counted:?}");
    }
    (*reason, text.clone())
}

#[tokio::test]
async fn c6_every_handshake_that_fails_is_reported_with_its_reason() {
    let plain = || TlsAcceptor::new(pki::server(&["a.test"]));
    let config = || pki::client(&[]);

    let late = plain().handshake_timeout(Duration::ZERO);
    let (reason, text) = failure(late, async |io| {
        std::future::pending::<()>().await;
        drop(io);
    })
    .await;
    assert_eq!(reason, FailureReason::TimedOut, "{text}");

    let (reason, text) = failure(hosts(), |io| wire::visit(io, config(), Some("b.test"))).await;
    assert_eq!(reason, FailureReason::UnrecognizedName);
    assert!(text.contains("server name `b.test`"), "{text}");
    let (reason, text) = failure(hosts(), |io| wire::visit(io, config(), None)).await;
    assert_eq!(reason, FailureReason::UnrecognizedName);
    assert!(text.contains("sent no server name"), "{text}");

    let strict = Arc::new(pki::leaf(&["a.test"]).mutual_tls_config());
    let (reason, text) = failure(strict, |io| wire::visit(io, config(), Some("a.test"))).await;
    assert_eq!(reason, FailureReason::ClientCertificate, "{text}");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(pki::OTHER_CA.0.clone()).unwrap();
    let suspicious = rustls::ClientConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (reason, text) = failure(plain(), |io| wire::visit(io, suspicious, Some("a.test"))).await;
    assert_eq!(reason, FailureReason::ClientAlert, "{text}");

    let (reason, text) = failure(plain(), async |mut io| {
        io.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await
            .unwrap();
        let _ = io.read_u8().await;
    })
    .await;
    assert_eq!(reason, FailureReason::Tls, "{text}");

    let (reason, text) = failure(plain(), async |io| drop(io)).await;
    assert_eq!(reason, FailureReason::Closed, "{text}");

    let (reason, text) = failure(plain().proxy_protocol(Peers::any()), async |mut io| {
        io.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await
            .unwrap();
        let _ = io.read_u8().await;
    })
    .await;
    assert_eq!(reason, FailureReason::ProxyProtocol, "{text}");
}

#[tokio::test]
async fn c6_a_handshake_that_makes_room_is_reported() {
    let plain = TlsAcceptor::new(pki::server(&["a.test"]));
    let (acceptor, reports) = reporting(plain.max_pending_handshakes(1));
    let (_silent, first) = tokio::io::duplex(64);
    let (_other, second) = tokio::io::duplex(64);
    let first = tokio::spawn(acceptor.accept(first));
    // The first handshake is pending when its task has been polled.
    tokio::task::yield_now().await;
    let second = tokio::spawn(acceptor.accept(second));
    let ended = tokio::time::timeout(wire::PATIENCE, first).await;
    assert!(ended.expect("an end in time").unwrap().is_err());
    second.abort();
    let reports = reports.lock().unwrap();
    let reasons: Vec<_> = reports.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons, [FailureReason::TooManyPending]);
}

#[tokio::test]
async fn c6_a_handshake_that_quic_refuses_is_reported() {
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.alpn_protocols = vec![b"h3".to_vec()];
    let hosts = VirtualHosts::builder().host("a.test", Arc::new(config));
    let (acceptor, reports) = reporting(hosts.build().unwrap());
    let addr = server::quic(axum::Router::new(), acceptor).await;
    let endpoint = wire::http3::quic_client();
    let refused =
        wire::http3::connect_quic(&endpoint, addr, pki::client(&[]), Some("b.test")).await;
    assert!(refused.is_err());
    let reports = reports.lock().unwrap();
    let [(FailureReason::UnrecognizedName, text)] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert!(text.contains("`b.test`"), "{text}");
}

#[tokio::test]
async fn c6_a_failure_over_tcp_names_the_peer_and_a_success_is_no_failure() {
    let failures = Arc::new(Mutex::new(Vec::new()));
    let sink = failures.clone();
    let acceptor = TlsAcceptor::from(hosts()).on_handshake_failure(move |failure| {
        let addrs = (failure.peer_addr(), failure.client_addr());
        sink.lock().unwrap().push(addrs);
    });
    let addr = server::tls(axum::Router::new(), acceptor).await;
    let _served = wire::connect(addr, pki::client(&[]), Some("a.test")).await;
    let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
    let peer = tcp.local_addr().ok();
    assert!(
        wire::handshake(tcp, pki::client(&[]), Some("b.test"))
            .await
            .is_err()
    );
    assert_eq!(*failures.lock().unwrap(), [(peer, peer)]);
}

/// For example, a callback that unwraps the address of the peer, which is unknown over QUIC.
#[tokio::test]
async fn c6_a_callback_that_panics_costs_no_other_connection() {
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.alpn_protocols = vec![b"h3".to_vec(), b"http/1.1".to_vec()];
    let hosts = VirtualHosts::builder().host("a.test", Arc::new(config));
    let acceptor = TlsAcceptor::from(hosts.build().unwrap());
    let acceptor = acceptor.on_handshake_failure(|_| panic!("a mistake in the callback"));

    let addr = server::tls(axum::Router::new(), acceptor.clone()).await;
    for (sni, is_served) in [("b.test", false), ("a.test", true)] {
        let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
        let client = wire::handshake(tcp, pki::client(&[]), Some(sni));
        assert_eq!(client.await.is_ok(), is_served, "{sni}");
    }

    let addr = server::quic(axum::Router::new(), acceptor).await;
    let endpoint = wire::http3::quic_client();
    for (sni, is_served) in [("b.test", false), ("a.test", true)] {
        let client = wire::http3::connect_quic(&endpoint, addr, pki::client(&[]), Some(sni));
        assert_eq!(client.await.is_ok(), is_served, "{sni}");
    }
}
