//! Chromium: how it is started, and what only it does.

use std::path::Path;

use rustls::CipherSuite;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::headless::{Browser, Kind};
use super::visit::{Body, Fetch, Page, open};
use crate::pki::{self, Leaf};
use crate::site::{Site, Tls};

const CHROMIUM: Kind = Kind {
    name: "Chromium",
    programs: &["chromium", "chromium-browser", "google-chrome"],
    trust: ".pki/nssdb",
    preferences: None,
    arguments,
    http3: Some(http3),
};

fn arguments(home: &str, screenshot: &Path) -> Vec<String> {
    let arguments = [
        "--headless=new",
        // For root, and for containers.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * 127.0.0.1",
        "--hide-scrollbars",
        "--window-size=1100,760",
        &format!("--user-data-dir={home}/data"),
        &format!("--screenshot={}", screenshot.display()),
    ];
    arguments.map(str::to_owned).to_vec()
}

/// By default Chromium speaks HTTP/3 only if a public authority has signed the certificate, and only after it has
/// learned of HTTP/3 from `Alt-Svc`. It does without both for the page's own host. For another host it has to learn,
/// because it repeats a refused request without what it has learned, so over TCP. If HTTP/3 is forced on it there, it
/// cannot do that.
fn http3(site: &Site) -> Vec<String> {
    vec![
        "--enable-quic".to_owned(),
        format!("--origin-to-force-quic-on=one.test:{}", site.port()),
        format!(
            "--ignore-certificate-errors-spki-list={}",
            key_hash(&site.leaf)
        ),
    ]
}

/// The SHA-256 hash of the certificate's public key, in base64.
fn key_hash(leaf: &Leaf) -> String {
    let (_, certificate) = X509Certificate::from_der(&leaf.der).unwrap();
    let suite = pki::provider().cipher_suites.iter().find_map(|suite| {
        let sha256 = suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256;
        suite.tls13().filter(|_| sha256)
    });
    let sha256 = suite.unwrap().common.hash_provider;
    let hash = sha256.hash(certificate.public_key().raw);
    let pem = pki::pem("HASH", hash.as_ref());
    pem.lines().nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn chromium_over_http3_does_what_the_guide_says() {
    if let Some(chromium) = Browser::find_http3(&CHROMIUM) {
        super::does_what_the_guide_says(&chromium).await;
    }
}

#[tokio::test]
async fn chromium_does_what_the_guide_says() {
    if let Some(chromium) = Browser::find(&CHROMIUM) {
        super::does_what_the_guide_says(&chromium).await;
    }
}

#[tokio::test]
async fn chromium_retries_a_421_unseen() {
    if let Some(chromium) = Browser::find(&CHROMIUM) {
        super::a_421_is_retried_unseen(&chromium, "", Body::None).await;
    }
}

#[tokio::test]
async fn chromium_sends_the_whole_body_again() {
    if let Some(chromium) = Browser::find(&CHROMIUM) {
        super::a_421_is_retried_unseen(&chromium, "-upload", Body::Whole).await;
    }
}

#[tokio::test]
async fn chromium_shares_connections_where_it_may() {
    if let Some(chromium) = Browser::find(&CHROMIUM) {
        super::hosts_that_share_a_configuration_share_connections(&chromium).await;
    }
}

#[tokio::test]
async fn chromium_caches_no_421() {
    if let Some(chromium) = Browser::find(&CHROMIUM) {
        super::a_final_421_is_not_cached(&chromium).await;
    }
}

/// A stream cannot be read twice, so there is nothing to send again, and the page has to know (the Fetch
/// standard, "HTTP-network-or-cache fetch"). The preflight before it, which is sent without credentials and
/// so on a connection of another kind, is retried as ever.
#[tokio::test]
async fn chromium_hands_the_421_to_a_streaming_upload() {
    let Some(chromium) = Browser::find(&CHROMIUM) else {
        return;
    };
    let page = Page {
        file: "-stream",
        title: "A streaming upload cannot be sent again: the page gets the 421",
        kind: chromium.kind(Tls::Apart),
        unknown: None,
        fetches: vec![Fetch {
            body: Body::Stream,
            ..Fetch::from("api.one.test")
        }],
    };
    let [seen] = &open(&chromium, page).await.fetches[..] else {
        panic!("one fetch");
    };
    let uploads = seen.record.iter().filter(|it| it.method == "POST");
    let uploads: Vec<_> = uploads
        .map(|it| (it.server_name.as_deref(), it.status, it.body_length()))
        .collect();
    assert_eq!(uploads, [(Some("one.test"), 421, 0)]);
    assert_eq!(seen.page_saw, "421");
}
