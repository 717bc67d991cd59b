//! The view of a refused request that a responder gets: the reason and the request's head. Nothing here reads the body.

use std::fmt;

use http::{HeaderMap, Method, Request, StatusCode, Version};

use crate::method_name::method_name;
use crate::verdict::Rejection;

/// A refused request, passed to a [`Responder`](crate::Responder).
///
/// A responder can use the head of the request to answer, for example, browsers and API clients differently. The client
/// chose everything in the head.
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
#[derive(Clone, Copy)]
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

    /// Returns the reason for the refusal.
    ///
    /// # Security
    ///
    /// The reason is for the operator. Do not send it to the client, because it reveals how the server is set up.
    pub fn rejection(&self) -> Rejection {
        self.rejection
    }

    /// Returns the status that the answer should have: 400 for a malformed request, 500 without connection info, and
    /// 421 otherwise. A responder may choose another error status. The log event contains the status of the response.
    pub fn status(&self) -> StatusCode {
        self.rejection.status()
    }

    /// Returns the method of the request. The client chose it, and it can have any length.
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

/// Prints nothing that the client chose freely: the method is a known method or `_OTHER`, and the header fields are
/// only counted.
impl fmt::Debug for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("rejection", &self.rejection)
            .field("method", &method_name(self.method))
            .field("version", &self.version)
            .field("headers", &self.headers.len())
            .finish()
    }
}
