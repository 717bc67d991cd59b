//! `CertificateFiles`: what it reads, what it refuses with which error, and renewal in the orders in which certbot,
//! acme.sh and Kubernetes write files. No test here installs a crypto provider for the process.

mod log;
mod pki;
mod program;
mod server;
mod wire;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use tokio::sync::mpsc;
use tower_misdirected::{
    CertificateFiles, CertificateFilesError as Error, MisdirectedLayer, TlsAcceptor, VirtualHosts,
};
use tracing::Level;

use crate::log::Log;
use crate::pki::{Leaf, chain, key, pem};
use crate::program::Directory;
use crate::server::Calls;

/// The two files, and what they were opened as.
struct Files {
    directory: Directory,
    certificate: Arc<CertificateFiles>,
}

const CHAIN: &str = "fullchain.pem";
const KEY: &str = "privkey.pem";

impl Files {
    fn of(leaf: &Leaf) -> Self {
        let directory = Directory::new();
        directory.write(CHAIN, chain(leaf));
        directory.write(KEY, key(leaf));
        let certificate = open(&directory, CHAIN, KEY).unwrap();
        Self {
            directory,
            certificate,
        }
    }

    fn write(&self, leaf: &Leaf) {
        self.directory.write(CHAIN, chain(leaf));
        self.directory.write(KEY, key(leaf));
    }

    /// Reports of a watch at this interval.
    fn watch(&self, interval: Duration) -> mpsc::UnboundedReceiver<Result<(), String>> {
        let (sender, reports) = mpsc::unbounded_channel();
        self.certificate.watch_with(interval, move |renewed| {
            let _ = sender.send(renewed.map_err(ToString::to_string));
        });
        reports
    }
}

fn open(directory: &Directory, chain: &str, key: &str) -> Result<Arc<CertificateFiles>, Error> {
    let (chain, key) = (directory.path(chain), directory.path(key));
    CertificateFiles::open_with_provider(chain, key, pki::provider())
}

/// The chain that a new connection gets, over an in-memory transport.
async fn presented(config: &Arc<ServerConfig>) -> Vec<Vec<u8>> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let accept = TlsAcceptor::new(config.clone()).accept(near);
    let client = wire::handshake(far, pki::client(&[]), Some("a.test"));
    let (server, client) = tokio::join!(accept, client);
    server.unwrap();
    let chain = client
        .unwrap()
        .get_ref()
        .1
        .peer_certificates()
        .unwrap()
        .to_vec();
    chain
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect()
}

async fn next<T>(reports: &mut mpsc::UnboundedReceiver<T>) -> T {
    let report = tokio::time::timeout(wire::PATIENCE, reports.recv());
    report.await.expect("a report in time").unwrap()
}

#[tokio::test]
async fn two_files_make_a_server_with_http2_and_421() {
    let leaf = pki::leaf(&["a.test", "b.test"]);
    let files = Files::of(&leaf);
    let config = files.certificate.server_config().unwrap();
    assert_eq!(
        presented(&config).await,
        [leaf.der.to_vec(), pki::CA.0.to_vec()]
    );
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let addr = server::tls(app, config).await;
    let client = wire::connect(addr, pki::client(&["h2", "http/1.1"]), Some("a.test")).await;
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let client = wire::http2(client).await;
    for (host, status) in [("a.test", 200), ("b.test", 200), ("c.test", 421)] {
        let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), status, "{host}");
    }
}

#[tokio::test]
async fn both_may_be_in_one_file_among_other_text() {
    let leaf = pki::leaf(&["a.test"]);
    let files = Files::of(&leaf);
    let both = key(&leaf) + &chain(&leaf);
    let windows = both.replace('\n', "\r\n");
    let with_text = format!("subject=CN = a.test\n\n{both}\nfriendlyName: a\n");
    for combined in [&*both, &windows, &with_text] {
        files.directory.write("both.pem", combined);
        let certificate = open(&files.directory, "both.pem", "both.pem").unwrap();
        let config = certificate.server_config().unwrap();
        assert_eq!(presented(&config).await.len(), 2);
    }
    // The text is not a section, and neither are the parameters that `openssl ecparam -genkey` writes.
    let parameters = pem("EC PARAMETERS", &[6, 8, 42, 134, 72, 206, 61, 3, 1, 7]);
    files.directory.write(KEY, parameters + &key(&leaf));
    open(&files.directory, CHAIN, KEY).unwrap();
}

