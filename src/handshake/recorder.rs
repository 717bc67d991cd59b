//! Records the certificate that a handshake presents. Reading its names lives in `certificate`.
//!
//! rustls has no accessor for the certificate. So `Recorder` wraps the resolver of the configuration, and remembers the
//! certificate that the resolver returned. Calling the resolver again after the handshake would be a race: the
//! certificate may have been renewed in the meantime.

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
    /// Installs a recorder in a connection's copy of the configuration.
    pub(super) fn install(config: &mut ServerConfig) -> Arc<Self> {
        let recorder = Arc::new(Self {
            inner: config.cert_resolver.clone(),
            presented: Mutex::new(None),
        });
        config.cert_resolver = recorder.clone();
        recorder
    }

    /// Returns the certificate that the handshake presented. For a resumed session, returns the certificate that a full
    /// handshake would have presented. The next call returns `None`, unless rustls has asked for a certificate again.
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
        // rustls asks again after a HelloRetryRequest and presents the last certificate. It also asks before it resumes
        // a session, although it then presents no certificate.
        let former = std::mem::replace(&mut *self.slot(), key.clone());
        // A key is a user's type with an unknown `drop`, so it is dropped without the lock.
        drop(former);
        key
    }

    fn only_raw_public_keys(&self) -> bool {
        self.inner.only_raw_public_keys()
    }
}
