//! HTTP/3 on quinn: the same layer and rules, the certificate that the QUIC handshake presented, and
//! per-host configurations.

mod pki;
mod server;
mod wire;

#[path = "bypass/memory.rs"]
mod memory;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use axum::Router;
use http::Request;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, Endpoint};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{NamedGroup, ServerConfig};
use tower_misdirected::{
    CertificateNames, ConnectionInfo, MisdirectedLayer, QuicTls, TlsAcceptor, TlsVersion,
    VirtualHosts,
};

use crate::server::Calls;
use crate::wire::http3::{Client3, connect_quic, get3, http3, quic_client, quic_config, send3};

fn h3(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![b"h2".to_vec(), b"h3".to_vec()];
    Arc::new(config)
}

fn config(names: &[&str]) -> Arc<ServerConfig> {
    h3(pki::leaf(names).server_config())
}

/// A connection for this server name, as long as the endpoint lives.
async fn connect(endpoint: &Endpoint, addr: std::net::SocketAddr, sni: Option<&str>) -> Client3 {
    let connection = connect_quic(endpoint, addr, pki::client(&[]), sni).await;
    http3(connection.unwrap()).await
}

#[tokio::test]
async fn d5_a_certificate_serves_its_names_and_a_refusal_leaves_the_connection_alone() {
    let calls = Calls::default();
    let app = server::echo(&calls).layer(MisdirectedLayer::new().json());
    let addr = server::quic(app, config(&["a.test", "*.b.test", "::1"])).await;
    let endpoint = quic_client();
    let client = connect(&endpoint, addr, Some("a.test")).await;
    for (host, status) in [
        ("a.test", 200),
        ("A.test.:443", 200),
        ("x.b.test", 200),
        ("b.test", 421),
        ("c.test", 421),
        ("[::1]:8443", 200),
        ("[::2]:8443", 421),
    ] {
        let answer = get3(&client, host).await;
        assert_eq!(answer.status(), status, "{host}");
        if status == 421 {
            assert_eq!(answer.headers()["cache-control"], "no-store", "C1");
            assert_eq!(answer.body(), r#"{"error":"misdirected_request"}"#, "C2");
            assert!(!answer.headers().contains_key("connection"), "C3");
            assert!(answer.headers().contains_key("date"), "RFC 9110 §6.6.1");
        }
    }
    assert_eq!(calls.count(), 4, "C4");
}

#[tokio::test]
async fn a1_the_authority_is_the_targets_and_host_may_not_differ() {
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let addr = server::quic(app, config(&["a.test", "b.test"])).await;
    let endpoint = quic_client();
    let client = connect(&endpoint, addr, Some("a.test")).await;
    let request = |host: &str| {
        Request::get("https://a.test/")
            .header("host", host)
            .body(())
            .unwrap()
    };
    let answer = send3(&client, request("a.test")).await.unwrap();
    assert_eq!(answer.body(), "authority=a.test uri=a.test host=a.test");
    // h3 itself ends the stream.
    assert!(send3(&client, request("b.test")).await.is_err());
}

#[tokio::test]
async fn the_client_hello_chooses_the_configuration_or_the_handshake_is_refused() {
    let builder = VirtualHosts::builder()
        .host("a.test", config(&["a.test", "b.test"]))
        .host("b.test", config(&["a.test", "b.test"]))
        .host("*.w.test", config(&["*.w.test"]));
    let app = || server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let without_default = server::quic(app(), builder.clone().build().unwrap()).await;
    let builder = builder.default(config(&["a.test", "other.test"]));
    let with_default = server::quic(app(), builder.build().unwrap()).await;
    let endpoint = quic_client();
    for (sni, host, status) in [
        (Some("a.test"), "a.test", 200),
        (Some("A.Test"), "a.test", 200),
        (Some("a.test"), "b.test", 421),
        (Some("b.test"), "a.test", 421),
        (Some("x.w.test"), "y.w.test", 200),
    ] {
        for addr in [without_default, with_default] {
            let client = connect(&endpoint, addr, sni).await;
            assert_eq!(
                get3(&client, host).await.status(),
                status,
                "{sni:?} -> {host}"
            );
        }
    }
    for sni in [None, Some("w.test"), Some("nobody.test")] {
        let client = connect(&endpoint, with_default, sni).await;
        assert_eq!(get3(&client, "other.test").await.status(), 200);
        assert_eq!(get3(&client, "a.test").await.status(), 421, "B9");
        let refused = connect_quic(&endpoint, without_default, pki::client(&[]), sni).await;
        // RFC 9001 §4.8: unrecognized_name, 112.
        assert_eq!(alert(refused), Some(112), "{sni:?}");
    }
}

/// The TLS alert that ended a handshake.
fn alert(result: Result<quinn::Connection, ConnectionError>) -> Option<u8> {
    match result {
        Err(ConnectionError::ConnectionClosed(close)) => {
            let code = u64::from(close.error_code);
            u8::try_from(code.checked_sub(0x100)?).ok()
        }
        other => panic!("{other:?}"),
    }
}

/// Hands out the certificates in turn.
#[derive(Debug)]
struct InTurn(Mutex<Vec<Arc<CertifiedKey>>>);

impl ResolvesServerCert for InTurn {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.lock().unwrap().pop()
    }
}

