//! Handshakes that fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_misdirected::{TlsAcceptor, VirtualHosts};

use crate::{Messages, pki, wire};

pub const SECTION: &str = "When a handshake fails";

/// Runs a handshake that fails, and returns what was reported.
async fn failure<F: Future<Output = ()>>(
    acceptor: impl Into<TlsAcceptor>,
    client: impl FnOnce(DuplexStream) -> F,
) -> String {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = reports.clone();
    let acceptor = acceptor.into().on_handshake_failure(move |failure| {
        sink.lock().unwrap().push(failure.to_string());
    });
    let error = wire::refused(&acceptor, client).await;
    let reports = reports.lock().unwrap();
    let [report] = &reports[..] else {
        // A challenge is no failure, and only the caller learns of it.
        return error.to_string();
    };
    // rustls writes the `Debug` form of what it does not know.
    if !error.to_string().contains("Other(") {
        assert_eq!(*report, error.to_string());
    }
    report.clone()
}

pub async fn make(messages: &mut Messages) {
    let plain = || TlsAcceptor::new(pki::server(&["a.test"]));
    let hosts = || {
        let hosts = VirtualHosts::builder().host("a.test", pki::server(&["a.test"]));
        TlsAcceptor::from(hosts.build().unwrap())
    };
    let late = plain().handshake_timeout(Duration::ZERO);
    let silent = async |io| {
        std::future::pending::<()>().await;
        drop(io);
    };
    messages.text(SECTION, failure(late, silent).await);
    for name in [Some("b.test"), None] {
        let refused = failure(hosts(), |io| wire::visit(io, pki::client(&[]), name));
        messages.text(SECTION, refused.await);
    }

    let mut roots = rustls::RootCertStore::empty();
    roots.add(pki::OTHER_CA.0.clone()).unwrap();
    let suspicious = rustls::ClientConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let old = pki::client_of(&[], &[&rustls::version::TLS12], pki::provider());
    let mut new = pki::leaf(&["a.test"]).server_config();
    let strict = Arc::new(pki::leaf(&["a.test"]).mutual_tls_config());
    let mut authority = CertificateParams::new(vec!["client.test".to_owned()]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let with = |params| pki::client_with_certificate(&[], &params);
    new = rustls::ServerConfig::builder_with_provider(pki::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(new.cert_resolver.clone());
    let stranger = CertificateParams::new(vec!["client.test".to_owned()]).unwrap();
    for (acceptor, client) in [
        (plain(), suspicious),
        (strict.clone().into(), pki::client(&[])),
        (
            strict.clone().into(),
            with(pki::sign_by(&pki::OTHER_CA, stranger)),
        ),
        (strict.into(), with(pki::sign(authority))),
        (Arc::new(new).into(), old),
        (plain(), pki::client(&["imap"])),
    ] {
        let failed = failure(acceptor, |io| wire::visit(io, client, Some("a.test")));
        messages.text(SECTION, failed.await);
    }

    let http = async |mut io: DuplexStream| {
        io.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await
            .unwrap();
        let _ = io.read_u8().await;
    };
    messages.text(SECTION, failure(plain(), http).await);
    messages.text(SECTION, failure(plain(), async |io| drop(io)).await);

    let mut challenges = pki::leaf(&["a.test"]).server_config();
    challenges.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let acceptor = hosts().acme_challenges(Arc::new(challenges));
    let challenge = pki::client(&["acme-tls/1"]);
    let ended = failure(acceptor, |io| wire::visit(io, challenge, Some("a.test")));
    messages.text(SECTION, ended.await);

    messages.text(SECTION, over_quic().await);

    let crowded = plain().max_pending_handshakes(1);
    let (_silent, first) = tokio::io::duplex(64);
    let (_other, second) = tokio::io::duplex(64);
    let first = tokio::spawn(crowded.accept(first));
    // The first handshake is pending when its task has been polled.
    tokio::task::yield_now().await;
    let second = tokio::spawn(crowded.accept(second));
    let ended = tokio::time::timeout(wire::PATIENCE, first).await;
    messages.text(
        SECTION,
        ended.expect("an end in time").unwrap().err().unwrap(),
    );
    second.abort();
}

/// What is reported if a client asks over QUIC for a host that has no protocol for it.
async fn over_quic() -> String {
    let mut http3 = pki::leaf(&["b.test"]).server_config();
    http3.alpn_protocols = vec![b"h3".to_vec()];
    let hosts = VirtualHosts::builder()
        .host("a.test", pki::server(&["a.test"]))
        .host("b.test", Arc::new(http3));
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = reports.clone();
    let acceptor = TlsAcceptor::from(hosts.build().unwrap()).on_handshake_failure(move |failure| {
        sink.lock().unwrap().push(failure.to_string());
    });
    let addr = crate::server::quic(axum::Router::new(), acceptor).await;
    let endpoint = wire::http3::quic_client();
    let refused = wire::http3::connect_quic(&endpoint, addr, pki::client(&[]), Some("a.test"));
    assert!(refused.await.is_err());
    let report = reports.lock().unwrap().pop();
    report.unwrap()
}
