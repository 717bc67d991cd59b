//! Certificates from PEM files: which files make a certificate with its key, which do not, and why. The input is what
//! two files are made of, or what one is.
#![no_main]

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use oracle::pem_file::{self, Made, Pair, Section};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::{Accepted, Acceptor, ResolvesServerCert};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tower_misdirected::{CertificateFiles, CertificateFilesError as Error};

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(ring::default_provider()));

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    chain: Made<'a>,
    key: Option<Made<'a>>,
}

fuzz_target!(|input: Input| {
    let chain = input.chain.text(&*PAIRS);
    std::fs::write(&PATHS[0], &chain).unwrap();
    let (key, key_path) = match &input.key {
        Some(key) => (key.text(&*PAIRS), &PATHS[1]),
        None => (chain.clone(), &PATHS[0]),
    };
    if input.key.is_some() {
        std::fs::write(key_path, &key).unwrap();
    }
    let opened = CertificateFiles::open_with_provider(&PATHS[0], key_path, PROVIDER.clone());
    let presented = opened.map(|files| presented(&files));
    if let Err(error) = &presented {
        let text = error.to_string();
        assert!(
            text.len() <= 1000 && !text.chars().any(char::is_control),
            "{text}"
        );
        assert!(
            !text.contains("Os {") && !text.contains("Custom {"),
            "{text}"
        );
    }
    if let (Some(chain), Some(key)) = (pem_file::read(&chain), pem_file::read(&key)) {
        judge(presented, &chain, &key);
    }
});

static PATHS: LazyLock<[PathBuf; 2]> = LazyLock::new(|| {
    ["chain", "key"].map(|name| {
        let name = format!("tower-misdirected-{name}-{}.pem", std::process::id());
        std::env::temp_dir().join(name)
    })
});

/// Two certificates and their keys.
static PAIRS: LazyLock<[Pair; 2]> = LazyLock::new(|| [pair(), pair()]);

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let pkcs8 = made.signing_key.serialize_der();
    // What the key in PKCS #8 has inside, after the length of a key of P-256 in SEC 1.
    let at = pkcs8
        .windows(2)
        .position(|two| two == [0x04, 0x6d])
        .unwrap();
    let sec1 = pkcs8[at + 2..].to_vec();
    Pair {
        certificate: made.cert.der().to_vec(),
        keys: vec![
            ("PRIVATE KEY".to_owned(), pkcs8),
            ("EC PRIVATE KEY".to_owned(), sec1),
        ],
    }
}

/// The chain that a client would be shown.
fn presented(files: &CertificateFiles) -> Vec<Vec<u8>> {
    static HELLO: LazyLock<Accepted> = LazyLock::new(client_hello);
    let key = files.resolve(HELLO.client_hello()).expect("a certificate");
    key.cert
        .iter()
        .map(|certificate: &CertificateDer<'_>| certificate.to_vec())
        .collect()
}

fn client_hello() -> Accepted {
    let config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = "a.test".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut &hello[..]).unwrap();
    acceptor
        .accept()
        .ok()
        .flatten()
        .expect("the whole of a ClientHello")
}

/// Files that every reader reads alike.
fn judge(presented: Result<Vec<Vec<u8>>, Error>, chain: &[Section], key: &[Section]) {
    let certificates = |sections: &[Section]| -> Vec<Vec<u8>> {
        let certificates = sections.iter().filter(|(label, _)| label == "CERTIFICATE");
        certificates.map(|(_, der)| der.clone()).collect()
    };
    let is_key = |section: &&Section| {
        ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"].contains(&&*section.0)
    };
    let (certificates, swapped) = (certificates(chain), certificates(key));
    let keys: Vec<_> = key.iter().filter(is_key).collect();
    if certificates.is_empty() {
        match presented {
            Err(Error::NoCertificate(path)) => assert_eq!(path, PATHS[0]),
            Err(Error::Swapped { .. }) => assert!(!swapped.is_empty()),
            other => panic!("{other:?} without a certificate"),
        }
        return;
    }
    let key = match (&keys[..], presented) {
        ([], Err(Error::NoKey(_) | Error::EncryptedKey(_) | Error::UnsupportedKey(..))) => return,
        ([_, _, ..], Err(Error::SeveralKeys(_))) => return,
        ([key], presented) => (*key, presented),
        (keys, other) => panic!("{other:?} with {} keys", keys.len()),
    };
    let (key, presented) = key;
    // Of a key or a first certificate that is spoilt, nothing is known.
    let Some(pair) = PAIRS.iter().find(|pair| pair.keys.contains(key)) else {
        return;
    };
    let known = |certificate: &Vec<u8>| PAIRS.iter().any(|pair| pair.certificate == *certificate);
    // A certificate that is spoilt elsewhere still has its key.
    if !known(&certificates[0]) || presented.is_err() && !certificates.iter().all(known) {
        return;
    }
    let belongs = |certificate: &Vec<u8>| *certificate == pair.certificate;
    match presented {
        Ok(presented) => {
            assert!(belongs(&certificates[0]), "the key of another certificate");
            assert_eq!(presented, certificates);
        }
        Err(Error::LeafNotFirst(_)) => {
            assert!(!belongs(&certificates[0]) && certificates[1..].iter().any(belongs));
        }
        Err(Error::KeyMismatch { .. }) => assert!(!certificates.iter().any(belongs)),
        Err(other) => panic!("{other:?}"),
    }
}
