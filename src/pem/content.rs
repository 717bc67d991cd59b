//! Reading the two files, and parsing the certificate and the key in them. `files` and `watch` decide when to read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys};

use super::error::CertificateFilesError;

type Result<T> = std::result::Result<T, CertificateFilesError>;

/// The greatest length of a file in octets. A chain has a few thousand, and a wrong path may name an endless file.
const MAX_LENGTH: u64 = 1 << 20;

/// The paths of the chain and the key. Both may be the same file.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

/// The content of both files.
#[derive(Hash)]
pub(super) struct Content {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Paths {
    pub(super) fn read(&self) -> Result<Content> {
        Ok(Content {
            chain: read(&self.chain)?,
            key: read(&self.key)?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let error = |error: io::Error| {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => CertificateFilesError::NotFound(path),
            io::ErrorKind::IsADirectory => CertificateFilesError::Directory(path),
            io::ErrorKind::PermissionDenied => CertificateFilesError::PermissionDenied(path),
            io::ErrorKind::NotADirectory => {
                let reason = "a part of its path is not a directory".to_owned();
                CertificateFilesError::Read(path, reason)
            }
            _ => CertificateFilesError::Read(path, error.to_string()),
        }
    };
    // Opening a directory succeeds on Unix, and fails with a permission error on Windows. Opening a pipe waits for a
    // writer.
    let file_type = fs::metadata(path).map_err(error)?.file_type();
    if file_type.is_dir() {
        return Err(CertificateFilesError::Directory(path.to_owned()));
    }
    if !file_type.is_file() {
        let reason = "it is not a regular file".to_owned();
        return Err(CertificateFilesError::Read(path.to_owned(), reason));
    }
    let mut octets = Vec::new();
    let file = File::open(path).map_err(error)?;
    file.take(MAX_LENGTH + 1)
        .read_to_end(&mut octets)
        .map_err(error)?;
    match octets.len() as u64 > MAX_LENGTH {
        true => Err(CertificateFilesError::TooLarge(path.to_owned())),
        false => Ok(octets),
    }
}

impl Content {
    /// Returns the chain and the key, after checking that they belong together.
    pub(super) fn parse(&self, paths: &Paths, provider: &CryptoProvider) -> Result<CertifiedKey> {
        let chain = self.chain(paths)?;
        let key = provider.key_provider.load_private_key(self.key(paths)?);
        let key = key.map_err(|error| {
            CertificateFilesError::UnsupportedKey(paths.key.clone(), reason(error))
        })?;
        let mut certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(certified),
            // Not every provider's key knows its public key.
            Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => {
                let issuers = certified.cert.split_off(1);
                let belongs = issuers.into_iter().any(|issuer| {
                    certified.cert = vec![issuer];
                    certified.keys_match().is_ok()
                });
                Err(match belongs {
                    true => CertificateFilesError::LeafNotFirst(paths.chain.clone()),
                    false => CertificateFilesError::KeyMismatch {
                        chain: paths.chain.clone(),
                        key: paths.key.clone(),
                    },
                })
            }
            Err(error) => Err(CertificateFilesError::UnreadableCertificate(
                paths.chain.clone(),
                reason(error),
            )),
        }
    }

    /// Returns the certificates of the chain, at least one.
    fn chain(&self, paths: &Paths) -> Result<Vec<CertificateDer<'static>>> {
        let chain = certificates(&self.chain).map_err(|error| invalid(&paths.chain, error))?;
        if !chain.is_empty() {
            return Ok(chain);
        }
        let swapped = has_key(&self.chain) && certificates(&self.key).is_ok_and(|c| !c.is_empty());
        Err(match swapped {
            true => CertificateFilesError::Swapped {
                chain: paths.chain.clone(),
                key: paths.key.clone(),
            },
            false => CertificateFilesError::NoCertificate(paths.chain.clone()),
        })
    }

    fn key(&self, paths: &Paths) -> Result<PrivateKeyDer<'static>> {
        let path = || paths.key.clone();
        let keys =
            PrivateKeyDer::pem_slice_iter(&self.key).collect::<std::result::Result<Vec<_>, _>>();
        let error = match keys {
            Ok(mut keys) => match (keys.pop(), keys.is_empty()) {
                (Some(key), true) => return Ok(key),
                (Some(_), false) => CertificateFilesError::SeveralKeys(path()),
                (None, _) if has_key(&self.key) && !is_encrypted(&self.key) => {
                    let reason = "its format is unknown".to_owned();
                    CertificateFilesError::UnsupportedKey(path(), reason)
                }
                (None, _) => CertificateFilesError::NoKey(path()),
            },
            // The headers of an encrypted key in PKCS #1 are not Base64.
            Err(error) => invalid(&paths.key, error),
        };
        Err(match error {
            CertificateFilesError::NoKey(_) | CertificateFilesError::InvalidPem(_)
                if is_encrypted(&self.key) =>
            {
                CertificateFilesError::EncryptedKey(path())
            }
            error => error,
        })
    }
}

fn certificates(pem: &[u8]) -> std::result::Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

fn invalid(path: &Path, error: pem::Error) -> CertificateFilesError {
    match error {
        pem::Error::MissingSectionEnd { .. } => CertificateFilesError::Truncated(path.to_owned()),
        _ => CertificateFilesError::InvalidPem(path.to_owned()),
    }
}

/// Returns what rustls says, without what its texts begin with: `unexpected error` for all that has no kind of its own,
/// and `invalid peer certificate`, although this certificate is not a peer's.
pub(super) fn reason(error: Error) -> String {
    match error {
        Error::General(reason) => reason,
        Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "it is not valid X.509".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(reason)) => reason.to_string(),
        Error::InvalidCertificate(reason) => reason.to_string(),
        error => error.to_string(),
    }
}

/// Returns whether the file contains a private key in any format.
fn has_key(pem: &[u8]) -> bool {
    contains(pem, b"PRIVATE KEY-----")
}

/// Returns whether the file contains an encrypted private key, in PKCS #8 or in the older format of OpenSSL
/// (RFC 1421 §4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    contains(pem, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(pem, b"Proc-Type: 4,ENCRYPTED")
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|found| found == wanted)
}
