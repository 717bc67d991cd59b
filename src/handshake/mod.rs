//! The common parts of handshakes over TCP and over QUIC: choosing the configuration, and recording the presented
//! certificate. The parts of one transport live in `tls` and `quic`.

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
