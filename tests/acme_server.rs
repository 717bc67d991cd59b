//! D7: certificates that rustls-acme orders and renews from a real ACME server, Pebble, by TLS-ALPN-01 (RFC 8737). It is
//! many crates, so it is tested apart: by `.ci/recipes`.
#![cfg(recipes)]

#[path = "clients/installed.rs"]
#[allow(dead_code, reason = "each test crate uses its part")]
mod installed;
mod pki;
mod ports;
mod program;
#[path = "../src/guide/acme.rs"]
mod recipe;
mod server;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_acme::{AcmeConfig, AcmeState};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener, VirtualHosts};

use crate::ports::free_addr;
use crate::program::Directory;
use crate::server::Calls;

/// Ordering takes seconds, and so does a renewal after two thirds of the lifetime. What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a certificate is valid, in seconds. rustls-acme renews it a third of that before its end.
const LIFETIME: u32 = 12;

/// Pebble, with a DNS server that knows every name, both ended with the test.
struct Pebble {
    directory_url: String,
    /// The certificate of its own interface.
    certificate: Vec<u8>,
    _files: Directory,
    _children: [Child; 2],
}

/// Where Pebble and its DNS server are. `None` if one is not installed, which has been said.
fn programs() -> Option<[PathBuf; 2]> {
    let pebble = installed::find(&["pebble"])?;
    Some([pebble, installed::find(&["pebble-challtestsrv"])?])
}

impl Pebble {
    /// Starts an ACME server that validates at this port of loopback.
    async fn start([pebble, dns]: [PathBuf; 2], tls_port: u16) -> Self {
        let files = Directory::new();
        let certificate = files.write_certificate("api.pem", "api.key", &["localhost"]);
        let (api, management, names) = (free_addr(), free_addr(), free_addr());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": api.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": files.path("api.pem"),
            "privateKey": files.path("api.key"),
            "httpPort": 1,
            "tlsPort": tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": LIFETIME,
        }});
        files.write("pebble.json", config.to_string());
        let run = |command: &mut Command| {
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            command.kill_on_drop(true).spawn().unwrap()
        };
        let names = names.to_string();
        let mut dns = Command::new(dns);
        dns.args([
            "-management",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
        ]);
        let dns = run(dns.args(["-defaultIPv6", "", "-dns01", &names]));
        let mut server = Command::new(pebble);
        server.args(["-dnsserver", &names, "-config", &files.path("pebble.json")]);
        // Otherwise it waits before it validates, and refuses some requests at random.
        let server = run(server
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0"));
        let listening = async {
            while TcpStream::connect(api).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listening)
            .await
            .expect("Pebble listens in time");
        Self {
            certificate,
            directory_url: format!("https://localhost:{}/dir", api.port()),
            _files: files,
            _children: [server, dns],
        }
    }

    fn order(&self, domains: &[&str]) -> AcmeState<std::convert::Infallible> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone().into()).unwrap();
        let client = ClientConfig::builder_with_provider(pki::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        AcmeConfig::new_with_client_config(domains, Arc::new(client))
            .directory(&self.directory_url)
            .state()
    }
}

/// Keeps the certificates up to date, and tells of each new one.
fn drive(state: AcmeState<std::convert::Infallible>) -> mpsc::UnboundedReceiver<()> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let renewed = move || {
        let _ = sender.send(());
    };
    tokio::spawn(recipe::keep(state, renewed));
    receiver
}

async fn next(deployed: &mut mpsc::UnboundedReceiver<()>) {
    let next = tokio::time::timeout(PATIENCE, deployed.recv()).await;
    next.expect("a certificate in time").unwrap();
}

/// Opens a connection of HTTP/2, and returns the certificate that it presented.
async fn connect(
    addr: SocketAddr,
    client: ClientConfig,
    name: &str,
) -> (h2::client::SendRequest<bytes::Bytes>, Vec<u8>) {
    let io = wire::connect(addr, client, Some(name)).await;
    let presented = io.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    (wire::http2(io).await, presented)
}

async fn status(client: &h2::client::SendRequest<bytes::Bytes>, host: &str) -> u16 {
    let answer = wire::send2(client, wire::get2(Some(host), &[])).await;
    answer.status().as_u16()
}

#[tokio::test]
async fn d7_certificates_are_ordered_and_renewed_beside_virtual_hosts_and_client_certificates() {
    let Some(programs) = programs() else { return };
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let pebble = Pebble::start(programs, addr.port()).await;

    let state = pebble.order(&["www.acme.test", "admin.acme.test"]);
    let mut roots = RootCertStore::empty();
    roots.add(pki::CA.0.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), pki::provider());
    let admin = ServerConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_cert_resolver(state.resolver());
    let hosts = VirtualHosts::builder()
        .host(
            "www.acme.test",
            recipe::config(&state, pki::provider()).unwrap(),
        )
        .host("admin.acme.test", Arc::new(admin))
        .host("static.test", pki::server(&["static.test"]));
    let acceptor = recipe::acceptor(&state, hosts.build().unwrap(), pki::provider());
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let listener = TlsListener::from_tcp(tcp, acceptor);
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });

    // Another host is served before there is any certificate for these.
    let (other, _) = connect(addr, pki::client(&["h2"]), "static.test").await;
    assert_eq!(status(&other, "static.test").await, 200);
    let mut deployed = drive(state);
    next(&mut deployed).await;

    let (www, first) = connect(addr, pki::client(&["h2"]), "www.acme.test").await;
    assert_eq!(status(&www, "www.acme.test").await, 200);
    assert_eq!(status(&www, "admin.acme.test").await, 421);
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.serial_number = Some(1_u64.into());
    let holder = pki::client_with_certificate(&["h2"], &pki::sign(params));
    let (admin, _) = connect(addr, holder, "admin.acme.test").await;
    assert_eq!(status(&admin, "admin.acme.test").await, 200);

    // The renewal changes the certificate of new connections, and nothing for the others.
    next(&mut deployed).await;
    let (renewed, second) = connect(addr, pki::client(&["h2"]), "www.acme.test").await;
    assert_ne!(first, second);
    for (client, host) in [
        (&www, "www.acme.test"),
        (&renewed, "www.acme.test"),
        (&admin, "admin.acme.test"),
        (&other, "static.test"),
    ] {
        assert_eq!(status(client, host).await, 200, "{host}");
    }
}

#[tokio::test]
async fn d7_a_resolver_inside_a_configuration_answers_the_challenges_of_its_host() {
    let Some(programs) = programs() else { return };
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let pebble = Pebble::start(programs, addr.port()).await;
    let state = pebble.order(&["www.acme.test"]);
    let mut www = ServerConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(state.resolver());
    www.alpn_protocols = ["h2", "http/1.1", "acme-tls/1"].map(Into::into).into();
    let hosts = VirtualHosts::builder()
        .host("www.acme.test", Arc::new(www))
        .host("static.test", pki::server(&["static.test"]));
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let listener = TlsListener::from_tcp(tcp, hosts.build().unwrap());
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });

    next(&mut drive(state)).await;
    let (www, _) = connect(addr, pki::client(&["h2"]), "www.acme.test").await;
    assert_eq!(status(&www, "www.acme.test").await, 200);
    assert_eq!(status(&www, "static.test").await, 421);
}
