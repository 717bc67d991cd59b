//! The time limit of an answer, for the head and the body together.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;

#[derive(Clone, Copy)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub fn after(limit: Duration) -> Self {
        let at = Instant::now() + limit;
        Self { at, limit }
    }

    /// Waits for the head of the answer.
    pub async fn answer<T>(self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        let answered = timeout_at(self.at, answer).await;
        answered.map_err(|_| Failure::timed_out("no answer", self.limit))
    }

    /// Waits for the rest of the answer, which may be missing.
    pub async fn rest<T>(self, rest: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.at, rest).await.ok()
    }
}
