//! What a responder gets to see: the reason and the head of the request. The body of the request is never read.

use http::{HeaderMap, Method, Request, StatusCode, Version};

use crate::verdict::Rejection;

/// A refused request, as a [`Responder`](crate::Responder) sees it.
///
/// The head of the request makes it possible to answer browsers, gRPC clients and others differently. The
/// client chose everything in it.
///
/// ```
/// use axum::response::{Html, IntoResponse};
/// use tower_misdirected::MisdirectedLayer;
///
/// let layer = MisdirectedLayer::new().responder(|refusal| {
///     let accept = refusal.headers().get("accept").and_then(|value| value.to_str().ok());
///     match accept.is_some_and(|accept| accept.contains("text/html")) {
///         true => (refusal.status(), Html("<p>Please reload this page.")).into_response(),
///         false => refusal.status().into_response(),
///     }
/// });
/// # let _: axum::Router = axum::Router::new().layer(layer);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    rejection: Rejection,
    method: &'a Method,
    version: Version,
    headers: &'a HeaderMap,
}

impl<'a> Refusal<'a> {
    pub(crate) fn new<B>(rejection: Rejection, request: &'a Request<B>) -> Self {
        Self {
            rejection,
            method: request.method(),
            version: request.version(),
            headers: request.headers(),
        }
    }

    /// Returns why the request was refused.
    ///
    /// # Security
    ///
    /// The reason is for the operator. Do not tell it to the client, because it shows how the server is set up.
    pub fn rejection(&self) -> Rejection {
        self.rejection
    }

    /// Returns the status that the answer should have: 421, 400 for a malformed request, or 500 without
    /// connection info.
    pub fn status(&self) -> StatusCode {
        self.rejection.status()
    }

    /// Returns the method of the request.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// Returns the HTTP version of the request.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the header fields of the request.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }
}
