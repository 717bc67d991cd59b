//! PEM files. A load reads and parses each file once, even if several hosts name it.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pemfile::Item;

use crate::config::PemFiles;

/// The files that have been read during one load.
pub struct Pems<'a> {
    directory: &'a Path,
    provider: &'a CryptoProvider,
    files: HashMap<PathBuf, Pem>,
    pairs: HashMap<(PathBuf, PathBuf), Arc<CertifiedKey>>,
}

/// The content of one file. Certificates and key may be in the same file.
#[derive(Default)]
struct Pem {
    certificates: Arc<Vec<CertificateDer<'static>>>,
    key: Option<Arc<dyn SigningKey>>,
}

impl<'a> Pems<'a> {
    /// Paths are relative to `directory`.
    pub fn new(directory: &'a Path, provider: &'a CryptoProvider) -> Self {
        Self {
            directory,
            provider,
            files: HashMap::new(),
            pairs: HashMap::new(),
        }
    }

    /// Returns a host's chain and private key, which belong together.
    pub fn pair(&mut self, host: &PemFiles) -> Result<Arc<CertifiedKey>, String> {
        let names = (host.certificate.clone(), host.key.clone());
        if let Some(pair) = self.pairs.get(&names) {
            return Ok(pair.clone());
        }
        let (certificate, key) = (host.certificate.display(), host.key.display());
        let chain = self.certificates("certificate", &host.certificate)?;
        let signer = self.read("key", &host.key)?.key.clone().ok_or_else(|| {
            format!("key = `{key}`: no private key in it: give a PEM file with one that is not encrypted")
        })?;
        let pair = CertifiedKey::new(chain.to_vec(), signer);
        match pair.keys_match() {
            // Some keys do not know their public key.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(format!(
                    "key = `{key}` does not belong to certificate = `{certificate}`: give the key that \
                     the certificate was made for"
                ));
            }
            Err(error) => {
                return Err(format!(
                    "certificate = `{certificate}`: its first certificate cannot be read: {error}: \
                     give the server's, in X.509"
                ));
            }
        }
        let pair = Arc::new(pair);
        self.pairs.insert(names, pair.clone());
        Ok(pair)
    }

    /// Returns the certificates in a file, at least one. `field` is the field that names the file.
    pub fn certificates(
        &mut self,
        field: &str,
        name: &Path,
    ) -> Result<Arc<Vec<CertificateDer<'static>>>, String> {
        let pem = self.read(field, name)?;
        match pem.certificates.is_empty() {
            false => Ok(pem.certificates.clone()),
            true => Err(format!(
                "{field} = `{}`: no certificate in it: give a PEM file with one",
                name.display()
            )),
        }
    }

    fn read(&mut self, field: &str, name: &Path) -> Result<&Pem, String> {
        if !self.files.contains_key(name) {
            let pem = self
                .parse(&self.directory.join(name))
                .map_err(|problem| format!("{field} = `{}`: {problem}", name.display()))?;
            self.files.insert(name.to_owned(), pem);
        }
        Ok(&self.files[name])
    }

    fn parse(&self, path: &Path) -> Result<Pem, String> {
        let mut certificates = Vec::new();
        let mut key = None;
        let file = File::open(path)
            .map_err(|error| format!("{error}: give a path relative to the configuration file"))?;
        for item in rustls_pemfile::read_all(&mut BufReader::new(file)) {
            let item = item.map_err(|_| "is not well-formed PEM: write it again, in full")?;
            let private = match item {
                Item::X509Certificate(certificate) => {
                    certificates.push(certificate);
                    continue;
                }
                Item::Pkcs1Key(key) => key.into(),
                Item::Pkcs8Key(key) => key.into(),
                Item::Sec1Key(key) => key.into(),
                _ => continue,
            };
            let signer = self.provider.key_provider.load_private_key(private);
            let signer =
                signer.map_err(|error| format!("its private key cannot be used: {error}"))?;
            key.get_or_insert(signer);
        }
        Ok(Pem {
            certificates: Arc::new(certificates),
            key,
        })
    }
}
