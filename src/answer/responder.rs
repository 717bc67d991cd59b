//! The trait for writing the response to a refused request. What the layer adds to the response lives in `seal`.

use std::fmt;

use http::Response;

use super::refusal::Refusal;

/// A type that writes the response to a refused request.
///
/// Most users do not implement this trait: [`MisdirectedLayer::responder`](crate::MisdirectedLayer::responder) takes a
/// closure, and [`json`](crate::MisdirectedLayer::json) and [`problem_json`](crate::MisdirectedLayer::problem_json)
/// select the responders of this crate. To reuse a response in several layers or programs, implement the trait for your
/// own type and pass the type to [`with_responder`](crate::MisdirectedLayer::with_responder).
///
/// A responder does not need special cases for `HEAD` and gRPC. For a `HEAD` request, the layer removes the body and
/// keeps its length in `Content-Length` (RFC 9110 §9.3.2). For a gRPC call, the layer removes the body and adds a gRPC
/// status: UNAVAILABLE to a 421, INTERNAL to a 400 or 500. If the responder sets `grpc-status` or another HTTP status,
/// the layer does neither.
///
/// ```
/// use http::Response;
/// use tower_misdirected::{MisdirectedLayer, Refusal, Responder};
///
/// #[derive(Clone)]
/// struct Plain;
///
/// impl<B: From<String>> Responder<B> for Plain {
///     fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
///         let body = format!("{}\n", refusal.status());
///         let mut response = Response::new(body.into());
///         *response.status_mut() = refusal.status();
///         response
///     }
/// }
///
/// let layer = MisdirectedLayer::new().with_responder(Plain);
/// # let _: axum::Router = axum::Router::new().layer(layer);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer refused requests with a body of type `{B}`",
    label = "not a `Responder<{B}>`",
    note = "pass a closure to `.responder(|refusal| …)`, which must return a `Response<{B}>`, or implement \
            `Responder<{B}>` for `{Self}`"
)]
pub trait Responder<B> {
    /// Writes the response. The layer then adds header fields such as `Cache-Control: no-store`.
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B>;
}

/// The [`Responder`] of [`MisdirectedLayer::responder`](crate::MisdirectedLayer::responder): calls a closure.
///
/// ```
/// use axum::response::IntoResponse;
/// use tower_misdirected::{MisdirectedLayer, Refusal, ResponderFn};
///
/// fn answer(refusal: &Refusal<'_>) -> axum::response::Response {
///     refusal.status().into_response()
/// }
///
/// let layer: MisdirectedLayer<ResponderFn<_>> = MisdirectedLayer::new().responder(answer);
/// # let _: axum::Router = axum::Router::new().layer(layer);
/// ```
#[derive(Clone, Copy)]
pub struct ResponderFn<F>(F);

impl<F> ResponderFn<F> {
    pub(crate) fn new(closure: F) -> Self {
        Self(closure)
    }
}

impl<F, B> Responder<B> for ResponderFn<F>
where
    F: Fn(&Refusal<'_>) -> Response<B>,
{
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        (self.0)(refusal)
    }
}

impl<F> fmt::Debug for ResponderFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponderFn").finish_non_exhaustive()
    }
}
