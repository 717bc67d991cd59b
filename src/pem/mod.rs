//! Certificates from PEM files: reading them, presenting them, and noticing that they were renewed. What a handshake
//! records of a certificate lives in `handshake`.

mod content;
mod error;
mod files;
mod store;
mod validity;
mod watch;

pub use self::error::CertificateFilesError;
pub use self::files::CertificateFiles;
