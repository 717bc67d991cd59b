//! A bound on the number of pending handshakes. If the bound is reached, the oldest handshake ends: an honest client
//! needs milliseconds, so the oldest handshake is the least likely to complete.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
pub(crate) struct Pending {
    limit: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// The wakers of the handshakes, the oldest first. A waker is called when its handshake must end.
    handshakes: BTreeMap<u64, Option<Waker>>,
}

/// A place among the pending handshakes. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    pending: Arc<Pending>,
    id: u64,
}

impl Pending {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            queue: Mutex::default(),
        }
    }

    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let mut queue = self.queue();
        // Usually there is no surplus, and no vector to allocate.
        let ended = match (queue.handshakes.len() + 1).saturating_sub(self.limit) {
            0 => None,
            surplus => Some(queue.end_oldest(surplus)),
        };
        let id = queue.next;
        queue.next += 1;
        queue.handshakes.insert(id, None);
        drop(queue);
        if let Some(ended) = ended {
            wake(ended);
        }
        Place {
            pending: self.clone(),
            id,
        }
    }

    /// Returns the number of handshakes that have begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.queue().next
    }

    /// Ends the older half of the first `begun` handshakes that are still pending. Returns whether there were any.
    pub(super) fn end_older_half(&self, begun: u64) -> bool {
        let mut queue = self.queue();
        let older = queue.handshakes.range(..begun).count().div_ceil(2);
        let ended = queue.end_oldest(older);
        drop(queue);
        wake(ended);
        older > 0
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Removes the places of the oldest handshakes and returns their wakers. Call the wakers without the lock: a woken
    /// task may end at once and free its place.
    fn end_oldest(&mut self, count: usize) -> Vec<Waker> {
        let ended = (0..count).map_while(|_| self.handshakes.pop_first());
        ended.filter_map(|(_, waker)| waker).collect()
    }
}

fn wake(ended: Vec<Waker>) {
    ended.into_iter().for_each(Waker::wake);
}

impl Place {
    /// Ready when the place has been removed.
    pub(super) fn poll_lost(&self, context: &Context<'_>) -> Poll<()> {
        let mut queue = self.pending.queue();
        let Some(waker) = queue.handshakes.get_mut(&self.id) else {
            return Poll::Ready(());
        };
        let known = waker.as_ref();
        if known.is_some_and(|known| known.will_wake(context.waker())) {
            return Poll::Pending;
        }
        let former = waker.replace(context.waker().clone());
        drop(queue);
        drop(former);
        Poll::Pending
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let place = self.pending.queue().handshakes.remove(&self.id);
        drop(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_the_older_half_of_the_pending_handshakes_ends() {
        let pending = Arc::new(Pending::new(100));
        assert!(!pending.end_older_half(u64::MAX), "there are none");
        let places: Vec<_> = (0..5).map(|_| pending.enter()).collect();
        let newer = pending.enter();
        assert!(!pending.end_older_half(0), "none of them is that old");
        assert!(pending.end_older_half(pending.begun() - 1));
        let context = &Context::from_waker(Waker::noop());
        let lost: Vec<_> = places
            .iter()
            .map(|place| place.poll_lost(context).is_ready())
            .collect();
        assert_eq!(lost, [true, true, true, false, false]);
        assert!(newer.poll_lost(context).is_pending());
    }
}