#[tokio::test]
async fn d1_the_certificate_that_this_handshake_presented_is_recorded() {
    let keys = ["b.test", "a.test"].map(|name| pki::leaf(&[name]).certified_key());
    let mut config = pki::leaf(&[]).server_config();
    config.cert_resolver = Arc::new(InTurn(Mutex::new(keys.into())));
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let addr = server::quic(app, h3(config)).await;
    let endpoint = quic_client();
    let first = connect(&endpoint, addr, Some("x.test")).await;
    let second = connect(&endpoint, addr, Some("x.test")).await;
    for (client, ok, misdirected) in [(&first, "a.test", "b.test"), (&second, "b.test", "a.test")] {
        assert_eq!(get3(client, ok).await.status(), 200);
        assert_eq!(get3(client, misdirected).await.status(), 421);
    }
}

#[tokio::test]
async fn d1_after_a_hello_retry_request_the_last_certificate_counts() {
    let keys = ["b.test", "a.test"].map(|name| pki::leaf(&[name]).certified_key());
    // The server wants a group that clients do not begin with.
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .kx_groups
        .retain(|group| group.name() == NamedGroup::secp384r1);
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(InTurn(Mutex::new(keys.into()))));
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let addr = server::quic(app, h3(config)).await;
    let endpoint = quic_client();
    let client = connect(&endpoint, addr, Some("x.test")).await;
    assert_eq!(get3(&client, "b.test").await.status(), 200);
    assert_eq!(get3(&client, "a.test").await.status(), 421);
}

#[tokio::test]
async fn d8_a_handshake_with_a_hello_retry_request_may_resume_a_session() {
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .kx_groups
        .retain(|group| group.name() == NamedGroup::secp384r1);
    let leaf = pki::leaf(&["a.test"]);
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der], leaf.key)
        .unwrap();
    let app = async |info: ConnectionInfo| info.resumed().to_string();
    let addr = server::quic(Router::new().fallback(app), h3(config)).await;
    // Remembers sessions, and not which group the server wants.
    let sessions = Arc::new(memory::Sessions::default());
    let mut client = pki::client(&[]);
    client.resumption = Resumption::store(sessions.clone());
    let endpoint = quic_client();
    for (offered, resumed) in [(0, "false"), (1, "true")] {
        let quic = connect_quic(&endpoint, addr, client.clone(), Some("a.test")).await;
        let client = http3(quic.unwrap()).await;
        assert_eq!(get3(&client, "a.test").await.body(), resumed);
        assert_eq!(sessions.offered.load(Ordering::SeqCst), offered);
        let mut kept = sessions.kept.subscribe();
        let kept = tokio::time::timeout(wire::PATIENCE, kept.wait_for(|kept| *kept > 0));
        kept.await.expect("a session in time").unwrap();
    }
}