/// What one mistake with the files makes.
type IsIt = fn(&Error) -> bool;

#[test]
fn every_mistake_has_an_error_of_its_own_that_names_file_and_fix() {
    let leaf = pki::leaf(&["a.test"]);
    let other = pki::leaf(&["a.test"]);
    let files = Files::of(&leaf);
    let directory = &files.directory;
    let (chain_text, key_text) = (chain(&leaf), key(&leaf));
    let ca = pem("CERTIFICATE", &pki::CA.0);
    let encrypted = pem("ENCRYPTED PRIVATE KEY", &[48, 3, 1, 2, 3]);
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
                         AAAA\n-----END RSA PRIVATE KEY-----\n";
    let cases: &[(&str, &str, IsIt, &str)] = &[
        (
            "",
            &key_text,
            |e| matches!(e, Error::NoCertificate(_)),
            "chain.pem` has no `-----BEGIN CERT",
        ),
        (
            &chain_text,
            "",
            |e| matches!(e, Error::NoKey(_)),
            "key.pem` has no private key: give",
        ),
        (
            &chain_text,
            &ca,
            |e| matches!(e, Error::NoKey(_)),
            "key.pem` has no private key: give",
        ),
        (
            &key_text,
            &chain_text,
            |e| matches!(e, Error::Swapped { .. }),
            "swapped",
        ),
        (
            &key_text,
            &key_text,
            |e| matches!(e, Error::NoCertificate(_)),
            "chain.pem` has no",
        ),
        (
            &chain_text,
            &encrypted,
            |e| matches!(e, Error::EncryptedKey(_)),
            "openssl pkey",
        ),
        (
            &chain_text,
            old_encrypted,
            |e| matches!(e, Error::EncryptedKey(_)),
            "openssl pkey",
        ),
        (
            &chain_text,
            &(key_text.clone() + &key(&other)),
            |e| matches!(e, Error::SeveralKeys(_)),
            "key.pem` has more than one private key",
        ),
        (
            &chain_text,
            &key(&other),
            |e| matches!(e, Error::KeyMismatch { .. }),
            "does not belong to the certificate in",
        ),
        (
            &(ca.clone() + &chain_text),
            &key_text,
            |e| matches!(e, Error::LeafNotFirst(_)),
            "put the server's certificate first",
        ),
        (
            &ca,
            &key_text,
            |e| matches!(e, Error::KeyMismatch { .. }),
            "does not belong",
        ),
        (
            &chain_text,
            &pem("PRIVATE KEY", &[48, 3, 2, 1, 0]),
            |e| matches!(e, Error::UnsupportedKey(..)),
            "key.pem` cannot be used",
        ),
        (
            &chain_text,
            &pem("OPENSSH PRIVATE KEY", b"openssh-key-v1"),
            |e| matches!(e, Error::UnsupportedKey(..)),
            "its format is unknown; give an ECDSA",
        ),
        (
            &pem("CERTIFICATE", b"no certificate"),
            &key_text,
            |e| matches!(e, Error::UnreadableCertificate(..)),
            "the first certificate in",
        ),
        (
            &chain_text[..chain_text.len() - 40],
            &key_text,
            |e| matches!(e, Error::Truncated(_)),
            "chain.pem` ends before an `-----END",
        ),
        (
            &chain_text,
            &key_text[..40],
            |e| matches!(e, Error::Truncated(_)),
            "key.pem` ends before",
        ),
        (
            &chain_text.replacen("MII", "???", 1),
            &key_text,
            |e| matches!(e, Error::InvalidPem(_)),
            "chain.pem` is not well-formed PEM",
        ),
        (
            &" ".repeat((1 << 20) + 1),
            &key_text,
            |e| matches!(e, Error::TooLarge(_)),
            "chain.pem` has more than 1 MiB",
        ),
    ];
    for (chain, key, is_it, fix) in cases {
        directory.write("chain.pem", chain);
        directory.write("key.pem", key);
        let error = open(directory, "chain.pem", "key.pem").unwrap_err();
        assert!(
            is_it(&error) && error.to_string().contains(fix),
            "{fix}: {error}"
        );
        assert_eq!(format!("{error:?}"), error.to_string());
        let key_line = key_text.lines().nth(1).unwrap();
        assert!(!error.to_string().contains(key_line), "{error}");
    }
}

