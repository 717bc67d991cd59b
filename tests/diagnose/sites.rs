//! The program against servers of this crate.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use rustls::ServerConfig;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsAcceptor, VirtualHosts};

use crate::pki::{self, leaf, sign};
use crate::program::{Directory, Running};
use crate::server;
use crate::tool::diagnose;

async fn site(hosts: impl Into<TlsAcceptor>) -> SocketAddr {
    let app = Router::new().fallback(|| async { "hello" });
    server::tls(app.layer(MisdirectedLayer::new()), hosts).await
}

fn guarded(names: &[&str]) -> Arc<ServerConfig> {
    let mut config = leaf(names).mutual_tls_config();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// `one.test` is the default; `admin.one.test` asks for client certificates.
fn hosts() -> VirtualHosts {
    let names = &["one.test", "*.one.test"];
    VirtualHosts::builder()
        .host("one.test", pki::server(names))
        .host("admin.one.test", guarded(names))
        .default_to("one.test")
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_host_with_client_certificates_is_refused_on_other_connections_and_this_heals() {
    let addr = site(hosts()).await;
    let run = diagnose(addr, &["one.test", "admin.one.test"], &[]).await;
    let expected = [
        "note wildcard-over-client-certificates",
        "note connection-ended",
    ];
    assert_eq!(
        (run.findings(), run.status),
        (expected.map(String::from).to_vec(), Some(0))
    );
    for http in ["1.1", "2"] {
        // In TLS 1.3 the alert arrives after the client's handshake.
        let own = run.connection(http, Some("admin.one.test"));
        assert_eq!(
            own["handshake"],
            "the server sent the TLS alert certificate_required"
        );
        assert_eq!(own["asks_client_certificate"], true);
        assert_eq!(own["sent_client_certificate"], false);
        let other = run.answer(http, Some("one.test"), "admin.one.test");
        assert_eq!(
            (&other["status"], &other["covered"]),
            (&421.into(), &true.into())
        );
        assert_eq!(
            (&other["cacheable"], &other["own"]),
            (&false.into(), &false.into())
        );
        assert_eq!(run.answer(http, Some("one.test"), "one.test")["own"], true);
        assert_eq!(run.connection(http, None)["certificate"]["verified"], true);
    }
    assert_eq!(
        run.answer("1.1", Some("one.test"), "admin.one.test")["ended"],
        "close"
    );
    assert!(run.answer("2", Some("one.test"), "admin.one.test")["ended"].is_null());
    let pairs = [
        ["one.test", "admin.one.test"],
        ["admin.one.test", "one.test"],
    ];
    assert_eq!(run.report["coalesced"], serde_json::json!(pairs));
    assert_eq!(run.report["target"], addr.to_string());
}

#[tokio::test]
async fn the_client_certificate_is_sent_where_it_is_asked_for() {
    let addr = site(hosts()).await;
    let directory = Directory::new();
    let client = sign(rcgen::CertificateParams::new(Vec::new()).unwrap());
    directory.write(
        "cert.pem",
        pem::encode(&pem::Pem::new("CERTIFICATE", &*client.der)),
    );
    directory.write(
        "key.pem",
        pem::encode(&pem::Pem::new("PRIVATE KEY", client.key.secret_der())),
    );
    let (cert, key) = (directory.path("cert.pem"), directory.path("key.pem"));
    let run = diagnose(
        addr,
        &["one.test", "admin.one.test"],
        &["--cert", &cert, "--key", &key],
    )
    .await;
    assert_eq!(run.status, Some(0), "{}", run.report);
    for http in ["1.1", "2"] {
        assert_eq!(
            run.connection(http, Some("admin.one.test"))["sent_client_certificate"],
            true
        );
        assert_eq!(
            run.connection(http, Some("one.test"))["sent_client_certificate"],
            false
        );
        assert_eq!(
            run.answer(http, Some("admin.one.test"), "admin.one.test")["status"],
            200
        );
    }
}

#[tokio::test]
async fn without_the_layer_the_same_hosts_are_a_bypass() {
    let app = Router::new().fallback(|| async { "hello" });
    let addr = server::tls(app, hosts()).await;
    let run = diagnose(addr, &["one.test", "admin.one.test"], &[]).await;
    assert_eq!(
        (run.findings(), run.status),
        (vec!["warning bypass".to_owned()], Some(1))
    );
    assert_eq!(
        run.report["findings"][0]["hosts"],
        serde_json::json!(["admin.one.test"])
    );
}

#[tokio::test]
async fn an_unknown_name_gets_the_default_certificate_or_no_handshake() {
    let hosts = VirtualHosts::builder()
        .host("one.test", pki::server(&["one.test"]))
        .host("two.test", pki::server(&["two.test"]));
    let asked = ["one.test", "two.test", "three.test"];
    let run = diagnose(site(hosts.clone().build().unwrap()).await, &asked, &[]).await;
    assert_eq!(
        (&*run.findings()[0], run.status),
        ("mend unknown-host", Some(1))
    );
    let own = run.connection("2", Some("three.test"));
    assert_eq!(
        own["handshake"],
        "the server sent the TLS alert unrecognized_name"
    );
    assert!(own["certificate"].is_null());
    let without = run.connection("2", None);
    assert_eq!(without["handshake"], own["handshake"]);

    let run = diagnose(
        site(hosts.default_to("one.test").build().unwrap()).await,
        &asked,
        &[],
    )
    .await;
    assert_eq!(
        run.findings()[..2],
        ["mend default-certificate", "mend unknown-host"]
    );
    let own = &run.connection("2", Some("three.test"))["certificate"];
    assert_eq!(
        (&own["names"], &own["verified"]),
        (&serde_json::json!(["one.test"]), &false.into())
    );
    assert_eq!(
        own["error"],
        "the certificate does not cover the server name"
    );
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_a_warning() {
    let config = leaf(&["one.test"]).server_config();
    let addr = site(Arc::new(config)).await;
    let directory = Directory::new();
    directory.write(
        "other.pem",
        pem::encode(&pem::Pem::new("CERTIFICATE", &*pki::OTHER_CA.0)),
    );
    let run = diagnose(addr, &["one.test"], &["--ca", &directory.path("other.pem")]).await;
    assert_eq!(
        (run.findings(), run.status),
        (vec!["warning unverifiable-certificate".to_owned()], Some(1))
    );
    let certificate = &run.connection("2", Some("one.test"))["certificate"];
    assert_eq!(
        certificate["error"],
        "no trusted authority has issued the certificate"
    );
}

/// `openssl req -x509` makes such certificates.
#[tokio::test]
async fn a_certificate_that_has_signed_itself_is_explained() {
    let mut params = rcgen::CertificateParams::new(vec!["one.test".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let leaf = pki::Leaf {
        der: certificate.der().clone(),
        key: rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    };
    let addr = site(Arc::new(leaf.server_config())).await;
    let run = diagnose(addr, &["one.test"], &[]).await;
    assert_eq!(run.findings(), ["warning unverifiable-certificate"]);
    let error = "the certificate is that of an authority, such as one that has signed itself";
    let certificate = &run.connection("2", Some("one.test"))["certificate"];
    assert_eq!(certificate["error"], error);
}

#[tokio::test]
async fn http3_is_used_where_the_server_advertises_it() {
    let example = Running::start("http3", &[]).await;
    let hosts = ["app.localhost", "api.localhost"];
    let run = diagnose(example.addr, &hosts, &[]).await;
    assert_eq!(
        run.answer("3", Some("app.localhost"), "api.localhost")["status"],
        200
    );
    assert_eq!(run.requests(), 18);
    let run = diagnose(example.addr, &hosts, &["--http", "3"]).await;
    assert_eq!((run.connections().len(), run.requests()), (3, 6));
    // Elsewhere nothing listens on UDP, and nobody asks.
    let run = diagnose(site(hosts_of_localhost()).await, &hosts, &[]).await;
    assert!(
        run.connections()
            .iter()
            .all(|connection| connection["http"] != "3")
    );
}

fn hosts_of_localhost() -> Arc<ServerConfig> {
    pki::server(&["app.localhost", "api.localhost"])
}

/// What a request was, as the server saw it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    http2: bool,
    server_name: Option<String>,
    host: String,
}

/// RFC 6066 §3: a server name is no address and has no trailing dot.
#[tokio::test]
async fn hosts_are_asked_for_as_given_and_with_the_server_name_of_a_client() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = requests.clone();
    let app = Router::new().fallback(move |connection: ConnectionInfo, request: Request| {
        let (uri, headers) = (request.uri(), request.headers());
        let authority = uri.authority().map(|authority| authority.as_str());
        let host = headers.get("host").map(|host| host.to_str().unwrap());
        log.lock().unwrap().push(Seen {
            http2: authority.is_some(),
            server_name: connection.server_name().map(str::to_owned),
            host: authority.or(host).unwrap().to_owned(),
        });
        // Nothing that changes the server's state, and no credentials.
        assert_eq!(request.method(), Method::GET);
        assert_eq!(uri.path_and_query().unwrap(), "/health?full");
        assert!(headers.keys().all(|name| name == "host"), "{headers:?}");
        async { "hello" }
    });
    let addr = server::tls(app, pki::server(&["one.test", "127.0.0.1", "::1"])).await;
    let hosts = ["one.test", "One.Test.", "one.test:8443", "127.0.0.1", "::1"];
    let run = diagnose(addr, &hosts, &["--path", "/health?full"]).await;
    assert_eq!(
        (run.findings().len(), run.status),
        (0, Some(0)),
        "{}",
        run.report
    );
    let mut expected = Vec::new();
    for http2 in [false, true] {
        for server_name in [Some("one.test"), None] {
            for host in [
                "one.test",
                "One.Test.",
                "one.test:8443",
                "127.0.0.1",
                "[::1]",
            ] {
                let server_name = server_name.map(str::to_owned);
                expected.push(Seen {
                    http2,
                    server_name,
                    host: host.to_owned(),
                });
            }
        }
    }
    let mut seen = std::mem::take(&mut *requests.lock().unwrap());
    assert_eq!(run.requests(), seen.len() as u64);
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_text_output_says_how_many_requests_there_are_at_most() {
    let addr = site(hosts()).await.to_string();
    let output = crate::program::run(
        "diagnose",
        &["one.test", "--connect-to", &addr, "--http", "2"],
    )
    .await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("at most 2 requests on 3 connections\n"),
        "{text}"
    );
    assert!(
        text.contains("\nWARNING: unverifiable-certificate: one.test\n"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));
}
