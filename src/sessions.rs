//! Sessions that resume only under the configuration under which they began, or under a configuration with the same id.
//! `handshake` chooses the configuration.
//!
//! rustls binds a session to its server name. That is not enough if the server name gets another configuration, and
//! both configurations share a session store or a ticketer. A resumed handshake does not check the client certificate
//! again, so it would rely on the check of the old configuration.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use foldhash::HashMap;
use rustls::ServerConfig;
use rustls::server::{ProducesTickets, StoresServerSessions};

use crate::config_id::ConfigId;

/// The octets that identify a configuration. The first octet is the kind, so that no id equals a random mark. Random
/// marks have a fixed length, and an id follows its length, so that no mark is a prefix of another mark.
type Mark = Arc<[u8]>;

/// The kind of 16 random octets, which are unique across processes. No kind is 0 or 1, because rustls begins a session
/// with these octets, and a session of a server without marks must not seem to have a mark.
const RANDOM: u8 = 2;
/// The kind of an id, followed by its length and its octets, which are the same in every process.
const ID: u8 = 3;

/// The session store and the ticketer of one configuration. They add a mark to every session, and accept only sessions
/// with the same mark.
pub(crate) struct Sessions {
    /// `None` if the crypto provider failed to provide random bytes. No session is stored then.
    mark: Option<Mark>,
    store: Arc<dyn StoresServerSessions>,
    ticketer: Arc<dyn ProducesTickets>,
}

/// The random marks of the configurations in use. The process has one map, because a configuration without an id is
/// identified by its `Arc`: all acceptors of the `Arc`, over TCP and QUIC, resume the same sessions. The map does not
/// keep a configuration alive, so the session store and the ticket keys are dropped with the configuration.
static IN_USE: LazyLock<Mutex<InUse>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct InUse {
    /// Keyed by the address of a configuration. The weak reference prevents the address from being reused.
    by_address: HashMap<usize, (Weak<ServerConfig>, Mark)>,
    /// The number of entries before the next search for dead entries.
    sweep_at: usize,
}

/// The number of entries before the first search for dead entries.
const FIRST_SWEEP: usize = 64;

impl Sessions {
    /// Returns the sessions of a configuration. The mark is the same for the same id, or without an id for the same
    /// `Arc`.
    pub(crate) fn of(config: &Arc<ServerConfig>, id: Option<&ConfigId>) -> Arc<Self> {
        Arc::new(Self {
            mark: match id {
                Some(id) => Some(mark_of_id(id)),
                None => random_mark(config),
            },
            store: config.session_storage.clone(),
            ticketer: config.ticketer.clone(),
        })
    }

    /// Installs this session store and ticketer in a connection's copy of the configuration.
    pub(crate) fn bind(self: &Arc<Self>, config: &mut ServerConfig) {
        config.session_storage = self.clone();
        config.ticketer = self.clone();
    }

    fn marked(&self, session: &[u8]) -> Option<Vec<u8>> {
        Some([self.mark.as_ref()?, session].concat())
    }

    fn unmarked(&self, mut marked: Vec<u8>) -> Option<Vec<u8>> {
        let mark = self.mark.as_ref()?;
        marked.starts_with(mark).then(|| {
            marked.drain(..mark.len());
            marked
        })
    }
}

fn mark_of_id(id: &ConfigId) -> Mark {
    const { assert!(ConfigId::MAX_LENGTH <= u8::MAX as usize) };
    let id = id.as_bytes();
    [&[ID, id.len() as u8], id].concat().into()
}

