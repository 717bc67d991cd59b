//! Errors of certificate files, and of configurations that cannot serve QUIC.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use rcgen::CertificateParams;
use rustls::crypto::CryptoProvider;
use tower_misdirected::{CertificateFiles, CertificateFilesError, QuicTls};

use crate::pki::{Leaf, chain, key, pem};
use crate::program::Directory;
use crate::{Messages, events, pki};

const SECTION: &str = "When certificate files are read";
const QUIC: &str = "When QUIC is set up";

const CHAIN: &str = "fullchain.pem";
const KEY: &str = "privkey.pem";

/// A chain that is not valid yet.
const EARLY: &str = "early.pem";

type Opened = Result<Arc<CertificateFiles>, CertificateFilesError>;

fn open(directory: &Directory, chain: &str, key: &str) -> Opened {
    let (chain, key) = (directory.path(chain), directory.path(key));
    CertificateFiles::open_with_provider(chain, key, pki::provider())
}

pub fn make(messages: &mut Messages) {
    let directory = Directory::new();
    let leaf = pki::leaf(&["a.test"]);
    let mut refused = |opened: Opened| {
        let begin = messages.0.len();
        messages.error(SECTION, opened.unwrap_err());
        // The files are in a directory of this test.
        let message = &mut messages.0[begin];
        let without = |text: &str| text.replace(&directory.path(""), "");
        message.text = without(&message.text);
        if let Some((_, debug, _)) = &mut message.error {
            *debug = without(debug);
        }
    };
    let (chain_text, key_text) = (chain(&leaf), key(&leaf));
    let ca = pem("CERTIFICATE", &pki::CA.0);
    let encrypted = pem("ENCRYPTED PRIVATE KEY", &[48, 3, 1, 2, 3]);
    let other = key(&pki::leaf(&["a.test"]));
    let strange = pki::unknown_critical_extension("a.test");
    for (chain, key) in [
        ("", &*key_text),
        (&chain_text, ""),
        (&key_text, &chain_text),
        (&chain_text, &encrypted),
        (&chain_text, &(key_text.clone() + &other)),
        (&chain_text, &other),
        (&(ca.clone() + &chain_text), &key_text),
        (&chain_text, &pem("PRIVATE KEY", &[48, 3, 2, 1, 0])),
        (&chain_text, &pem("OPENSSH PRIVATE KEY", b"openssh-key-v1")),
        (&pem("CERTIFICATE", b"no certificate"), &key_text),
        (&chain(&strange), &self::key(&strange)),
        (&chain_text, &key_text[..40]),
        (&chain_text.replacen("MII", "???", 1), &key_text),
        (&" ".repeat((1 << 20) + 1), &key_text),
    ] {
        directory.write(CHAIN, chain);
        directory.write(KEY, key);
        refused(open(&directory, CHAIN, KEY));
    }
    directory.write(CHAIN, &chain_text);
    directory.write(KEY, &key_text);
    refused(open(&directory, "missing.pem", KEY));
    std::fs::create_dir(directory.path("live")).unwrap();
    refused(open(&directory, "live", KEY));
    refused(open(&directory, &format!("{CHAIN}/live.pem"), KEY));
    refused(CertificateFiles::open_with_provider(
        "/dev/null",
        directory.path(KEY),
        pki::provider(),
    ));
    // A user may be one who can read every file.
    refused(Err(CertificateFilesError::PermissionDenied(KEY.into())));
    // No test here installs one.
    refused(CertificateFiles::open(CHAIN, KEY));
    let mut empty = CryptoProvider::clone(&pki::provider());
    empty.cipher_suites.clear();
    let (chain, key) = (directory.path(CHAIN), directory.path(KEY));
    let opened = CertificateFiles::open_with_provider(chain, key, Arc::new(empty));
    messages.error(SECTION, opened.unwrap().server_config().unwrap_err());

    let mut config = rustls::ServerConfig::builder_with_provider(pki::provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(open(&directory, CHAIN, KEY).unwrap());
    for protocol in ["h2", "h3"] {
        config.alpn_protocols.push(protocol.into());
        let quic = QuicTls::<QuicServerConfig>::new(Arc::new(config.clone()));
        messages.error(QUIC, quic.unwrap_err());
    }
}

/// Logs what becomes of a certificate: one that is not valid yet, one that has expired, a renewal, and one that fails.
pub async fn renew() {
    let directory = Directory::new();
    let valid = |from: i32, to: i32| {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        pki::sign(params)
    };
    let write = |leaf: &Leaf| {
        directory.write(CHAIN, chain(leaf));
        directory.write(KEY, key(leaf));
    };
    let early = valid(4000, 4001);
    directory.write(EARLY, chain(&early));
    directory.write(KEY, key(&early));
    open(&directory, EARLY, KEY).unwrap();
    write(&valid(2000, 2001));
    let certificate = open(&directory, CHAIN, KEY).unwrap();
    let interval = Duration::from_secs(60);
    let watch = certificate.watch(interval);
    write(&valid(2000, 4000));
    // The clock stands still while a thread reads the files.
    tokio::time::sleep(10 * interval).await;
    directory.write(KEY, "");
    tokio::time::sleep(10 * interval).await;
    watch.abort();
    events::replace(&directory.path(""), "");
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_told_from_an_expired_one() {
    let warnings = crate::ALL
        .1
        .iter()
        .filter(|event| event.level == tracing::Level::WARN);
    let warnings: Vec<_> = warnings
        .map(|event| {
            let chain = event.fields.iter().find(|(name, _)| *name == "chain");
            (
                chain.unwrap().1.trim_matches('"'),
                event.message().split(',').next().unwrap(),
            )
        })
        .collect();
    let expected = [
        (EARLY, "the certificate is not valid yet"),
        (CHAIN, "the certificate has expired"),
    ];
    assert_eq!(warnings, expected);
}
