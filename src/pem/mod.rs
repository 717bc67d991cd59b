//! Certificates from PEM files: reading them, presenting them, and noticing renewals. Recording the certificate of a
//! handshake lives in `handshake`.

mod content;
mod error;
mod files;
mod store;
mod validity;
mod watch;

pub use self::error::CertificateFilesError;
pub use self::files::CertificateFiles;
