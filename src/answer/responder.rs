//! The trait of those who write the response to a refused request. What the layer then adds to it lives in `seal`.

use std::fmt;

use http::Response;

use super::refusal::Refusal;

/// Writes the response to a refused request.
///
/// Most users never name it: [`MisdirectedLayer::responder`](crate::MisdirectedLayer::responder) takes a closure, and
/// [`json`](crate::MisdirectedLayer::json) and [`problem_json`](crate::MisdirectedLayer::problem_json) choose the
/// responders of this crate. Implement it for a type of your own that other layers or other programs reuse, and pass
/// that type to [`with_responder`](crate::MisdirectedLayer::with_responder).
///
/// A responder need not treat `HEAD` requests in any special way. The layer removes the body and keeps its length in
/// `Content-Length` (RFC 9110 §9.3.2). Nor need it know gRPC: the layer removes the body of the answer to a gRPC call,
/// and adds the gRPC status UNAVAILABLE to a 421, unless the responder set `grpc-status` or another HTTP status.
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
    /// Writes the response. The layer then adds what every refusal carries, such as `Cache-Control: no-store`.
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B>;
}

/// A closure as a [`Responder`], made by [`MisdirectedLayer::responder`](crate::MisdirectedLayer::responder).
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
