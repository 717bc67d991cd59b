//! The settings for ending connections. `draining` and `lingering` act on them.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Endings {
    /// The time within which connections that become outdated at the same time are drained. `None` turns draining off.
    pub(super) drain: Option<Duration>,
    /// The time that a connection may linger. `None` turns lingering off.
    pub(super) linger: Option<Duration>,
    /// The number of octets that a lingering connection may read.
    pub(super) linger_bytes: u64,
}

impl Default for Endings {
    fn default() -> Self {
        Self {
            drain: Some(Duration::from_secs(1)),
            linger: Some(Duration::from_secs(60)),
            linger_bytes: 256 << 20,
        }
    }
}
