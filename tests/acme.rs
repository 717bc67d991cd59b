//! D7: handshakes that are ACME challenges (TLS-ALPN-01, RFC 8737) complete, and carry no HTTP.

mod pki;
mod server;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quinn::crypto::rustls::QuicClientConfig;
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower_misdirected::{MisdirectedLayer, TlsAcceptor, VirtualHosts};

use crate::server::Calls;

const ACME: &str = "acme-tls/1";

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: admin.test\r\n\r\n";

/// A configuration for challenges, and the certificate that it presents.
fn challenges(alpn: &[&str]) -> (Arc<ServerConfig>, Vec<u8>) {
    let leaf = pki::leaf(&["challenge.test"]);
    let mut config = leaf.server_config();
    config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    (Arc::new(config), leaf.der.to_vec())
}

/// Two hosts, of which `admin.test` requires client certificates.
fn hosts() -> VirtualHosts {
    let admin = pki::leaf(&["admin.test"]).mutual_tls_config();
    let hosts = VirtualHosts::builder()
        .host("a.test", pki::server(&["a.test"]))
        .host("admin.test", Arc::new(admin));
    hosts.build().unwrap()
}

async fn validate(
    addr: SocketAddr,
    alpn: &[&str],
    server_name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(addr).await?;
    wire::handshake(tcp, pki::client(alpn), Some(server_name)).await
}

/// The names of the certificate that the handshake presented.
fn presented(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].to_vec()
}

/// Asserts that the connection ends without an answer, whatever is sent on it.
async fn carries_no_http(mut stream: TlsStream<TcpStream>) {
    let _ = stream.write_all(GET).await;
    let mut received = Vec::new();
    let end = stream.read_to_end(&mut received);
    let _ = tokio::time::timeout(wire::PATIENCE, end)
        .await
        .expect("an end in time");
    assert_eq!(received, b"");
}

#[tokio::test]
async fn d7_a_challenge_is_completed_for_every_host_and_carries_no_http() {
    let calls = Calls::default();
    let failures = Arc::new(AtomicUsize::new(0));
    let counter = failures.clone();
    let (config, certificate) = challenges(&[ACME]);
    let acceptor = TlsAcceptor::from(hosts())
        .acme_challenges(config)
        .on_handshake_failure(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
    let app = server::echo(&calls).layer(MisdirectedLayer::new());
    let addr = server::tls(app, acceptor).await;
    // A host with client certificates, a name that no virtual host has, and an IP address (RFC 8738 §6).
    for name in ["admin.test", "nobody.test", "1.2.0.192.in-addr.arpa"] {
        let stream = validate(addr, &[ACME], name).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ACME.as_bytes()));
        assert_eq!(presented(&stream), certificate, "{name}");
        carries_no_http(stream).await;
    }
    assert_eq!(calls.count(), 0);
    assert_eq!(
        failures.load(Ordering::Relaxed),
        0,
        "a challenge is no failure"
    );
    // Everybody else gets what they got without challenges.
    let mut io = validate(addr, &["http/1.1"], "a.test").await.unwrap();
    let answer = wire::exchange(&mut io, "GET / HTTP/1.1\nHost: a.test\n\n").await;
    assert_eq!(answer.status, 200);
    assert!(validate(addr, &["http/1.1"], "nobody.test").await.is_err());
}

#[tokio::test]
async fn d7_a_connection_that_negotiates_the_protocol_carries_no_http_in_any_configuration() {
    // As a certificate resolver for ACME inside a configuration has it.
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.alpn_protocols.push(ACME.as_bytes().to_vec());
    let config = Arc::new(config);
    let with_hosts = VirtualHosts::builder().host("a.test", config.clone());
    for acceptor in [
        TlsAcceptor::new(config.clone()),
        TlsAcceptor::from_fn(move || config.clone()),
        TlsAcceptor::from(with_hosts.build().unwrap()),
    ] {
        let calls = Calls::default();
        let app = server::echo(&calls).layer(MisdirectedLayer::new());
        let addr = server::tls(app, acceptor).await;
        let stream = validate(addr, &[ACME], "a.test").await.unwrap();
        carries_no_http(stream).await;
        assert_eq!(calls.count(), 0);
        let mut io = validate(addr, &[ACME, "http/1.1"], "a.test").await.unwrap();
        assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answer = wire::exchange(&mut io, "GET / HTTP/1.1\nHost: a.test\n\n").await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn d7_who_offers_more_than_a_challenge_gets_no_way_around_client_certificates() {
    let calls = Calls::default();
    let acceptor = TlsAcceptor::from(hosts()).acme_challenges(challenges(&[ACME, "http/1.1"]).0);
    let app = server::echo(&calls).layer(MisdirectedLayer::new());
    let addr = server::tls(app, acceptor).await;
    for alpn in [
        &[ACME, "http/1.1"][..],
        &["http/1.1", ACME],
        &["http/1.1"],
        &[],
    ] {
        if let Ok(stream) = validate(addr, alpn, "admin.test").await {
            carries_no_http(stream).await;
        }
    }
    assert_eq!(calls.count(), 0);
    let mut io = validate(addr, &[ACME, "http/1.1"], "a.test").await.unwrap();
    let answer = wire::exchange(&mut io, "GET / HTTP/1.1\nHost: a.test\n\n").await;
    assert_eq!(answer.status, 200, "it is no challenge");
}

#[tokio::test]
async fn d7_a_session_of_a_challenge_resumes_nowhere_else() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut admin = pki::leaf(&["admin.test"]).mutual_tls_config();
        admin.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
        let mut challenges = Arc::unwrap_or_clone(challenges(&[ACME]).0);
        challenges.session_storage = admin.session_storage.clone();
        challenges.ticketer = admin.ticketer.clone();
        let hosts = VirtualHosts::builder().host("admin.test", Arc::new(admin));
        let acceptor = TlsAcceptor::from(hosts.build().unwrap());
        let acceptor = acceptor.acme_challenges(Arc::new(challenges));
        let calls = Calls::default();
        let app = server::echo(&calls).layer(MisdirectedLayer::new());
        let addr = server::tls(app, acceptor).await;

        // All visits share the sessions that the client keeps.
        let client = pki::client_of(&[], &[version], pki::provider());
        let visit = async |alpn: &str| {
            let mut client = client.clone();
            client.alpn_protocols = vec![alpn.as_bytes().to_vec()];
            let tcp = TcpStream::connect(addr).await.unwrap();
            wire::handshake(tcp, client, Some("admin.test")).await
        };
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let stream = visit(ACME).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
            carries_no_http(stream).await;
        }
        if let Ok(stream) = visit("http/1.1").await {
            assert_ne!(
                stream.get_ref().1.handshake_kind(),
                Some(HandshakeKind::Resumed)
            );
            carries_no_http(stream).await;
        }
        assert_eq!(calls.count(), 0);
    }
}

