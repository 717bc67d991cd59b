//! Connections that wait to become outdated, and waking them when the virtual hosts are replaced. Waking takes time in
//! proportion to the affected connections and the size of the maps, independent of other waiting connections.
//! Connections that begin or end in the meantime do not wait for it.
//!
//! The reaction of a connection to becoming outdated lives in `tls` and in the user's own loops.

mod changes;
mod cohort;
mod index;
mod place;
mod watch;

pub(super) use self::index::Waiting;
pub(super) use self::place::Who;
pub(crate) use self::watch::Watch;