/// An endpoint whose connections the test accepts itself.
fn endpoint(tls: impl Into<TlsAcceptor>) -> (Endpoint, std::net::SocketAddr) {
    let tls = QuicTls::<QuicServerConfig>::new(tls).unwrap();
    let server = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let server = Endpoint::server(server, ([127, 0, 0, 1], 0).into()).unwrap();
    let addr = server.local_addr().unwrap();
    (server, addr)
}

/// The protocol that a client with these agrees on, as the server tells it.
async fn agreed(config: &[&str], client: &[&str]) -> Result<Vec<u8>, ConnectionError> {
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut server_config = pki::leaf(&["a.test"]).server_config();
    server_config.alpn_protocols = names(config);
    let (server, addr) = endpoint(Arc::new(server_config));
    let mut client_config = pki::client(&[]);
    client_config.alpn_protocols = names(client);
    let client_config = QuicClientConfig::try_from(client_config).unwrap();
    let client_config = quinn::ClientConfig::new(Arc::new(client_config));
    let client = quic_client();
    let connecting = client.connect_with(client_config, addr, "a.test").unwrap();
    let accept = async { server.accept().await.unwrap().await };
    let (accepted, connected) = tokio::join!(accept, connecting);
    connected?;
    let info = ConnectionInfo::from_quinn(&accepted?).unwrap();
    Ok(info.alpn().unwrap_or_default().to_vec())
}

#[tokio::test]
async fn the_servers_order_decides_and_protocols_of_tcp_have_no_part() {
    let all = ["h2", "http/1.1", "x", "h3"];
    for (config, client, protocol) in [
        (&all[..], &["h3", "h2", "http/1.1"][..], "h3"),
        (&all, &["h2", "h3"], "h3"),
        (&all, &["h3", "x"], "x"),
        (&["h3", "x"], &["x", "h3"], "h3"),
    ] {
        let agreed = agreed(config, client).await;
        assert_eq!(agreed.unwrap(), protocol.as_bytes(), "{client:?}");
    }
    assert!(agreed(&all, &["h2", "http/1.1"]).await.is_err());
}

#[tokio::test]
async fn the_draft_version_that_quinn_speaks_works_too() {
    let (server, addr) = endpoint(config(&["a.test"]));
    let mut client = quic_config(pki::client(&[]));
    client.version(0xff00_001d);
    let connecting = quic_client().connect_with(client, addr, "a.test").unwrap();
    let accept = async { server.accept().await.unwrap().await };
    let (accepted, connected) = tokio::join!(accept, connecting);
    let (accepted, connected) = (accepted.unwrap(), connected.unwrap());
    assert!(ConnectionInfo::from_quinn(&accepted).is_some());
    // Keys are exported as by any session of quinn's.
    let (mut ours, mut theirs) = ([0; 32], [0; 32]);
    accepted
        .export_keying_material(&mut ours, b"label", b"")
        .unwrap();
    connected
        .export_keying_material(&mut theirs, b"label", b"")
        .unwrap();
    assert_eq!(ours, theirs);
}

#[tokio::test]
async fn quinn_learns_of_handshake_data_and_of_the_client_as_ever() {
    let (server, addr) = endpoint(h3(pki::leaf(&["a.test"]).mutual_tls_config()));
    let own = pki::leaf(&["client.test"]);
    let client = pki::client_with_certificate(&[], &own);
    let endpoint = quic_client();
    let connected = connect_quic(&endpoint, addr, client, Some("a.test"));
    let accept = async {
        let mut connecting = server.accept().await.unwrap().accept().unwrap();
        connecting.handshake_data().await.unwrap();
        connecting.await.unwrap()
    };
    let (accepted, connected) = tokio::join!(accept, connected);
    connected.unwrap();
    let identity = accepted.peer_identity().unwrap();
    let identity = identity.downcast::<Vec<CertificateDer<'static>>>().unwrap();
    assert_eq!(*identity, [own.der]);
}

