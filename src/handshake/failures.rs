//! The number of failed handshakes by reason. The reasons live in `failure`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::failure::FailureReason;

/// A counter for each reason.
#[derive(Default)]
pub(crate) struct Failures([AtomicU64; FailureReason::ALL.len()]);

impl Failures {
    pub(super) fn count(&self, reason: FailureReason) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the count of each reason.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (FailureReason, u64)> + use<> {
        let counts = self
            .0
            .each_ref()
            .map(|counter| counter.load(Ordering::Relaxed));
        FailureReason::ALL.into_iter().zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c6_every_reason_has_a_counter_of_its_own() {
        let failures = Failures::default();
        for (times, reason) in FailureReason::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| failures.count(reason));
        }
        let counts: Vec<_> = failures.counts().collect();
        for (times, reason) in FailureReason::ALL.into_iter().enumerate() {
            assert_eq!(counts[times], (reason, times as u64));
        }
    }
}
