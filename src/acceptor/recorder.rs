//! Which certificate did this handshake present? rustls has no accessor for it, so a resolver of our
//! own stands between rustls and the configuration's, and remembers what it handed out.
//!
//! Resolving a second time after the handshake would be a race with a certificate that is renewed in
//! between.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Makes a connection's copy of the configuration remember its certificate.
pub(super) fn record(config: &mut ServerConfig) -> Arc<Recorder> {
    let recorder = Arc::new(Recorder {
        inner: config.cert_resolver.clone(),
        presented: Mutex::new(None),
    });
    config.cert_resolver = recorder.clone();
    recorder
}

#[derive(Debug)]
pub(crate) struct Recorder {
    inner: Arc<dyn ResolvesServerCert>,
    presented: Mutex<Option<Arc<CertifiedKey>>>,
}

impl Recorder {
    /// The certificate that the handshake presented, or would have without a session to resume.
    pub(crate) fn presented(&self) -> Option<Arc<CertifiedKey>> {
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
        // rustls asks again after a HelloRetryRequest, and presents what it got last. It also asks when
        // it resumes a session, and presents nothing.
        self.slot().clone_from(&key);
        key
    }

    fn only_raw_public_keys(&self) -> bool {
        self.inner.only_raw_public_keys()
    }
}