#[tokio::test]
async fn the_connection_info_says_what_the_handshake_was() {
    let seen = Arc::new(Mutex::new(None));
    let handler = {
        let seen = seen.clone();
        async move |info: ConnectionInfo| *seen.lock().unwrap() = Some(info)
    };
    let app = Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::new());
    let hosts = VirtualHosts::builder()
        .host("a.test", h3(pki::leaf(&["a.test"]).mutual_tls_config()))
        .build()
        .unwrap();
    let addr = server::quic(app, hosts).await;
    let endpoint = quic_client();
    let own = pki::leaf(&["client.test"]);
    let client = pki::client_with_certificate(&[], &own);
    let connection = connect_quic(&endpoint, addr, client, Some("A.test"))
        .await
        .unwrap();
    assert_eq!(get3(&http3(connection).await, "a.test").await.status(), 200);
    let info = seen.lock().unwrap().take().unwrap();
    assert!(info.is_tls());
    assert_eq!(info.server_name(), Some("a.test"));
    assert_eq!(info.certificate_names().to_strings(), ["a.test"]);
    assert_eq!(info.alpn(), Some(&b"h3"[..]));
    assert_eq!(info.tls_version(), Some(TlsVersion::V1_3));
    assert_eq!(info.peer_addr(), Some(endpoint.local_addr().unwrap()));
    assert_eq!(info.virtual_host().unwrap().id(), "a.test");
    assert_eq!(
        info.client_certificates().collect::<Vec<_>>(),
        [&own.der[..]]
    );
}

#[tokio::test]
async fn names_are_held_once_for_tcp_and_quic() {
    let names = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let names = names.clone();
        async move |info: ConnectionInfo| {
            names.lock().unwrap().push(info.certificate_names().clone());
        }
    };
    let app: Router = Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::new());
    let acceptor = TlsAcceptor::from(config(&["a.test"]));
    let tcp = server::tls(app.clone(), acceptor.clone()).await;
    let quic = server::quic(app, acceptor).await;
    let endpoint = quic_client();
    let client = connect(&endpoint, quic, Some("a.test")).await;
    assert_eq!(get3(&client, "a.test").await.status(), 200);
    let io = wire::connect(tcp, pki::client(&["h2"]), Some("a.test")).await;
    let answer = wire::send2(&wire::http2(io).await, wire::get2(Some("a.test"), &[])).await;
    assert_eq!(answer.status(), 200);
    let names: Vec<CertificateNames> = names.lock().unwrap().drain(..).collect();
    assert!(names[0].is_known() && names[0].ptr_eq(&names[1]), "D2");
}

