//! The verdict on a request: may this connection serve this authority? The answer to the client lives in `answer`.
//!
//! `Evidence` gathers the facts about the connection, `judge` decides by them alone, and `Verdict` reports the decision
//! to the operator.

mod coalescing;
#[cfg(feature = "tracing")]
mod event;
mod evidence;
mod judge;
mod rejection;
mod report;
mod rules;

pub use self::coalescing::Coalescing;
#[cfg(feature = "tracing")]
pub(crate) use self::event::is_logged;
pub(crate) use self::evidence::Evidence;
pub(crate) use self::judge::judge;
pub use self::rejection::Rejection;
pub use self::report::{Outcome, Verdict};
pub(crate) use self::rules::{HostSet, Rules};
