//! The id of a TLS configuration, which the operator chooses. Comparing configurations by id lives in `virtual_hosts`
//! for requests, and in `sessions` for session resumption.

use std::sync::Arc;

/// The id of a TLS configuration: 1 to 64 octets. A clone only increments a reference count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigId(Arc<[u8]>);

/// The reason why octets are not a valid id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigIdProblem {
    Empty,
    TooLong,
}

impl ConfigId {
    /// The greatest length of an id in octets, so that every session stays small. A 256-bit digest in hexadecimal fits.
    pub(crate) const MAX_LENGTH: usize = 64;

    pub(crate) fn new(id: &[u8]) -> Result<Self, ConfigIdProblem> {
        match id.len() {
            0 => Err(ConfigIdProblem::Empty),
            1..=Self::MAX_LENGTH => Ok(Self(id.into())),
            _ => Err(ConfigIdProblem::TooLong),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
