//! A bound on how many handshakes are under way. When one too many begins, the oldest ends: a client
//! that means it is done in milliseconds, one that only holds the place is not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

#[derive(Debug)]
pub(super) struct Pending {
    limit: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// By age, the oldest first. Dropping a sender ends its handshake.
    handshakes: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A place among the pending handshakes, given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    pending: Arc<Pending>,
    id: u64,
    evicted: oneshot::Receiver<()>,
}

impl Pending {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            queue: Mutex::default(),
        }
    }

    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let (sender, evicted) = oneshot::channel();
        let mut queue = self.queue();
        while queue.handshakes.len() >= self.limit && queue.handshakes.pop_first().is_some() {}
        let id = queue.next;
        queue.next += 1;
        queue.handshakes.insert(id, sender);
        drop(queue);
        Place {
            pending: self.clone(),
            id,
            evicted,
        }
    }

    /// Ends the older half, for want of something else than places. Says whether there were any.
    pub(super) fn end_older_half(&self) -> bool {
        let mut queue = self.queue();
        let older = queue.handshakes.len().div_ceil(2);
        for _ in 0..older {
            queue.handshakes.pop_first();
        }
        older > 0
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Completes when the place is given to a newer handshake.
    pub(super) async fn evicted(&mut self) {
        // Nothing is ever sent; the sender is dropped.
        let _ = (&mut self.evicted).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pending.queue().handshakes.remove(&self.id);
    }
}
