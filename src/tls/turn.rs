//! The random wait of an idle connection when many become outdated at the same time. The GOAWAY after the wait lives in
//! `draining`.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Sleep;

/// Returns a wait of random length, up to `spread` milliseconds. Returns `None` if `spread` is 0, or without a runtime.
pub(super) fn turn(spread: u32) -> Option<Pin<Box<Sleep>>> {
    if spread == 0 || Handle::try_current().is_err() {
        return None;
    }
    let random = RandomState::new().build_hasher().finish();
    let wait = (u128::from(random) * u128::from(spread)) >> u64::BITS;
    let wait = Duration::from_millis(wait as u64);
    Some(Box::pin(tokio::time::sleep(wait)))
}
