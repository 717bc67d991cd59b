//! Connections that wait to become outdated, and waking them when the virtual hosts are replaced. Waking costs time in
//! proportion to the connections concerned and the size of the maps, however many other connections wait. Connections
//! that begin or end meanwhile do not wait for it.
//!
//! What a connection does when it becomes outdated lives in `tls` and in the user's own loops.

mod changes;
mod cohort;
mod index;
mod place;
mod watch;

pub(super) use self::index::Waiting;
pub(super) use self::place::Who;
pub(crate) use self::watch::Watch;
