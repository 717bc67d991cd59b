//! The service that sends a request and keeps a copy for a repeat. Handling the response lives in `future`.

use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper_util::client::legacy::connect::capture_connection;
use tower_service::Service;

use super::future::ResponseFuture;
use super::repeater::{ByType, Repeater};
use super::spare::Spare;

/// Middleware service produced by [`RetryMisdirectedLayer`](crate::client::RetryMisdirectedLayer).
///
/// The first attempt uses the inner service that was polled for readiness. A repeat uses a clone of the inner service,
/// which is polled for readiness after the refused response has been dropped. The error type is the error type of the
/// inner service.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Empty;
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use tower::Layer;
/// use tower_misdirected::client::{RetryMisdirected, RetryMisdirectedLayer};
///
/// let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
/// let service: RetryMisdirected<_> = RetryMisdirectedLayer::new().layer(client);
/// let client = service.into_inner();
/// ```
#[derive(Clone)]
pub struct RetryMisdirected<S, P = ByType> {
    inner: S,
    repeater: P,
}

impl<S, P> RetryMisdirected<S, P> {
    pub(super) fn new(inner: S, repeater: P) -> Self {
        Self { inner, repeater }
    }

    /// Returns a reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Consumes the middleware and returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P, ReqBody, ResBody> Service<Request<ReqBody>> for RetryMisdirected<S, P>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    P: Repeater<ReqBody> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let spare = Spare::of(&request, &self.inner, &self.repeater);
        // After the copy, because every attempt needs a separate capture.
        let capture = capture_connection(&mut request);
        ResponseFuture::new(self.inner.call(request), capture, spare)
    }
}

impl<S: fmt::Debug, P> fmt::Debug for RetryMisdirected<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryMisdirected")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
