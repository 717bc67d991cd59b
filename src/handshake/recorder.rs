//! Records which certificate a handshake presents. Its names are read in `certificate`.
//!
//! rustls has no accessor for the certificate. So a resolver of our own stands between rustls and the resolver of
//! the configuration, and remembers what the latter returned. Asking the resolver again after the handshake would
//! be a race: the certificate may have been renewed in between.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

#[derive(Debug)]
pub(crate) struct Recorder {
    inner: Arc<dyn ResolvesServerCert>,
    presented: Mutex<Option<Arc<CertifiedKey>>>,
}

impl Recorder {
    /// Makes a connection's copy of the configuration record its certificate.
    pub(super) fn install(config: &mut ServerConfig) -> Arc<Self> {
        let recorder = Arc::new(Self {
            inner: config.cert_resolver.clone(),
            presented: Mutex::new(None),
        });
        config.cert_resolver = recorder.clone();
        recorder
    }

    /// Returns the certificate that the handshake presented, or would have presented without a session to
    /// resume. The next call returns `None`, unless rustls has asked for a certificate again.
    pub(super) fn presented(&self) -> Option<Arc<CertifiedKey>> {
        self.slot().take()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<CertifiedKey>>> {
        self.presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Recorder {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.inner.resolve(client_hello);
        // rustls asks again after a HelloRetryRequest and presents what it got last. It also asks before it
        // resumes a session, when it presents nothing.
        let former = std::mem::replace(&mut *self.slot(), key.clone());
        // A key is the user's, and so is what its `drop` does. It runs without the lock.
        drop(former);
        key
    }

    fn only_raw_public_keys(&self) -> bool {
        self.inner.only_raw_public_keys()
    }
}
