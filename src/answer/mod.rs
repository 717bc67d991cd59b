//! The answer to a refused request (RFC 9110 §15.5.20): who writes it, and what every refusal carries whoever wrote
//! it. Which requests are refused is decided in `verdict`.

mod bodies;
mod grpc;
mod refusal;
mod responder;
mod seal;

pub use self::bodies::{EmptyBody, JsonBody, ProblemJsonBody};
pub use self::refusal::Refusal;
pub use self::responder::{Responder, ResponderFn};
pub(crate) use self::seal::{forbid_caching, seal};
