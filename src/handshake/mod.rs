//! What handshakes over TCP and over QUIC have in common: which configuration they get, and which certificate they
//! present. What belongs to one transport alone lives in `tls` and `quic`.

mod chooser;
mod excerpt;
mod failure;
mod failures;
mod recorder;
mod transport;

pub(crate) use self::chooser::{Chooser, Chosen, UNRECOGNIZED_NAME};
pub(crate) use self::failure::Ended;
pub use self::failure::{FailureReason, HandshakeFailure};
#[cfg(feature = "quinn")]
pub(crate) use self::recorder::Recorder;
pub(crate) use self::transport::{ACME_TLS, Transport};
