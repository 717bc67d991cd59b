//! The state that all handles to virtual hosts share, and its replacement. The public handle lives in `hosts`.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use super::map::{Map, VirtualHost};
use super::waiting::{Waiting, Watch, Who};
#[cfg(feature = "rustls")]
use crate::certificate::Certificates;
use crate::sync::{AtomicU64, Mutex, RwLock, RwLockReadGuard};

pub(super) struct Shared {
    current: RwLock<Arc<Map>>,
    /// The number of replacements of `current`. Changes only while `current` is locked.
    generation: AtomicU64,
    /// The connections that wait to become outdated. Locked before `current`, and always while `current` changes.
    waiting: Arc<Waiting>,
    /// Locked first, during a whole replacement, so that replacements run one after the other.
    replacing: Mutex<()>,
    #[cfg(feature = "rustls")]
    pub(super) certificates: Arc<Certificates>,
}

impl Shared {
    pub(super) fn new(map: Map) -> Self {
        Self {
            current: RwLock::new(Arc::new(map)),
            generation: AtomicU64::new(0),
            waiting: Arc::default(),
            replacing: Mutex::new(()),
            #[cfg(feature = "rustls")]
            certificates: Arc::new(Certificates::new()),
        }
    }

    /// Replaces the current map by `next`, wakes the connections that become outdated, and returns the former map. The
    /// caller drops the former map, because the `drop` of a configuration may call back into this type.
    pub(super) fn replace(&self, next: Arc<Map>) -> Arc<Map> {
        let replacing = self.replacing.lock();
        let mut waiting = self.waiting.lock();
        let former = self.swap(next.clone());
        let somebody_waits = waiting.fall_behind();
        drop(waiting);
        let wakers = match somebody_waits {
            true => self.waiting.follow(&former, &next),
            false => Vec::new(),
        };
        drop(replacing);
        // Woken without a lock, because an executor decides what waking does.
        wakers.into_iter().for_each(Waker::wake);
        former
    }

    fn swap(&self, next: Arc<Map>) -> Arc<Map> {
        let current = self.current.write();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *current, next);
        self.generation.fetch_add(1, Release);
        former
    }

    /// Registers a connection for a wake-up when it becomes outdated.
    pub(super) fn watch(&self, who: Who, accepted_by: &VirtualHost) -> Watch {
        Watch::new(&self.waiting, who, accepted_by, || self.snapshot())
    }

    /// Returns the number of groups of connections that wait.
    #[cfg(all(loom, test))]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    /// Returns the number of replacements of the map.
    #[inline]
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// Calls `look_up` with the current map, which cannot be replaced during the call.
    #[inline]
    pub(super) fn read<T>(&self, look_up: impl FnOnce(&Map) -> T) -> T {
        look_up(&self.current())
    }

    /// Returns the current map, and does not block a replacement.
    pub(super) fn snapshot(&self) -> Arc<Map> {
        self.current().clone()
    }

    #[inline]
    fn current(&self) -> RwLockReadGuard<'_, Arc<Map>> {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner)
    }
}
