//! The time limit for the beginning of a connection, and its place among the pending connections. The bound on pending
//! connections lives in `pending`.

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
    /// The bounds on the beginning of one connection.
    pub(crate) struct Bounds {
        // Unconstrained, so that a client that sends data without end cannot keep the timer from being polled.
        #[pin]
        time_limit: Unconstrained<Sleep>,
        place: Place,
    }
}

/// The reason for which the beginning of a connection must end.
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