#[tokio::test]
async fn d7_a_challenge_that_negotiates_nothing_carries_no_http_either() {
    let acceptor = TlsAcceptor::from(hosts()).acme_challenges(challenges(&[]).0);
    // Not through `TlsListener` or axum-server, which offer versions of HTTP in a configuration without protocols.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let accepted = async {
        let (tcp, _) = listener.accept().await.unwrap();
        acceptor.accept(tcp).await
    };
    let (accepted, stream) = tokio::join!(accepted, validate(addr, &[ACME], "admin.test"));
    let error = accepted.err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    let stream = stream.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    carries_no_http(stream).await;
}

async fn serve_by_axum_server(app: axum::Router, acceptor: TlsAcceptor) -> SocketAddr {
    let handle = axum_server::Handle::new();
    let server = axum_server::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .acceptor(acceptor)
        .handle(handle.clone())
        .serve(app.into_make_service());
    tokio::spawn(server);
    handle.listening().await.unwrap()
}

#[tokio::test]
async fn d7_axum_server_serves_nothing_on_a_challenge() {
    let calls = Calls::default();
    let acceptor = TlsAcceptor::from(hosts()).acme_challenges(challenges(&[ACME]).0);
    let app = server::echo(&calls).layer(MisdirectedLayer::new());
    let addr = serve_by_axum_server(app, acceptor).await;
    let stream = validate(addr, &[ACME], "admin.test").await.unwrap();
    carries_no_http(stream).await;
    assert_eq!(calls.count(), 0);
}

#[tokio::test]
async fn d7_the_error_says_that_a_challenge_is_complete() {
    let acceptor = TlsAcceptor::from(hosts()).acme_challenges(challenges(&[ACME]).0);
    let (client, io) = tokio::io::duplex(1 << 16);
    let client = wire::handshake(client, pki::client(&[ACME]), Some("a.test"));
    let (accepted, validated) = tokio::join!(acceptor.accept(io), client);
    assert!(validated.is_ok());
    let error = accepted.err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    assert!(error.to_string().contains("ACME challenge"), "{error}");
}

#[tokio::test]
async fn d7_quic_has_no_challenges() {
    let mut config = pki::leaf(&["a.test"]).server_config();
    config.alpn_protocols = vec![b"h3".to_vec(), ACME.as_bytes().to_vec()];
    let acceptor = TlsAcceptor::new(Arc::new(config)).acme_challenges(challenges(&[ACME]).0);
    let addr = server::quic(axum::Router::new(), acceptor).await;
    let endpoint = wire::http3::quic_client();
    for (alpn, is_served) in [("h3", true), (ACME, false)] {
        let client = QuicClientConfig::try_from(pki::client(&[alpn])).unwrap();
        let client = quinn::ClientConfig::new(Arc::new(client));
        let connecting = endpoint.connect_with(client, addr, "a.test").unwrap();
        assert_eq!(connecting.await.is_ok(), is_served, "{alpn}");
    }
}

/// No protocol of this configuration is one of QUIC's, so rustls could choose any of them.
#[tokio::test]
async fn d7_no_connection_over_quic_negotiates_the_protocol_of_challenges() {
    for ours in [&[ACME][..], &["h2", "http/1.1", ACME]] {
        let mut config = pki::leaf(&["a.test"]).server_config();
        config.alpn_protocols = ours.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        let mut http3 = pki::leaf(&["b.test"]).server_config();
        http3.alpn_protocols = vec![b"h3".to_vec()];
        let hosts = VirtualHosts::builder()
            .host("a.test", Arc::new(config))
            .host("b.test", Arc::new(http3));
        let addr = server::quic(axum::Router::new(), hosts.build().unwrap()).await;
        let endpoint = wire::http3::quic_client();
        for offered in [&[ACME][..], &["h3", ACME]] {
            let client = QuicClientConfig::try_from(pki::client(offered)).unwrap();
            let client = quinn::ClientConfig::new(Arc::new(client));
            let connecting = endpoint.connect_with(client, addr, "a.test").unwrap();
            assert!(connecting.await.is_err(), "{ours:?}, {offered:?}");
        }
    }
}
