//! Virtual hosts: which TLS configuration serves which name. The handshake and every later request use the same map, so
//! they cannot disagree.
//!
//! Virtual hosts compute the relation of a host to a connection. `verdict` decides which requests are refused.

mod binding;
mod builder;
mod config_type;
mod error;
mod hosts;
mod map;
#[cfg(all(loom, test))]
mod models;
mod overlaps;
#[cfg(feature = "rustls")]
mod probe;
mod relation;
mod selection;
mod shared;
mod waiting;

pub(crate) use self::binding::Binding;
pub use self::builder::VirtualHostsBuilder;
pub use self::error::{InvalidName, VirtualHostsError};
pub use self::hosts::VirtualHosts;
pub use self::map::VirtualHost;
pub use self::overlaps::Overlap;
pub(crate) use self::relation::Relation;
pub use self::selection::Selection;
pub(crate) use self::waiting::Watch;
