//! The budget that tokio gives a task for each poll. `future` explains why it must be used up.

use std::future::Future;
use std::pin::pin;
use std::task::Context;

/// Uses up the budget of the current task, so that no tokio socket, timer or channel is ready until the next poll of
/// the task. The task is woken at once.
///
/// Does nothing outside a tokio task, or in a task without a budget.
pub(super) fn exhaust(cx: &mut Context<'_>) {
    // The budget is smaller than this.
    for _ in 0..=u8::MAX {
        if pin!(tokio::task::consume_budget()).poll(cx).is_pending() {
            return;
        }
    }
}
