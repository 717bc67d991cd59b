//! The time limit of a connection's beginning, and its place among those that are pending. How many may be pending
//! lives in `pending`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::{Unconstrained, unconstrained};
use tokio::time::Sleep;

use super::pending::{Pending, Place};

pin_project! {
    /// What bounds the beginning of one connection.
    pub(crate) struct Bounds {
        // Unconstrained, so that a client that sends data without end cannot keep the timer from being polled.
        #[pin]
        time_limit: Unconstrained<Sleep>,
        place: Place,
    }
}

/// Why the beginning of a connection must end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Late {
    TimedOut,
    TooManyPending,
}

impl Bounds {
    #[inline]
    pub(crate) fn new(pending: &Arc<Pending>, timeout: Duration) -> Self {
        Self {
            time_limit: unconstrained(tokio::time::sleep(timeout)),
            place: pending.enter(),
        }
    }

    /// Ready when the connection must end.
    #[inline]
    pub(crate) fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Late> {
        let this = self.project();
        if this.place.poll_lost(context).is_ready() {
            return Poll::Ready(Late::TooManyPending);
        }
        this.time_limit.poll(context).map(|()| Late::TimedOut)
    }
}
