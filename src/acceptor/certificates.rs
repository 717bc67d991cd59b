//! The names of certificates that were presented before, so that each certificate is read once and
//! its names are held once, however many connections present it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::sign::CertifiedKey;

use crate::certificate::CertificateNames;
use crate::names::NameMap;

/// Entries that may gather before the first look for dead ones.
const FIRST_SWEEP: usize = 64;

#[derive(Debug)]
pub(super) struct Certificates(Mutex<Cache>);

#[derive(Debug)]
struct Cache {
    /// By the address of a key that a weak reference keeps from being used again.
    by_key: HashMap<usize, (Weak<CertifiedKey>, CertificateNames)>,
    /// By content, for resolvers that make a new key for every handshake. Only names that some
    /// connection, or an entry above, still holds.
    by_der: HashMap<Box<[u8]>, Weak<NameMap<()>>>,
    /// How many entries may gather before the next look for dead ones.
    sweep_at: usize,
}

impl Certificates {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Cache {
            by_key: HashMap::new(),
            by_der: HashMap::new(),
            sweep_at: FIRST_SWEEP,
        }))
    }

    /// The names of the certificate that `key` proves.
    pub(super) fn names(&self, key: &Arc<CertifiedKey>) -> CertificateNames {
        let address = Arc::as_ptr(key) as usize;
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // While the weak reference exists no other key can have its address.
        if let Some((_, names)) = cache.by_key.get(&address) {
            return names.clone();
        }
        let names = cache.read(key);
        cache
            .by_key
            .insert(address, (Arc::downgrade(key), names.clone()));
        cache.sweep();
        names
    }
}

impl Cache {
    fn read(&mut self, key: &CertifiedKey) -> CertificateNames {
        let Ok(certificate) = key.end_entity_cert() else {
            return CertificateNames::unknown();
        };
        let known = self.by_der.get(&**certificate).and_then(Weak::upgrade);
        if let Some(names) = known {
            return CertificateNames::from_shared(names);
        }
        let names = CertificateNames::from_der(certificate);
        if let Some(weak) = names.downgrade() {
            self.by_der.insert((**certificate).into(), weak);
        }
        names
    }

    /// Drops what nobody uses any more, at a cost that is constant per insertion over time.
    fn sweep(&mut self) {
        if self.by_key.len() < self.sweep_at {
            return;
        }
        self.by_key.retain(|_, (key, _)| key.strong_count() > 0);
        self.by_der.retain(|_, names| names.strong_count() > 0);
        self.sweep_at = FIRST_SWEEP.max(2 * self.by_key.len());
    }
}
