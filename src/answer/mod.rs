//! The answer to a refused request (RFC 9110 §15.5.20): the responders, and what the layer adds to every response.
//! `verdict` decides which requests are refused.

mod bodies;
mod grpc;
mod refusal;
mod responder;
mod seal;

pub use self::bodies::{EmptyBody, JsonBody, ProblemJsonBody};
pub use self::refusal::Refusal;
pub use self::responder::{Responder, ResponderFn};
pub(crate) use self::seal::{forbid_caching, seal};
