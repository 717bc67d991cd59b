//! The builder methods that choose a responder. The responders themselves live in `answer`.

use http::Response;

use super::misdirected_layer::MisdirectedLayer;
use crate::answer::{JsonBody, ProblemJsonBody, Refusal, ResponderFn};

impl<R> MisdirectedLayer<R> {
    /// Answers with the body `{"error":"misdirected_request"}` of type `application/json`. The response body type must
    /// implement `From<Bytes>`.
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let app: axum::Router = axum::Router::new().layer(MisdirectedLayer::new().json());
    /// ```
    pub fn json(self) -> MisdirectedLayer<JsonBody> {
        self.with_responder(JsonBody)
    }

    /// Answers with problem details (RFC 9457) of type `application/problem+json`. The response body type must
    /// implement `From<Bytes>`.
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let app: axum::Router = axum::Router::new().layer(MisdirectedLayer::new().problem_json());
    /// ```
    pub fn problem_json(self) -> MisdirectedLayer<ProblemJsonBody> {
        self.with_responder(ProblemJsonBody)
    }

    /// Answers with the response that a closure returns.
    ///
    /// The layer calls the closure for every refusal, including malformed requests (400) and missing connection info
    /// (500). The layer then adds `Cache-Control: no-store`, and replaces a status that is not an error by the status
    /// of the rejection. For a `HEAD` request, it removes the body and sets `Content-Length`. Prefer a body of known
    /// length: without one, some servers send `Content-Length: 0` over HTTP/2 and HTTP/3.
    ///
    /// # Security
    ///
    /// Do not send the reason to the client. It reveals how the server is set up.
    ///
    /// ```
    /// use axum::response::IntoResponse;
    /// use http::StatusCode;
    /// use tower_misdirected::{MisdirectedLayer, Rejection};
    ///
    /// let layer = MisdirectedLayer::new().responder(|refusal| match refusal.rejection() {
    ///     // Another connection would not help, so some operators prefer 404 here.
    ///     Rejection::UnknownHost => StatusCode::NOT_FOUND.into_response(),
    ///     _ => (refusal.status(), "try another connection\n").into_response(),
    /// });
    /// # let _: axum::Router = axum::Router::new().layer(layer);
    /// ```
    pub fn responder<F, B>(self, responder: F) -> MisdirectedLayer<ResponderFn<F>>
    where
        F: Fn(&Refusal<'_>) -> Response<B>,
    {
        self.with_responder(ResponderFn::new(responder))
    }

    /// Answers with the response of a [`Responder`](crate::Responder). For a closure use
    /// [`responder`](Self::responder).
    ///
    /// ```
    /// use tower_misdirected::{JsonBody, MisdirectedLayer};
    ///
    /// let layer = MisdirectedLayer::new().with_responder(JsonBody::default());
    /// # let _: axum::Router = axum::Router::new().layer(layer);
    /// ```
    pub fn with_responder<N>(self, responder: N) -> MisdirectedLayer<N> {
        MisdirectedLayer {
            settings: self.settings,
            responder,
        }
    }
}
