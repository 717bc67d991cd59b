//! D10: sessions in another process, which has the same ticket keys. They resume under the same ids, over TCP and
//! QUIC, and never under other ids or without any. Each server is this program, started again.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, VirtualHosts};

use crate::client::{Connection, Http, Visitor};
use crate::pki::{self, Leaf};
use crate::resumption::{WAYS, visitor};
use crate::server;
use crate::site::ONE;
use crate::wire::PATIENCE;

/// The variable that makes this program a server.
const SETTINGS: &str = "MISDIRECTED_SESSIONS_SERVER";

#[derive(Deserialize, Serialize)]
struct Settings {
    /// What the ids of the configurations begin with. `None` if they have no ids.
    ids: Option<String>,
    /// The authority of client certificates.
    client_ca: Vec<u8>,
}

/// Where a server listens.
#[derive(Deserialize, Serialize)]
struct Listening {
    tcp: SocketAddr,
    quic: SocketAddr,
}

/// Tickets under a key that every process has. A server for the internet needs keys that change.
struct SharedKey(LessSafeKey);

impl SharedKey {
    fn new() -> Arc<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap();
        Arc::new(Self(LessSafeKey::new(key)))
    }
}

impl ProducesTickets for SharedKey {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        3600
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut ticket = [&nonce, plain].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let in_place = &mut ticket[NONCE_LEN..];
        let seal = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::empty(), in_place);
        ticket.extend_from_slice(seal.ok()?.as_ref());
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::empty(), &mut sealed);
        Some(plain.ok()?.to_vec())
    }
}

impl std::fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedKey")
    }
}

/// `www.test`, which lets anyone in, and `admin.test`, which wants a client certificate.
fn hosts(settings: &Settings) -> VirtualHosts {
    let leaf = pki::leaf(&["www.test", "admin.test"]);
    let mut roots = RootCertStore::empty();
    roots.add(settings.client_ca.clone().into()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), pki::provider());
    let mutual = ServerConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![leaf.der.clone()], leaf.key.clone_key())
        .unwrap();
    let [open, mutual] = [leaf.server_config(), mutual].map(|mut config| {
        config.alpn_protocols = ["h2", "http/1.1", "h3"].map(|alpn| alpn.into()).to_vec();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = SharedKey::new();
        Arc::new(config)
    });
    let mut hosts = VirtualHosts::builder()
        .host("www.test", open.clone())
        .host("admin.test", mutual.clone());
    if let Some(ids) = &settings.ids {
        hosts = hosts
            .config_id(&open, format!("{ids}open"))
            .config_id(&mutual, format!("{ids}mutual"));
    }
    hosts.build().unwrap()
}

/// The other process. It ends when its input does.
#[tokio::test]
#[ignore = "a server for the other tests"]
async fn serves() {
    let settings = std::env::var(SETTINGS).expect("started by another test");
    let settings: Settings = serde_json::from_str(&settings).unwrap();
    let hosts = hosts(&settings);
    // Tells the client's certificate.
    let handler = |info: ConnectionInfo| async move {
        let certificate = info.client_certificates().next();
        format!("{:?}", certificate.unwrap_or_default())
    };
    let app = Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::new());
    let listening = Listening {
        tcp: server::tls(app.clone(), hosts.clone()).await,
        quic: server::quic_0rtt(app, hosts).await,
    };
    println!("\n{}", serde_json::to_string(&listening).unwrap());
    tokio::io::stdin()
        .read_to_end(&mut Vec::new())
        .await
        .unwrap();
}

/// A server in a process of its own, ended with the test.
struct Server {
    listening: Listening,
    _child: Child,
}

impl Server {
    async fn start(ids: Option<&str>) -> Self {
        let settings = Settings {
            ids: ids.map(str::to_owned),
            client_ca: pki::CA.0.to_vec(),
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::serves", "--exact", "--ignored", "--nocapture"])
            .env(SETTINGS, serde_json::to_string(&settings).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            let line = line.expect("a line in time").unwrap();
            let line = line.expect("the server has ended");
            // The test harness writes lines of its own.
            if line.starts_with('{') {
                break serde_json::from_str(&line).expect(&line);
            }
        };
        Self {
            listening,
            _child: child,
        }
    }

    async fn connect(&self, visitor: &Visitor, host: &str) -> Result<Connection, String> {
        let addr = match visitor.http() {
            Http::One | Http::Two => self.listening.tcp,
            Http::Three => self.listening.quic,
        };
        visitor.connect(addr, Some(host)).await
    }

    /// Whether the handshake resumed a session, if it was completed and the client was served. The handler must have
    /// seen this certificate.
    async fn visit(
        &self,
        visitor: &Visitor,
        host: &str,
        certificate: Option<&Leaf>,
    ) -> Option<bool> {
        let mut connection = self.connect(visitor, host).await.ok()?;
        let answer = connection.get(host).await.ok()?;
        assert_eq!(answer.status(), 200);
        let seen = certificate.map_or(&[][..], |leaf| &leaf.der);
        assert_eq!(*answer.body(), format!("{seen:?}"));
        visitor.has_session().await;
        Some(connection.resumed())
    }
}

#[tokio::test]
async fn d10_another_process_resumes_sessions_under_the_same_ids_alone() {
    let x = Server::start(Some("x")).await;
    let also_x = Server::start(Some("x")).await;
    // An id of the other length, and none.
    let y = Server::start(Some("x2")).await;
    let none = Server::start(None).await;
    let also_none = Server::start(None).await;
    for way in WAYS {
        for (host, certificate) in [("www.test", None), ("admin.test", Some(&*ONE))] {
            for (from, to, resumes) in [
                (&x, &x, true),
                (&x, &also_x, true),
                (&also_x, &x, true),
                (&none, &none, true),
                (&x, &y, false),
                (&y, &x, false),
                (&x, &none, false),
                (&none, &x, false),
                (&none, &also_none, false),
            ] {
                let client = visitor(way, certificate);
                let context = format!("{way:?} {host}");
                let first = from.visit(&client, host, certificate).await;
                assert_eq!(first, Some(false), "{context}");
                let offered = client.offered();
                let second = to.visit(&client, host, certificate).await;
                assert_eq!(second, Some(resumes), "{context}");
                assert_eq!(client.offered(), offered + 1, "{context}");
            }
        }
    }
}

/// CVE-2025-23419 (nginx), with the second host on another machine.
#[tokio::test]
async fn d10_cve_2025_23419_nginx_another_process_takes_no_session_of_another_configuration() {
    let here = Server::start(Some("x")).await;
    let there = Server::start(Some("x")).await;
    for way in WAYS {
        let stranger = visitor(way, None);
        here.visit(&stranger, "www.test", None).await.unwrap();
        let offered = stranger.offered();
        let got = there.visit(&stranger, "admin.test", None).await;
        assert_eq!(got, None, "{way:?}");
        assert_eq!(stranger.offered(), offered + 1, "{way:?}");
        // The certificate of a session counts there too, for its own host only.
        let friend = visitor(way, Some(&ONE));
        here.visit(&friend, "admin.test", Some(&ONE)).await.unwrap();
        let mut connection = there.connect(&friend, "admin.test").await.unwrap();
        assert!(connection.resumed(), "{way:?}");
        let answer = connection.get("www.test").await.unwrap();
        assert_eq!(answer.status(), 421, "{way:?}");
    }
}