#[test]
fn files_that_cannot_be_opened_are_told_apart() {
    let files = Files::of(&pki::leaf(&["a.test"]));
    let directory = &files.directory;
    let error = open(directory, "missing.pem", KEY).unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    let error = open(directory, CHAIN, "missing.pem").unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    let error = open(directory, ".", KEY).unwrap_err();
    assert!(matches!(error, Error::Directory(_)), "{error}");
    let below_a_file = PathBuf::from(CHAIN).join("x");
    let error = open(directory, below_a_file.to_str().unwrap(), KEY).unwrap_err();
    let text = error.to_string();
    assert!(!text.contains("Os {") && text.contains(CHAIN), "{text}");
    // A path cannot forge a line of a log.
    let error = open(directory, "a\nERROR b", KEY).unwrap_err();
    assert!(
        error.to_string().contains("a\\nERROR b` does not exist"),
        "{error}"
    );
}

/// Opening a pipe waits for somebody who writes, and a device may have no end.
#[cfg(unix)]
#[tokio::test]
async fn what_is_no_regular_file_is_refused_at_once() {
    let files = Files::of(&pki::leaf(&["a.test"]));
    let error = open(&files.directory, "/dev/null", KEY).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");

    let path = files.directory.path(KEY);
    fs::remove_file(&path).unwrap();
    match std::process::Command::new("mkfifo").arg(&path).status() {
        Ok(status) if status.success() => {}
        _ => {
            println!("skipped: there is no mkfifo");
            return;
        }
    }
    // In a thread that nobody waits for, so that a fault cannot hang the test.
    let (sender, mut reloaded) = mpsc::unbounded_channel();
    let certificate = files.certificate.clone();
    std::thread::spawn(move || sender.send(certificate.reload()));
    let error = next(&mut reloaded).await.unwrap_err();
    assert!(matches!(&error, Error::Read(fifo, _) if *fifo == path));
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_without_read_permission_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::of(&pki::leaf(&["a.test"]));
    let path = files.directory.path(KEY);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        println!("skipped: this user may read every file");
        return;
    }
    let error = files.certificate.reload().unwrap_err();
    assert!(matches!(error, Error::PermissionDenied(_)), "{error}");
}

#[test]
fn without_a_provider_the_error_says_what_to_call_and_nothing_panics() {
    let files = Files::of(&pki::leaf(&["a.test"]));
    let error = CertificateFiles::open(files.directory.path(CHAIN), files.directory.path(KEY));
    let error = error.unwrap_err();
    assert!(matches!(error, Error::NoProvider), "{error}");
    let fix = "rustls::crypto::ring::default_provider().install_default()";
    assert!(error.to_string().contains(fix), "{error}");

    let mut empty = CryptoProvider::clone(&pki::provider());
    empty.cipher_suites.clear();
    let (chain, key) = (files.directory.path(CHAIN), files.directory.path(KEY));
    let certificate = CertificateFiles::open_with_provider(chain, key, Arc::new(empty)).unwrap();
    let error = certificate.server_config().unwrap_err();
    assert!(matches!(error, Error::UnusableProvider(_)), "{error}");
    assert!(CryptoProvider::get_default().is_none());
}

