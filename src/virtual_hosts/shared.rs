//! The state that all handles to virtual hosts share, and how it is replaced. The public handle lives in `hosts`.

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
    /// How often `current` has been replaced. Changes only while `current` is locked.
    generation: AtomicU64,
    /// Connections that wait to become outdated. Locked before `current`, and always while that changes.
    waiting: Arc<Waiting>,
    /// Locked by a replacement from beginning to end, before all else. So replacements come one after the other.
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

    /// Puts `next` in place of the current map, wakes the connections that are outdated by it, and returns the former
    /// map. The caller drops it, because a configuration in it may have a `drop` that comes back here.
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
        // Woken without a lock: what waking does is up to an executor.
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

    /// Takes a place among the connections that wait to become outdated.
    pub(super) fn watch(&self, who: Who, accepted_by: &VirtualHost) -> Watch {
        Watch::new(&self.waiting, who, accepted_by, || self.snapshot())
    }

    /// Returns how many groups of connections wait.
    #[cfg(all(loom, test))]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    /// Returns how often the map has been replaced.
    #[inline]
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// Calls `look_up` with the current map, which cannot be replaced meanwhile.
    #[inline]
    pub(super) fn read<T>(&self, look_up: impl FnOnce(&Map) -> T) -> T {
        look_up(&self.current())
    }

    /// Returns the current map, without keeping it from being replaced.
    pub(super) fn snapshot(&self) -> Arc<Map> {
        self.current().clone()
    }

    #[inline]
    fn current(&self) -> RwLockReadGuard<'_, Arc<Map>> {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner)
    }
}
