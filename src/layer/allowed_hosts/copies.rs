//! A value that threads read without waiting while another thread changes it. What the value is does not matter here.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::sync::{AtomicUsize, Mutex, RwLock, TryLockError, pause};

/// Two copies of a value. Readers use the current copy. A writer changes the other copy, makes it the current one, and
/// then changes the first one alike.
///
/// No reader waits for a writer, even if the writer has to move a large table or is suspended half-way. A reader tries
/// again only if the other copy has become the current one between two of its instructions. A writer waits for the
/// readers of one copy, and no new reader comes to that copy.
#[derive(Default)]
pub(super) struct Copies<T> {
    copies: [RwLock<T>; 2],
    current: AtomicUsize,
    /// Locked by the one writer.
    writing: Mutex<()>,
}

impl<T: Clone> Copies<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            copies: [RwLock::new(value.clone()), RwLock::new(value)],
            current: AtomicUsize::new(0),
            writing: Mutex::new(()),
        }
    }

    /// Calls `look_up` with the current value.
    #[inline]
    pub(super) fn read<U>(&self, look_up: impl FnOnce(&T) -> U) -> U {
        loop {
            let current = self.current.load(Acquire);
            let copy = match self.copies[current].try_read() {
                Ok(copy) => Some(copy),
                Err(TryLockError::Poisoned(copy)) => Some(copy.into_inner()),
                // The other copy has just become the current one.
                Err(TryLockError::WouldBlock) => None,
            };
            // If a whole change has happened since the first load, the next change may have begun with this copy, and
            // the other copy, which is the current one, does not have it yet.
            match copy.filter(|_| self.current.load(Acquire) == current) {
                Some(copy) => return look_up(&copy),
                None => pause(),
            }
        }
    }

    /// Applies a change to both copies. Returns what it returns for the copy that becomes the current one.
    pub(super) fn change<U>(&self, mut change: impl FnMut(&mut T) -> U) -> U {
        let writing = self.writing.lock();
        let _writing = writing.unwrap_or_else(PoisonError::into_inner);
        let former = self.current.load(Acquire);
        let next = 1 - former;
        let changed = self.change_copy(next, &mut change);
        self.current.store(next, Release);
        self.change_copy(former, &mut change);
        changed
    }

    fn change_copy<U>(&self, copy: usize, change: &mut impl FnMut(&mut T) -> U) -> U {
        let copy = self.copies[copy].write();
        change(&mut copy.unwrap_or_else(PoisonError::into_inner))
    }
}
