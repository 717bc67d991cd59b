//! Sessions that resume only under the configuration they began under. Which configuration a handshake gets is
//! decided in `handshake`.
//!
//! rustls binds a session to its server name. That is not enough if the name gets another configuration while a
//! store or a ticketer that both configurations share keeps the session. A resumed handshake does not check the
//! client certificate again, so it would rely on the check of the old configuration.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ProducesTickets, StoresServerSessions};

/// Identifies a configuration. Random, so that it is unique across processes.
type Mark = [u8; 16];

/// The session store and the ticketer of one configuration. They put a mark on every session, and accept only
/// sessions with that mark.
pub(crate) struct Sessions {
    mark: Mark,
    store: Arc<dyn StoresServerSessions>,
    ticketer: Arc<dyn ProducesTickets>,
}

impl Sessions {
    /// Returns `None` if the crypto provider fails to provide random bytes.
    pub(super) fn of(config: &ServerConfig) -> Option<Self> {
        let mut mark = Mark::default();
        config
            .crypto_provider()
            .secure_random
            .fill(&mut mark)
            .ok()?;
        Some(Self {
            mark,
            store: config.session_storage.clone(),
            ticketer: config.ticketer.clone(),
        })
    }

    /// Makes a connection's copy of the configuration keep its sessions here.
    pub(crate) fn bind(self: &Arc<Self>, config: &mut ServerConfig) {
        config.session_storage = self.clone();
        config.ticketer = self.clone();
    }

    fn marked(&self, session: &[u8]) -> Vec<u8> {
        [&self.mark, session].concat()
    }

    fn unmarked(&self, mut marked: Vec<u8>) -> Option<Vec<u8>> {
        marked.starts_with(&self.mark).then(|| {
            marked.drain(..self.mark.len());
            marked
        })
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.store.put(key, self.marked(&value))
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.unmarked(self.store.get(key)?)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.unmarked(self.store.take(key)?)
    }

    fn can_cache(&self) -> bool {
        self.store.can_cache()
    }
}

impl ProducesTickets for Sessions {
    fn enabled(&self) -> bool {
        self.ticketer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.ticketer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.ticketer.encrypt(&self.marked(plain))
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.unmarked(self.ticketer.decrypt(cipher)?)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}