#[tokio::test]
async fn a_configuration_that_cannot_serve_quic_is_refused_and_others_are_served() {
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let only_tls12 = || {
        let config = ServerConfig::builder_with_provider(pki::provider())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(InTurn(Mutex::default())));
        h3(config)
    };
    let error = QuicTls::<QuicServerConfig>::new(only_tls12()).unwrap_err();
    assert!(error.to_string().contains("TLS 1.3"), "{error}");

    for protocols in [&[][..], &["h2", "http/1.1", "acme-tls/1"]] {
        let mut config = pki::leaf(&["a.test"]).server_config();
        config.alpn_protocols = protocols.iter().map(|&name| name.into()).collect();
        let error = QuicTls::<QuicServerConfig>::new(Arc::new(config)).unwrap_err();
        assert!(error.to_string().contains("add `h3`"), "{error}");
    }

    // The first one that can will do, and the default comes last.
    let mut hosts = VirtualHosts::builder().default(config(&["a.test"]));
    for n in 0..8 {
        hosts = hosts.host(format!("h{n}.test"), only_tls12());
    }
    QuicTls::<QuicServerConfig>::new(hosts.build().unwrap()).unwrap();

    let without_h3 = pki::leaf(&["c.test"]).server_config();
    let mut early_data = pki::leaf(&["d.test"]).server_config();
    early_data.max_early_data_size = 1024; // which QUIC cannot have
    let hosts = VirtualHosts::builder()
        .host("b.test", only_tls12())
        .host("a.test", config(&["a.test"]))
        .host("c.test", Arc::new(without_h3))
        .host("d.test", h3(early_data))
        .build()
        .unwrap();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let sink = failures.clone();
    let acceptor = TlsAcceptor::from(hosts).on_handshake_failure(move |failure| {
        let host = failure.virtual_host().map(|host| host.id().to_owned());
        let server_name = failure.server_name().map(str::to_owned);
        sink.lock()
            .unwrap()
            .push((failure.to_string(), host, server_name));
    });
    let addr = server::quic(app, acceptor).await;
    let endpoint = quic_client();
    // handshake_failure and no_application_protocol
    for (sni, number) in [("b.test", 40), ("c.test", 120)] {
        let refused = connect_quic(&endpoint, addr, pki::client(&[]), Some(sni)).await;
        assert_eq!(alert(refused), Some(number), "{sni}");
        let (text, host, server_name) = failures.lock().unwrap().pop().unwrap();
        assert_eq!(
            [host, server_name],
            [Some(sni.to_owned()), Some(sni.to_owned())],
            "{text}"
        );
        assert_eq!(text.contains("add `h3`"), sni == "c.test", "{text}");
    }
    // A client that offers a protocol of TCP over QUIC.
    let mut config = pki::client(&[]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
    let connecting = endpoint.connect_with(client, addr, "c.test").unwrap();
    assert_eq!(alert(connecting.await), Some(120));
    for sni in ["a.test", "d.test"] {
        let client = connect(&endpoint, addr, Some(sni)).await;
        assert_eq!(get3(&client, sni).await.status(), 200);
    }
}

#[tokio::test]
async fn a_connection_of_another_crypto_configuration_has_no_info() {
    let crypto = QuicServerConfig::try_from(config(&["a.test"])).unwrap();
    let server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let server = Endpoint::server(server, ([127, 0, 0, 1], 0).into()).unwrap();
    let addr = server.local_addr().unwrap();
    let endpoint = quic_client();
    let client = connect_quic(&endpoint, addr, pki::client(&[]), Some("a.test"));
    let (accepted, connected) =
        tokio::join!(async { server.accept().await.unwrap().await }, client);
    assert!(ConnectionInfo::from_quinn(&accepted.unwrap()).is_none());
    assert!(ConnectionInfo::from_quinn(&connected.unwrap()).is_none());
}

#[tokio::test]
async fn the_current_configuration_is_asked_for_at_every_handshake() {
    let current = Arc::new(Mutex::new(config(&["a.test"])));
    let source = current.clone();
    let acceptor = TlsAcceptor::from_fn(move || source.lock().unwrap().clone());
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let addr = server::quic(app, acceptor).await;
    let endpoint = quic_client();
    let old = connect(&endpoint, addr, Some("a.test")).await;
    *current.lock().unwrap() = config(&["b.test"]);
    let new = connect(&endpoint, addr, Some("a.test")).await;
    for (client, ok, misdirected) in [(&old, "a.test", "b.test"), (&new, "b.test", "a.test")] {
        assert_eq!(get3(client, ok).await.status(), 200);
        assert_eq!(get3(client, misdirected).await.status(), 421);
    }
}

#[tokio::test]
async fn an_endpoint_that_validates_addresses_by_retry_works_too() {
    let (server, addr) = endpoint(config(&["a.test"]));
    let endpoint = quic_client();
    let accept = async {
        server.accept().await.unwrap().retry().unwrap();
        server.accept().await.unwrap().await.unwrap()
    };
    let client = connect_quic(&endpoint, addr, pki::client(&[]), Some("a.test"));
    let (accepted, connected) = tokio::join!(accept, client);
    connected.unwrap();
    let info = ConnectionInfo::from_quinn(&accepted).unwrap();
    assert_eq!(info.server_name(), Some("a.test"));
}
