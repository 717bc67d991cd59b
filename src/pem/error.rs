//! The errors of certificate files, and their texts. `content` and `files` find them.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// Error returned when [`CertificateFiles`](crate::CertificateFiles) cannot use its files.
///
/// Most variants contain the path of the wrong file. The text of the error also names the fix, and never contains the
/// content of a file. `Debug` writes the same text as `Display`, because a `main` function that returns an error prints
/// it with `Debug`.
///
/// ```
/// use std::sync::Arc;
/// use tower_misdirected::{CertificateFiles, CertificateFilesError};
///
/// let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let error = CertificateFiles::open_with_provider("no/such.pem", "key.pem", provider).unwrap_err();
/// assert!(matches!(&error, CertificateFilesError::NotFound(path) if path.ends_with("such.pem")));
/// assert_eq!(
///     error.to_string(),
///     "`no/such.pem` does not exist: check the path; a relative path begins at the working directory"
/// );
/// ```
#[non_exhaustive]
pub enum CertificateFilesError {
    /// The process has no default crypto provider, and none was passed.
    NoProvider,
    /// The crypto provider supports neither TLS 1.2 nor TLS 1.3. The text is the error of rustls.
    UnusableProvider(String),
    /// This file does not exist.
    NotFound(PathBuf),
    /// This path is a directory.
    Directory(PathBuf),
    /// The process may not read this file.
    PermissionDenied(PathBuf),
    /// This file is larger than 1 MiB.
    TooLarge(PathBuf),
    /// Reading this file failed for another reason, for example because it is a pipe. The text is the reason.
    Read(PathBuf, String),
    /// This file ends inside a PEM section, for example because it is still being written.
    Truncated(PathBuf),
    /// This file contains a malformed PEM section.
    InvalidPem(PathBuf),
    /// This file contains no certificate, but was passed as the chain.
    NoCertificate(PathBuf),
    /// The first certificate in this file cannot be parsed. The text is the error of rustls.
    UnreadableCertificate(PathBuf, String),
    /// This file contains no private key, but was passed as the key.
    NoKey(PathBuf),
    /// This file contains more than one private key.
    SeveralKeys(PathBuf),
    /// The private key in this file is encrypted.
    EncryptedKey(PathBuf),
    /// The crypto provider cannot use the private key in this file. The text says why.
    UnsupportedKey(PathBuf, String),
    /// The two files are swapped: the file passed as the chain contains a key, and the file passed as the key contains
    /// certificates.
    Swapped {
        /// The file that was passed as the chain.
        chain: PathBuf,
        /// The file that was passed as the key.
        key: PathBuf,
    },
    /// The private key belongs to a certificate of this chain that is not the first certificate.
    LeafNotFirst(PathBuf),
    /// The private key belongs to no certificate of the chain.
    KeyMismatch {
        /// The file with the chain.
        chain: PathBuf,
        /// The file with the private key.
        key: PathBuf,
    },
}

impl fmt::Display for CertificateFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProvider => f.write_str(
                "this process has no default crypto provider: call \
                 `rustls::crypto::ring::default_provider().install_default()` at the beginning of `main` (or the same \
                 with `aws_lc_rs`), or pass a provider to `open_with_provider`",
            ),
            Self::UnusableProvider(reason) => {
                write!(f, "the crypto provider cannot be used: {reason}; pass one with TLS 1.2 or 1.3")
            }
            Self::NotFound(path) => write!(
                f,
                "{} does not exist: check the path; a relative path begins at the working directory",
                Quoted(path)
            ),
            Self::Directory(path) => {
                write!(f, "{} is a directory: give the path of a PEM file in it", Quoted(path))
            }
            Self::PermissionDenied(path) => write!(
                f,
                "{} cannot be read by this process: give its user read permission for the file and for the directories \
                 above it",
                Quoted(path)
            ),
            Self::TooLarge(path) => {
                write!(f, "{} has more than 1 MiB: give a PEM file", Quoted(path))
            }
            Self::Read(path, reason) => {
                write!(f, "{} cannot be read: {reason}; give the path of a PEM file", Quoted(path))
            }
            Self::Truncated(path) => write!(
                f,
                "{} ends before an `-----END …-----` line: write the file in full",
                Quoted(path)
            ),
            Self::InvalidPem(path) => write!(
                f,
                "{} is not well-formed PEM: write the file again, without other text inside its sections",
                Quoted(path)
            ),
            Self::NoCertificate(path) => write!(
                f,
                "{} has no `-----BEGIN CERTIFICATE-----` line: give the PEM file with the server's certificate and its \
                 intermediates, such as certbot's `fullchain.pem`",
                Quoted(path)
            ),
            Self::UnreadableCertificate(path, reason) => write!(
                f,
                "the first certificate in {} cannot be read: {reason}; give the server's certificate",
                Quoted(path)
            ),
            Self::NoKey(path) => write!(
                f,
                "{} has no private key: give the PEM file with the private key of the certificate, such as certbot's \
                 `privkey.pem`",
                Quoted(path)
            ),
            Self::SeveralKeys(path) => write!(
                f,
                "{} has more than one private key: leave only that of the certificate",
                Quoted(path)
            ),
            Self::EncryptedKey(path) => write!(
                f,
                "the private key in {} is encrypted: decrypt it with `openssl pkey -in ENCRYPTED.pem -out KEY.pem`, \
                 and let only the server read the result",
                Quoted(path)
            ),
            Self::UnsupportedKey(path, reason) => write!(
                f,
                "the private key in {} cannot be used: {reason}; give an ECDSA, Ed25519 or RSA key in PKCS #8, SEC 1 \
                 or PKCS #1",
                Quoted(path)
            ),
            Self::Swapped { chain, key } => write!(
                f,
                "the two files are swapped: {} has the private key, and {} has certificates; give the chain first",
                Quoted(chain),
                Quoted(key)
            ),
            Self::LeafNotFirst(path) => write!(
                f,
                "the first certificate in {} is not that of the private key: put the server's certificate first, and \
                 each issuer after the certificate that it signed",
                Quoted(path)
            ),
            Self::KeyMismatch { chain, key } => write!(
                f,
                "the private key in {} does not belong to the certificate in {}: give the key that the certificate \
                 was issued for",
                Quoted(key),
                Quoted(chain)
            ),
        }
    }
}

/// Writes a path in backticks, without control characters.
struct Quoted<'a>(&'a Path);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `escape_debug` for the whole path would double the backslashes of Windows.
        f.write_str("`")?;
        for character in self.0.to_string_lossy().chars() {
            match character.is_control() {
                true => write!(f, "{}", character.escape_debug())?,
                false => write!(f, "{character}")?,
            }
        }
        f.write_str("`")
    }
}

impl fmt::Debug for CertificateFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CertificateFilesError {}