/// What is left alone, as rustls does.
#[tokio::test]
async fn certificates_that_clients_may_reject_are_presented() {
    for leaf in [
        pki::uri_only("spiffe://a.test"),
        pki::common_name_only("a.test"),
    ] {
        let files = Files::of(&leaf);
        let config = files.certificate.server_config().unwrap();
        assert_eq!(presented(&config).await[0], leaf.der.to_vec());
    }
    // rustls does not load it either.
    let strange = pki::unknown_critical_extension("a.test");
    let directory = Directory::new();
    directory.write(CHAIN, chain(&strange));
    directory.write(KEY, key(&strange));
    let error = open(&directory, CHAIN, KEY).unwrap_err();
    assert!(matches!(error, Error::UnreadableCertificate(..)), "{error}");
}

/// Every state of the files between two certificates, when first one file and then the other is truncated and written,
/// as `cp`, `cat >` and acme.sh do.
fn states(
    first: (&'static str, String),
    second: (&'static str, String),
) -> Vec<(&'static str, String)> {
    let mut states = Vec::new();
    for (file, text) in [first, second] {
        let sections = text.matches("-----BEGIN").count();
        let end_of_first = text.find("-----END").unwrap();
        states.push((file, String::new()));
        states.push((file, text[..10].to_owned()));
        states.push((file, text[..end_of_first].to_owned()));
        if sections > 1 {
            states.push((file, text[..text.len() - 60].to_owned()));
        }
        states.push((file, text));
    }
    states
}

#[tokio::test]
async fn no_half_written_state_is_presented_in_either_order() {
    for key_first in [true, false] {
        let (old, new) = (pki::leaf(&["a.test"]), pki::leaf(&["a.test"]));
        let files = Files::of(&old);
        let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
        let addr = server::tls(app, files.certificate.server_config().unwrap()).await;
        let connect = async || {
            let io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
            io.get_ref().1.peer_certificates().unwrap()[0].to_vec()
        };
        let (mut first, mut second) = ((CHAIN, chain(&new)), (KEY, key(&new)));
        if key_first {
            (first, second) = (second, first);
        }
        let mut states = states(first, second);
        let last = states.pop().unwrap();
        let mut errors = Vec::new();
        for (file, text) in states {
            files.directory.write(file, &text);
            let error = files.certificate.reload().unwrap_err();
            errors.push(format!("{file}, {} octets: {error}", text.len()));
            assert_eq!(connect().await, old.der.to_vec(), "{errors:#?}");
        }
        files.directory.write(last.0, last.1);
        assert!(files.certificate.reload().unwrap(), "{errors:#?}");
        assert_eq!(connect().await, new.der.to_vec());
        assert!(!files.certificate.reload().unwrap(), "nothing has changed");
    }
}

/// As with certbot's `--reuse-key`.
#[tokio::test]
async fn a_new_certificate_for_the_same_key_is_a_renewal() {
    let (old, unrelated) = (pki::leaf(&["a.test"]), pki::leaf(&["a.test"]));
    let files = Files::of(&old);
    let config = files.certificate.server_config().unwrap();
    let same_key = KeyPair::try_from(old.key.secret_der()).unwrap();
    let params = CertificateParams::new(vec!["b.test".to_owned()]).unwrap();
    let new = params.signed_by(&same_key, &pki::CA.1).unwrap();
    files.directory.write(CHAIN, pem("CERTIFICATE", new.der()));
    assert!(files.certificate.reload().unwrap());
    assert_eq!(presented(&config).await, [new.der().to_vec()]);
    // The intermediates count too.
    let longer = pem("CERTIFICATE", new.der()) + &chain(&unrelated);
    files.directory.write(CHAIN, longer);
    assert!(files.certificate.reload().unwrap());
    assert_eq!(presented(&config).await.len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn certbots_symbolic_links_are_followed_one_by_one() {
    use std::os::unix::fs::symlink;
    let (old, new) = (pki::leaf(&["a.test"]), pki::leaf(&["a.test"]));
    let directory = Directory::new();
    for folder in ["archive", "live"] {
        fs::create_dir(directory.path(folder)).unwrap();
    }
    let write = |number: u8, leaf: &Leaf| {
        directory.write(&format!("archive/privkey{number}.pem"), key(leaf));
        directory.write(&format!("archive/fullchain{number}.pem"), chain(leaf));
    };
    // certbot removes the link, and then makes it anew.
    let link = |name: &str, number: u8| {
        let live = directory.path(&format!("live/{name}.pem"));
        symlink(format!("../archive/{name}{number}.pem"), live).unwrap();
    };
    let unlink = |name: &str| fs::remove_file(directory.path(&format!("live/{name}.pem"))).unwrap();
    write(1, &old);
    link("privkey", 1);
    link("fullchain", 1);
    let certificate = open(&directory, "live/fullchain.pem", "live/privkey.pem").unwrap();
    let config = certificate.server_config().unwrap();
    let still_old = async |is_it: IsIt| {
        let error = certificate.reload().unwrap_err();
        assert!(is_it(&error), "{error}");
        assert_eq!(presented(&config).await[0], old.der.to_vec());
    };
    write(2, &new);
    assert!(!certificate.reload().unwrap());
    unlink("privkey");
    still_old(|error| matches!(error, Error::NotFound(_))).await;
    link("privkey", 2);
    still_old(|error| matches!(error, Error::KeyMismatch { .. })).await;
    unlink("fullchain");
    still_old(|error| matches!(error, Error::NotFound(_))).await;
    link("fullchain", 2);
    assert!(certificate.reload().unwrap());
    assert_eq!(presented(&config).await[0], new.der.to_vec());
}

#[cfg(unix)]
#[tokio::test]
async fn kubernetes_turns_one_link_above_both_files_while_they_are_watched() {
    use std::os::unix::fs::symlink;
    let (old, new) = (pki::leaf(&["a.test"]), pki::leaf(&["a.test"]));
    let directory = Directory::new();
    let write = |folder: &str, leaf: &Leaf| {
        fs::create_dir(directory.path(folder)).unwrap();
        directory.write(&format!("{folder}/tls.crt"), chain(leaf));
        directory.write(&format!("{folder}/tls.key"), key(leaf));
    };
    write("..1", &old);
    symlink("..1", directory.path("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{file}"), directory.path(file)).unwrap();
    }
    let files = Files {
        certificate: open(&directory, "tls.crt", "tls.key").unwrap(),
        directory,
    };
    let config = files.certificate.server_config().unwrap();
    let mut reports = files.watch(Duration::from_millis(10));
    let directory = &files.directory;
    fs::create_dir(directory.path("..2")).unwrap();
    directory.write("..2/tls.crt", chain(&new));
    directory.write("..2/tls.key", key(&new));
    symlink("..2", directory.path("..data_tmp")).unwrap();
    fs::rename(directory.path("..data_tmp"), directory.path("..data")).unwrap();
    fs::remove_dir_all(directory.path("..1")).unwrap();
    assert_eq!(next(&mut reports).await, Ok(()));
    assert_eq!(presented(&config).await[0], new.der.to_vec());
}

#[tokio::test]
async fn a_renewal_ends_no_connection_and_is_no_421_over_http2_with_virtual_hosts() {
    let leaf = pki::leaf(&["a.test", "b.test"]);
    let files = Files::of(&leaf);
    let config = files.certificate.server_config().unwrap();
    let hosts = VirtualHosts::builder()
        .host("a.test", config.clone())
        .host("b.test", config.clone())
        .host("c.test", config)
        .build()
        .unwrap();
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let addr = server::tls(app, hosts).await;
    let connect = async || {
        let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
        let presented = io.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        (wire::http2(io).await, presented)
    };
    let mut reports = files.watch(Duration::from_millis(10));
    let (before, presented) = connect().await;
    assert_eq!(presented, leaf.der.to_vec());

    let new = pki::leaf(&["a.test", "b.test", "c.test"]);
    files.write(&new);
    while next(&mut reports).await.is_err() {}
    let (after, presented) = connect().await;
    assert_eq!(presented, new.der.to_vec());
    for (client, host, status) in [
        (&before, "a.test", 200),
        (&before, "b.test", 200),
        // The old certificate does not cover it.
        (&before, "c.test", 421),
        (&before, "a.test", 200),
        (&after, "a.test", 200),
        (&after, "b.test", 200),
        (&after, "c.test", 200),
    ] {
        let answer = wire::send2(client, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), status, "{host}");
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The clock stands still while a thread reads the files, so every look happens, and none depends on the speed of the
/// machine.
#[tokio::test(start_paused = true)]
async fn a_watch_says_each_problem_once_and_tries_until_it_is_solved() {
    let log = Log::start(Level::INFO);
    let (old, new) = (pki::leaf(&["a.test"]), pki::leaf(&["a.test"]));
    let files = Files::of(&old);
    let config = files.certificate.server_config().unwrap();
    let mut reports = files.watch(MINUTE);
    tokio::time::sleep(HOUR).await;
    assert!(reports.try_recv().is_err(), "nothing has changed");

    for _ in 0..2 {
        files.directory.write(KEY, key(&new));
        tokio::time::sleep(HOUR).await;
        let error = reports.try_recv().unwrap().unwrap_err();
        assert!(error.contains("does not belong"), "{error}");
        assert!(reports.try_recv().is_err(), "it is said once");
        // Back to what is presented: there is nothing to say, and the same problem is a new one afterwards.
        files.directory.write(KEY, key(&old));
        tokio::time::sleep(HOUR).await;
        assert!(reports.try_recv().is_err());
    }
    files.directory.write(KEY, "");
    tokio::time::sleep(HOUR).await;
    let error = reports.try_recv().unwrap().unwrap_err();
    assert!(error.contains("no private key"), "{error}");
    // Another problem is said too.
    fs::remove_file(files.directory.path(KEY)).unwrap();
    tokio::time::sleep(HOUR).await;
    assert!(
        reports
            .try_recv()
            .unwrap()
            .unwrap_err()
            .contains("does not exist")
    );
    assert!(reports.try_recv().is_err(), "it is said once");
    assert_eq!(presented(&config).await[0], old.der.to_vec());

    files.write(&new);
    tokio::time::sleep(HOUR).await;
    assert_eq!(reports.try_recv(), Ok(Ok(())));
    assert!(reports.try_recv().is_err(), "it is renewed once");
    assert_eq!(presented(&config).await[0], new.der.to_vec());
    assert_eq!(
        log.lines("certificate not renewed, so the previous one stays")
            .len(),
        4
    );
    assert_eq!(log.lines("certificate renewed").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_uses_nothing_that_still_changes() {
    let (old, new) = (pki::leaf(&["a.test"]), pki::leaf(&["a.test"]));
    let files = Files::of(&old);
    let config = files.certificate.server_config().unwrap();
    let mut reports = files.watch(MINUTE);
    let half_a_second = Duration::from_millis(500);

    // Its intermediate is not written yet, which nobody can see.
    files.write(&new);
    files.directory.write(CHAIN, pem("CERTIFICATE", &new.der));
    tokio::time::sleep(MINUTE + half_a_second).await;
    files.directory.write(CHAIN, chain(&new));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(reports.try_recv().is_err());
    assert_eq!(presented(&config).await[0], old.der.to_vec());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reports.try_recv(), Ok(Ok(())));
    assert_eq!(
        presented(&config).await,
        [new.der.to_vec(), pki::CA.0.to_vec()]
    );

    // A problem that passes within a second is not reported either.
    let newest = pki::leaf(&["a.test"]);
    files.directory.write(KEY, key(&newest));
    tokio::time::sleep(MINUTE).await;
    files.directory.write(CHAIN, chain(&newest));
    tokio::time::sleep(HOUR).await;
    assert_eq!(reports.try_recv(), Ok(Ok(())));
    assert!(reports.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_watch_forgets_what_it_saw_before_the_files_were_as_they_are() {
    let (old, new) = (pki::leaf(&["a.test"]), pki::leaf(&["a.test"]));
    let files = Files::of(&old);
    let config = files.certificate.server_config().unwrap();
    let mut reports = files.watch(MINUTE);
    let half_a_second = Duration::from_millis(500);

    // Both times, one look finds a chain whose intermediate is not written yet.
    tokio::time::sleep(half_a_second).await;
    for _ in 0..2 {
        files.write(&new);
        files.directory.write(CHAIN, pem("CERTIFICATE", &new.der));
        tokio::time::sleep(MINUTE).await;
        assert!(reports.try_recv().is_err());
        assert_eq!(presented(&config).await[0], old.der.to_vec());
        files.write(&old);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_its_certificate_or_when_it_is_aborted() {
    let files = Files::of(&pki::leaf(&["a.test"]));
    let aborted = files.certificate.watch(MINUTE);
    tokio::time::sleep(HOUR).await;
    assert!(!aborted.is_finished());
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_cancelled());

    let config = files.certificate.server_config().unwrap();
    let watch = files.certificate.watch(MINUTE);
    // Neither the longest interval nor the shortest, which counts as ten milliseconds, keeps the runtime from its work.
    let forever = files.certificate.watch(Duration::MAX);
    let always = files.certificate.watch(Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(1)).await;
    always.abort();
    drop(files.certificate);
    tokio::time::sleep(HOUR).await;
    assert!(!watch.is_finished(), "the configuration has it");
    drop(config);
    let ended = tokio::time::timeout(HOUR, watch).await;
    ended.expect("an end").unwrap();
    forever.abort();
}

/// A certificate that is valid between these years.
fn valid(from: i32, to: i32) -> Leaf {
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    pki::sign(params)
}

#[tokio::test(start_paused = true)]
async fn a_certificate_outside_its_validity_is_a_warning_and_no_error() {
    const WARNING: &str = "WARN";
    let log = Log::start(Level::INFO);
    let expired = valid(2001, 2002);
    let files = Files::of(&expired);
    let is_valid = || {
        let validity = files.certificate.validity().unwrap();
        validity.contains(&SystemTime::now())
    };
    assert!(!is_valid());
    assert_eq!(log.lines(WARNING).len(), 1);
    let config = files.certificate.server_config().unwrap();
    assert_eq!(presented(&config).await[0], expired.der.to_vec());
    let mut reports = files.watch(MINUTE);
    tokio::time::sleep(HOUR).await;
    assert_eq!(log.lines(WARNING).len(), 1, "it is said once");

    for (warnings, leaf) in [
        (1, valid(2001, 4000)),
        (2, valid(3999, 4000)),
        (3, valid(2001, 2002)),
    ] {
        files.write(&leaf);
        assert!(files.certificate.reload().unwrap());
        assert_eq!(log.lines(WARNING).len(), warnings);
        assert_eq!(is_valid(), warnings == 1);
    }
    files.write(&valid(2001, 2003));
    tokio::time::sleep(HOUR).await;
    assert_eq!(reports.try_recv(), Ok(Ok(())));
    assert_eq!(log.lines(WARNING).len(), 4, "another certificate");
}

#[test]
fn a_key_is_not_in_what_debug_shows() {
    let files = Files::of(&pki::leaf(&["a.test"]));
    let text = format!("{:?}", files.certificate);
    assert!(text.contains(CHAIN) && text.ends_with(".. }"), "{text}");
}
