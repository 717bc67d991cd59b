//! The current certificate, and its replacement by the content of the files. `content` finds errors in the files, and
//! `watch` decides when to read them.

use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use super::content::{Content, Paths};
use super::error::CertificateFilesError;
use super::validity::validity;

pub(super) struct Store {
    paths: Paths,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
    /// The digest of the content from which `current` was created. Locked while the files are read, so that of two
    /// readers the later one wins.
    digest: Mutex<u64>,
    /// Computes digests. Keeping the content itself would keep another copy of the private key in memory.
    hasher: RandomState,
    /// Whether a warning about the validity of `current` has been logged.
    warned: AtomicBool,
}

pub(super) struct Current {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Option<RangeInclusive<SystemTime>>,
}

/// The result of one look at the files.
pub(super) enum Look {
    /// The files contain the current certificate.
    Same,
    /// The files have content with this digest, which the previous look did not find. They may still be being written.
    Changed(u64),
    /// The files contained another certificate, which is now the current one.
    Renewed,
    /// Two looks in a row found content that cannot be used.
    Unusable(CertificateFilesError),
}

impl Store {
    pub(super) fn open(
        paths: Paths,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, CertificateFilesError> {
        let content = paths.read()?;
        let current = Current::new(&content, &paths, &provider)?;
        let hasher = RandomState::new();
        let store = Self {
            paths,
            provider,
            current: RwLock::new(current),
            digest: Mutex::new(hasher.hash_one(&content)),
            hasher,
            warned: AtomicBool::new(false),
        };
        store.warn_if_invalid();
        Ok(store)
    }

    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(super) fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    pub(super) fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the certificate by the content of the files, and returns whether the content has changed.
    pub(super) fn reload(&self) -> Result<bool, CertificateFilesError> {
        let mut digest = self.digest();
        let content = self.paths.read()?;
        let found = self.hasher.hash_one(&content);
        if found == *digest {
            return Ok(false);
        }
        self.replace(&content)?;
        *digest = found;
        self.warn_if_invalid();
        Ok(true)
    }

    /// Looks at the files. `last` is the changed digest that the previous look found.
    pub(super) fn look(&self, last: Option<u64>) -> Look {
        let mut digest = self.digest();
        let content = self.paths.read();
        let found = match &content {
            Ok(content) => self.hasher.hash_one(content),
            Err(error) => self.hasher.hash_one(error.to_string()),
        };
        if found == *digest {
            return Look::Same;
        }
        if Some(found) != last {
            return Look::Changed(found);
        }
        match content.and_then(|content| self.replace(&content)) {
            Ok(()) => {
                *digest = found;
                Look::Renewed
            }
            Err(error) => Look::Unusable(error),
        }
    }

    fn replace(&self, content: &Content) -> Result<(), CertificateFilesError> {
        let mut next = Current::new(content, &self.paths, &self.provider)?;
        let current = self.current.write();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *current, &mut next);
        drop(current);
        // A key is a provider's type with an unknown `drop`, so it is dropped without the lock that handshakes need.
        drop(next);
        self.warned.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Logs a warning if the current certificate is not valid now, once for each certificate.
    pub(super) fn warn_if_invalid(&self) {
        let validity = self.current().validity.clone();
        let now = SystemTime::now();
        let invalid = validity
            .as_ref()
            .is_some_and(|validity| !validity.contains(&now));
        let warned = self.warned.swap(invalid, Ordering::Relaxed);
        if invalid && !warned {
            #[cfg(feature = "tracing")]
            if validity.is_some_and(|validity| *validity.start() > now) {
                tracing::warn!(
                    chain = ?self.paths.chain,
                    "the certificate is not valid yet, so clients reject it; check the clock of this machine"
                );
            } else {
                tracing::warn!(
                    chain = ?self.paths.chain,
                    "the certificate has expired, so clients reject it; renew it, or check the clock of this machine"
                );
            }
        }
    }

    fn digest(&self) -> MutexGuard<'_, u64> {
        self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn new(
        content: &Content,
        paths: &Paths,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateFilesError> {
        let key = content.parse(paths, provider)?;
        Ok(Self {
            validity: key.end_entity_cert().ok().and_then(validity),
            key: Arc::new(key),
        })
    }
}
