//! One connection's wait to become outdated. Checking whether the wait is over costs two loads and no lock.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::super::map::{Map, VirtualHost};
use super::cohort::State;
use super::index::{Cohort, Waiting};
use super::place::Who;

/// The registration of a connection for a wake-up when it becomes outdated. Dropping it ends the registration.
pub(crate) struct Watch {
    cohort: Arc<Cohort>,
    /// A clone of the waker in the cohort, unless the state has changed since it was stored.
    waker: Option<Waker>,
    /// The state of the cohort when the waker was stored.
    seen: State,
    slot: u32,
}

impl Watch {
    /// Registers a connection that `accepted_by` accepted. `current` returns the map, which does not change during the
    /// call.
    pub(in super::super) fn new(
        waiting: &Arc<Waiting>,
        who: Who,
        accepted_by: &VirtualHost,
        current: impl FnOnce() -> Arc<Map>,
    ) -> Self {
        let mut index = waiting.lock();
        let (cohort, slot) = index.join(waiting, who, accepted_by, &current());
        Self {
            cohort,
            waker: None,
            seen: State::default(),
            slot,
        }
    }

    /// Returns whether the connection is currently outdated.
    #[cfg(any(feature = "rustls", test))]
    #[inline]
    pub(crate) fn is_outdated(&self) -> bool {
        self.cohort.state().is_outdated()
    }

    /// Waits until the connection is outdated. Only the waker of the last call is woken.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let state = self.cohort.state();
        let waits = |waker: &Waker| waker.will_wake(context.waker());
        if state.is_outdated() {
            return Poll::Ready(());
        }
        if state == self.seen && self.waker.as_ref().is_some_and(waits) {
            return Poll::Pending;
        }
        // A waker's executor decides what cloning and dropping it does, so both happen without the lock.
        let waker = context.waker().clone();
        let (state, former) = self.cohort.wait(self.slot, waker.clone());
        drop(former);
        self.waker = Some(waker);
        self.seen = state;
        match state.is_outdated() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (last, waker) = self.cohort.leave(self.slot);
        drop(waker);
        if last {
            let forgotten = self.cohort.home.lock().forget(&self.cohort);
            // The cohort may hold the last reference to a configuration, whose `drop` is user code.
            drop(forgotten);
        }
    }
}