/// Returns the mark of a configuration without an id, or `None` if the crypto provider failed to provide random bytes.
fn random_mark(config: &Arc<ServerConfig>) -> Option<Mark> {
    let address = Arc::as_ptr(config) as usize;
    if let Some((_, mark)) = in_use().by_address.get(&address) {
        return Some(mark.clone());
    }
    // The source of random bytes is user code, which may be slow or call this function, so it runs without the lock. If
    // two threads create a mark at the same time, the mark that is stored first stays.
    let mut made = [RANDOM; 17];
    config
        .crypto_provider()
        .secure_random
        .fill(&mut made[1..])
        .ok()?;
    let mut in_use = in_use();
    let entry = in_use.by_address.entry(address);
    let (_, mark) = entry.or_insert_with(|| (Arc::downgrade(config), made.into()));
    let mark = mark.clone();
    in_use.sweep();
    Some(mark)
}

fn in_use() -> MutexGuard<'static, InUse> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InUse {
    /// Removes dead entries. The amortized cost per insertion is constant.
    fn sweep(&mut self) {
        if self.by_address.len() < self.sweep_at.max(FIRST_SWEEP) {
            return;
        }
        self.by_address
            .retain(|_, (config, _)| config.strong_count() > 0);
        self.sweep_at = 2 * self.by_address.len();
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let marked = self.marked(&value);
        marked.is_some_and(|marked| self.store.put(key, marked))
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.unmarked(self.store.get(key)?)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.unmarked(self.store.take(key)?)
    }

    fn can_cache(&self) -> bool {
        self.mark.is_some() && self.store.can_cache()
    }
}

impl ProducesTickets for Sessions {
    fn enabled(&self) -> bool {
        self.mark.is_some() && self.ticketer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.ticketer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.ticketer.encrypt(&self.marked(plain)?)
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

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;
    use rustls::server::ResolvesServerCertUsingSni;

    use super::*;

    fn config() -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        Arc::new(config)
    }

    #[test]
    fn one_configuration_has_one_mark_however_often_it_is_asked_for() {
        let (one, other) = (config(), config());
        let sessions = Sessions::of(&one, None);
        assert_eq!(sessions.mark, Sessions::of(&one.clone(), None).mark);
        assert_ne!(sessions.mark, Sessions::of(&other, None).mark);
    }

    #[test]
    fn configurations_that_are_gone_are_forgotten() {
        let held: Vec<_> = (0..10).map(|_| config()).collect();
        let marks: Vec<_> = held
            .iter()
            .map(|config| Sessions::of(config, None).mark.clone())
            .collect();
        for _ in 0..500 {
            Sessions::of(&config(), None);
        }
        let known = in_use().by_address.len();
        assert!(known <= 2 * FIRST_SWEEP, "{known}");
        for (config, mark) in held.iter().zip(marks) {
            assert_eq!(Sessions::of(config, None).mark, mark);
        }
    }

    #[test]
    fn d10_a_mark_of_an_id_depends_on_nothing_else_and_begins_no_other() {
        let mark = |octets: &[u8]| {
            let id = ConfigId::new(octets).unwrap();
            Sessions::of(&config(), Some(&id)).mark.clone().unwrap()
        };
        let octets = [
            &b"a"[..],
            b"ab",
            b"b",
            b"a\0",
            &[1, b'a'],
            &[0; 16],
            &[0; 15],
            &[b'x'; 64],
            &[b'x'; 63],
        ];
        let mut marks = vec![random_mark(&config()).unwrap(), [RANDOM; 17].into()];
        assert!(marks.iter().all(|mark| mark[0] == RANDOM));
        for octets in octets {
            assert_eq!(mark(octets), mark(octets));
            assert!(![0, 1, RANDOM].contains(&mark(octets)[0]));
            marks.push(mark(octets));
        }
        for (number, mark) in marks.iter().enumerate() {
            for (other, begins) in marks.iter().enumerate() {
                assert_eq!(number == other, mark.starts_with(begins));
            }
        }
    }

    /// Session stores and ticketers contain secrets.
    #[test]
    fn a_configuration_that_is_gone_frees_its_session_store() {
        let config = config();
        let store = Arc::downgrade(&config.session_storage);
        let bound = Sessions::of(&config, None);
        drop((config, bound));
        assert_eq!(store.strong_count(), 0);
    }
}
