//! The budget that tokio gives a task for each poll. What needs it used up is in `future`.

use std::future::Future;
use std::pin::pin;
use std::task::Context;

/// Uses up the budget of the current task, so that no socket, timer or channel of tokio is ready until the task is
/// polled again. The task is woken for that at once.
///
/// Does nothing outside a task of tokio, or in one without a budget.
pub(super) fn exhaust(cx: &mut Context<'_>) {
    // The budget is less than that.
    for _ in 0..=u8::MAX {
        if pin!(tokio::task::consume_budget()).poll(cx).is_pending() {
            return;
        }
    }
}
