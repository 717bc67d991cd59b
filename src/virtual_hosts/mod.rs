//! Virtual hosts: which TLS configuration serves which name. One map answers for the handshake and for every
//! request after it, so the two cannot disagree.
//!
//! Virtual hosts say what a host is to a connection. What is refused because of it is decided in `verdict`.

#[cfg(feature = "rustls")]
mod binding;
#[cfg(feature = "rustls")]
mod builder;
#[cfg(feature = "rustls")]
mod error;
#[cfg(feature = "rustls")]
mod hosts;
#[cfg(feature = "rustls")]
mod map;
#[cfg(feature = "rustls")]
mod overlaps;
#[cfg(feature = "rustls")]
mod probe;
mod relation;
#[cfg(feature = "rustls")]
mod sessions;

pub(crate) use self::relation::Relation;
#[cfg(feature = "rustls")]
pub(crate) use self::{binding::Binding, sessions::Sessions};
#[cfg(feature = "rustls")]
pub use self::{
    builder::VirtualHostsBuilder,
    error::{InvalidName, VirtualHostsError},
    hosts::VirtualHosts,
    map::VirtualHost,
    overlaps::Overlap,
};
