//! The certificate that was read last, and replacing it by what the files have. What is wrong with them is found in
//! `content`, and when they are looked at is decided in `watch`.

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
    /// The digest of the content that `current` was made of. Whoever reads the files holds it, so that of two readers
    /// the one that reads later decides.
    digest: Mutex<u64>,
    /// Makes digests. Keeping the content itself would keep another copy of the private key in memory.
    hasher: RandomState,
    /// Whether the log has a warning about the validity of `current`.
    warned: AtomicBool,
}

pub(super) struct Current {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Option<RangeInclusive<SystemTime>>,
}

/// What the files have at one look.
pub(super) enum Look {
    /// The current certificate.
    Same,
    /// Content with this digest, which the look before did not see. It may still be in the middle of being written.
    Changed(u64),
    /// Another certificate, which is now the current one.
    Renewed,
    /// Content that cannot be used, at two looks in a row.
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

    /// Replaces the certificate by what the files have now, and returns whether that is another.
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

    /// Looks at the files. `last` is the digest that the look before found changed.
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
        // A key is the provider's, and so is what its `drop` does. It runs without the lock that handshakes need.
        drop(next);
        self.warned.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Logs that the current certificate is not valid now, unless that was logged already.
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
