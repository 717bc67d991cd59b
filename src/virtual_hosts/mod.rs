//! Virtual hosts: which TLS configuration serves which name. One map answers for the handshake and for every
//! request after it, so the two cannot disagree.
//!
//! Virtual hosts say what a host is to a connection. What is refused because of it is decided in `verdict`.

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
