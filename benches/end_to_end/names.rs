//! The hosts that requests name. Each server under test is configured for both.

/// The host in SNI and in the authority of most requests.
pub const NAME: &str = "a.test";
/// The host of misdirected requests, which arrive on connections for `NAME`.
pub const MISDIRECTED: &str = "b.test";
