//! A cache of certificate names, so that each certificate is parsed once and its names are stored once for all
//! connections. Parsing a certificate lives in `der`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use foldhash::HashMap;
use rustls::sign::CertifiedKey;

use super::names::CertificateNames;
use crate::host::NameMap;

/// The number of entries before the first search for dead entries.
const FIRST_SWEEP: usize = 64;

#[derive(Debug)]
pub(crate) struct Certificates(Mutex<Cache>);

#[derive(Debug)]
struct Cache {
    /// Keyed by the address of a `CertifiedKey`. The weak reference prevents the address from being reused.
    by_key: HashMap<usize, (Weak<CertifiedKey>, CertificateNames)>,
    /// Keyed by content, for resolvers that create a new `CertifiedKey` for every handshake. An entry lives as long as
    /// a connection or an entry of `by_key` holds the names.
    by_der: HashMap<Box<[u8]>, Weak<NameMap<()>>>,
    /// The number of entries before the next search for dead entries.
    sweep_at: usize,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Cache {
            by_key: HashMap::default(),
            by_der: HashMap::default(),
            sweep_at: FIRST_SWEEP,
        }))
    }

    /// Returns the names of the certificate that belongs to `key`.
    pub(crate) fn names(&self, key: &Arc<CertifiedKey>) -> CertificateNames {
        let address = Arc::as_ptr(key) as usize;
        // While the weak reference exists, no other key can have the same address.
        if let Some((_, names)) = self.cache().by_key.get(&address) {
            return names.clone();
        }
        let Ok(certificate) = key.end_entity_cert() else {
            return CertificateNames::unknown();
        };
        // Parsed without the lock, so that a long certificate does not delay other handshakes. If two handshakes parse
        // the same certificate at the same time, the names that were stored first stay.
        let known = self.cache().read_before(certificate);
        let names = known.unwrap_or_else(|| CertificateNames::from_der(certificate));
        let mut cache = self.cache();
        let names = cache.keep(certificate, names);
        let entry = (Arc::downgrade(key), names.clone());
        cache.by_key.insert(address, entry);
        cache.sweep();
        names
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn read_before(&self, certificate: &[u8]) -> Option<CertificateNames> {
        let names = self.by_der.get(certificate)?.upgrade()?;
        Some(CertificateNames::from_shared(names))
    }

    /// Returns the names stored for the certificate. If there are none, stores `names` first.
    fn keep(&mut self, certificate: &[u8], names: CertificateNames) -> CertificateNames {
        if let Some(kept) = self.read_before(certificate) {
            return kept;
        }
        if let Some(names) = names.downgrade() {
            self.by_der.insert(certificate.into(), names);
        }
        names
    }

    /// Drops unused entries. The amortized cost per insertion is constant.
    fn sweep(&mut self) {
        if self.by_key.len() + self.by_der.len() < self.sweep_at {
            return;
        }
        self.by_key.retain(|_, (key, _)| key.strong_count() > 0);
        self.by_der.retain(|_, names| names.strong_count() > 0);
        self.sweep_at = FIRST_SWEEP.max(2 * (self.by_key.len() + self.by_der.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring::sign::any_supported_type;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::sign::{Signer, SigningKey};
    use rustls::{SignatureAlgorithm, SignatureScheme};

    use super::*;

    /// Creates a different certificate for every number.
    fn keys() -> impl FnMut(u64) -> Arc<CertifiedKey> {
        let private = KeyPair::generate().unwrap();
        let der = PrivateKeyDer::Pkcs8(private.serialize_der().into());
        let signer = any_supported_type(&der).unwrap();
        move |number| {
            let params = CertificateParams::new(vec![format!("h{number}.test")]).unwrap();
            let certificate = params.self_signed(&private).unwrap().der().clone();
            Arc::new(CertifiedKey::new(vec![certificate], signer.clone()))
        }
    }

    fn sizes(certificates: &Certificates) -> (usize, usize) {
        let cache = certificates.cache();
        (cache.by_key.len(), cache.by_der.len())
    }

    #[test]
    fn what_nobody_uses_is_forgotten() {
        let certificates = Certificates::new();
        let mut key = keys();
        for number in 0..500 {
            certificates.names(&key(number));
        }
        let (by_key, by_der) = sizes(&certificates);
        assert!(by_key + by_der <= FIRST_SWEEP, "{by_key} and {by_der}");
    }

    #[test]
    fn what_is_in_use_is_kept_through_every_sweep() {
        let certificates = Certificates::new();
        let mut key = keys();
        let held: Vec<_> = (0..200).map(&mut key).collect();
        for key in &held {
            certificates.names(key);
        }
        for number in 200..400 {
            certificates.names(&key(number));
        }
        let cache = certificates.cache();
        for key in &held {
            assert!(cache.by_key.contains_key(&(Arc::as_ptr(key) as usize)));
            let certificate = key.end_entity_cert().unwrap();
            assert!(cache.by_der[&**certificate].strong_count() > 0);
        }
        drop(cache);
        // The searches become less frequent as the cache grows.
        assert!(certificates.cache().sweep_at >= 800);
    }

    #[test]
    fn a_new_key_for_a_known_certificate_is_looked_up_by_content_once() {
        let certificates = Certificates::new();
        let first = keys()(0);
        let second = Arc::new(CertifiedKey::clone(&first));
        let names = certificates.names(&first);
        assert!(certificates.names(&second).ptr_eq(&names));
        assert_eq!(sizes(&certificates), (2, 1));
    }

    /// A signing key whose `drop` uses the cache.
    #[derive(Debug)]
    struct AsksWhenDropped {
        inner: Arc<dyn SigningKey>,
        certificates: Arc<Certificates>,
        asks_for: Arc<CertifiedKey>,
    }

    impl SigningKey for AsksWhenDropped {
        fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
            self.inner.choose_scheme(offered)
        }

        fn algorithm(&self) -> SignatureAlgorithm {
            self.inner.algorithm()
        }
    }

    impl Drop for AsksWhenDropped {
        fn drop(&mut self) {
            assert!(self.certificates.names(&self.asks_for).is_known());
        }
    }

    #[test]
    fn a_key_whose_drop_uses_the_cache_can_be_swept() {
        let (done, all_done) = mpsc::channel();
        thread::spawn(move || {
            let certificates = Arc::new(Certificates::new());
            let mut key = keys();
            let asks_for = key(0);
            for number in 1..=3 * FIRST_SWEEP as u64 {
                let plain = key(number);
                let asks = AsksWhenDropped {
                    inner: plain.key.clone(),
                    certificates: certificates.clone(),
                    asks_for: asks_for.clone(),
                };
                let key = Arc::new(CertifiedKey::new(plain.cert.clone(), Arc::new(asks)));
                certificates.names(&key);
            }
            done.send(()).unwrap();
        });
        let in_time = all_done.recv_timeout(Duration::from_secs(20));
        in_time.expect("no lock is held while a key is dropped");
    }

    #[test]
    fn a_key_without_a_certificate_has_unknown_names() {
        let bare = CertifiedKey::new(Vec::new(), keys()(0).key.clone());
        assert!(!Certificates::new().names(&Arc::new(bare)).is_known());
    }
}
