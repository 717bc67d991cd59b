//! The layer, and the setting for bodies. Sending and repeating requests lives in `service` and `future`.

use std::fmt;

use tower_layer::Layer;

use super::repeater::{ByType, RepeaterFn};
use super::service::RetryMisdirected;

/// Layer that repeats a request on another connection if the response is 421 Misdirected Request
/// (RFC 9110 §15.5.20).
///
/// Put it directly around hyper-util's [`Client`](hyper_util::client::legacy::Client). The
/// [module's documentation](crate::client) explains which requests are repeated, and the limits and the cost.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use tower::ServiceBuilder;
/// use tower_misdirected::client::{RetryMisdirected, RetryMisdirectedLayer};
///
/// let client = Client::builder(TokioExecutor::new()).build_http();
/// let client: RetryMisdirected<Client<HttpConnector, Full<Bytes>>> = ServiceBuilder::new()
///     .layer(RetryMisdirectedLayer::new())
///     .service(client);
/// ```
#[derive(Clone)]
#[must_use]
pub struct RetryMisdirectedLayer<P = ByType> {
    repeater: P,
}

impl RetryMisdirectedLayer {
    /// Creates a layer for bodies whose type implements [`RepeatBody`](crate::client::RepeatBody).
    ///
    /// ```
    /// let layer = tower_misdirected::client::RetryMisdirectedLayer::new();
    /// ```
    pub fn new() -> Self {
        Self { repeater: ByType }
    }
}

impl Default for RetryMisdirectedLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> RetryMisdirectedLayer<P> {
    /// Sets a closure that repeats bodies, for types that do not implement [`RepeatBody`](crate::client::RepeatBody).
    ///
    /// The layer calls the closure once for every request, before it sends anything. The closure returns a body with
    /// the same content, or `None` if the body cannot be sent twice. With `None`, the caller gets the 421. To repeat a
    /// request more than once, the layer calls the closure again with the returned body.
    ///
    /// ```
    /// use http_body_util::Empty;
    /// use hyper::body::{Body, Bytes, Incoming};
    /// use tower_misdirected::client::RetryMisdirectedLayer;
    ///
    /// /// A body that a server received: a stream, and often empty.
    /// type Forwarded = http_body_util::Either<Incoming, Empty<Bytes>>;
    ///
    /// let layer = RetryMisdirectedLayer::new().repeat_bodies(|body: &Forwarded| {
    ///     body.is_end_stream().then(|| Forwarded::Right(Empty::new()))
    /// });
    /// ```
    pub fn repeat_bodies<F, B>(self, repeat: F) -> RetryMisdirectedLayer<RepeaterFn<F>>
    where
        F: Fn(&B) -> Option<B>,
    {
        RetryMisdirectedLayer {
            repeater: RepeaterFn::new(repeat),
        }
    }
}

impl<S, P: Clone> Layer<S> for RetryMisdirectedLayer<P> {
    type Service = RetryMisdirected<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryMisdirected::new(inner, self.repeater.clone())
    }
}

impl<P> fmt::Debug for RetryMisdirectedLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryMisdirectedLayer")
            .finish_non_exhaustive()
    }
}
