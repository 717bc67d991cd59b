//! The trait of those who write the response to a refused request. What the layer then adds to it lives in `seal`.

use http::Response;

use super::refusal::Refusal;

/// Writes the response to a refused request.
///
/// [`EmptyBody`](crate::EmptyBody), [`JsonBody`](crate::JsonBody) and
/// [`ProblemJsonBody`](crate::ProblemJsonBody) implement it, and so does every closure from `&Refusal` to a
/// [`Response`]. Pass a closure to
/// [`MisdirectedLayer::responder`](crate::MisdirectedLayer::responder), and a type of your own to
/// [`with_responder`](crate::MisdirectedLayer::with_responder).
///
/// A responder need not treat `HEAD` requests in any special way. The layer removes the body and keeps its length in
/// `Content-Length` (RFC 9110 §9.3.2).
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
    note = "a responder is a closure `|refusal: &Refusal<'_>| -> Response<{B}>`, or a type that implements \
            `Responder<{B}>`",
    note = "`EmptyBody` needs a body that is `Default`; `JsonBody` and `ProblemJsonBody` need one that is `From<Bytes>`"
)]
pub trait Responder<B> {
    /// Writes the response. The layer then adds what every refusal carries, such as `Cache-Control: no-store`.
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B>;
}

impl<F, B> Responder<B> for F
where
    F: Fn(&Refusal<'_>) -> Response<B>,
{
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        self(refusal)
    }
}
