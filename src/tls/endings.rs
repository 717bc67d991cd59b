//! The settings of how connections end. Acting on them lives in `draining` and `lingering`.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Endings {
    /// How long the draining of connections may take that become outdated at once. `None` turns it off.
    pub(super) drain: Option<Duration>,
    /// How long a connection may linger. `None` turns it off.
    pub(super) linger: Option<Duration>,
    /// How many octets a connection that lingers may read.
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
