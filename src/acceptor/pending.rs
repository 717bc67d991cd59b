//! A bound on how many handshakes are under way. When one too many begins, the oldest ends: a client
//! that means it is done in milliseconds, one that only holds the place is not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
pub(super) struct Pending {
    limit: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// By age, the oldest first, with what is to be woken when a handshake has lost its place.
    handshakes: BTreeMap<u64, Option<Waker>>,
}

/// A place among the pending handshakes, given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    pending: Arc<Pending>,
    id: u64,
}

impl Pending {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            queue: Mutex::default(),
        }
    }

    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let mut queue = self.queue();
        let surplus = (queue.handshakes.len() + 1).saturating_sub(self.limit);
        let ended = queue.end_oldest(surplus);
        let id = queue.next;
        queue.next += 1;
        queue.handshakes.insert(id, None);
        drop(queue);
        wake(ended);
        Place {
            pending: self.clone(),
            id,
        }
    }

    /// How many have begun so far.
    #[cfg(feature = "axum")]
    pub(super) fn begun(&self) -> u64 {
        self.queue().next
    }

    /// Ends the older half of the first `begun`, for want of something else than places. Says whether
    /// there were any.
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
    /// Takes so many places away. Who had them is to be woken, and without the lock: a task that wakes
    /// may end at once, and give back its place.
    fn end_oldest(&mut self, count: usize) -> Vec<Waker> {
        let ended = (0..count).map_while(|_| self.handshakes.pop_first());
        ended.filter_map(|(_, waker)| waker).collect()
    }
}

fn wake(ended: Vec<Waker>) {
    ended.into_iter().for_each(Waker::wake);
}

impl Place {
    /// Ready when the place is given to a newer handshake.
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
