//! The ways to repeat a body: by its type, or by a user's closure. The trait for body types lives in `body`.

use std::fmt;

use super::body::RepeatBody;

/// A strategy for repeating request bodies.
///
/// [`ByType`] is the default. [`RepeaterFn`] wraps the closure of
/// [`repeat_bodies`](crate::client::RetryMisdirectedLayer::repeat_bodies). The trait is sealed. Code that is generic
/// over the layer uses it as a bound:
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, Service};
/// use tower_misdirected::client::{Repeater, RetryMisdirectedLayer};
///
/// fn wrap<S, P, B, R>(
///     client: S,
///     layer: RetryMisdirectedLayer<P>,
/// ) -> impl Service<Request<B>, Response = Response<R>, Error = S::Error>
/// where
///     S: Service<Request<B>, Response = Response<R>> + Clone,
///     P: Repeater<B> + Clone,
/// {
///     layer.layer(client)
/// }
/// ```
pub trait Repeater<B>: sealed::Sealed {
    /// Returns a body with the same content as `body`, or `None` if `body` cannot be sent twice. Nothing of `body` has
    /// been sent yet.
    fn repeat(&self, body: &B) -> Option<B>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ByType {}
    impl<F> Sealed for super::RepeaterFn<F> {}
}

/// The default [`Repeater`]: calls [`RepeatBody::repeat`] of the body.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use tower_misdirected::client::{ByType, Repeater};
///
/// let body = Full::new(Bytes::from_static(b"one of each"));
/// assert!(ByType.repeat(&body).is_some());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByType;

impl<B: RepeatBody> Repeater<B> for ByType {
    fn repeat(&self, body: &B) -> Option<B> {
        body.repeat()
    }
}

/// The [`Repeater`] of [`repeat_bodies`](crate::client::RetryMisdirectedLayer::repeat_bodies): calls a closure.
///
/// ```
/// use hyper::body::Incoming;
/// use tower_misdirected::client::{RepeaterFn, RetryMisdirectedLayer};
///
/// fn never(_: &Incoming) -> Option<Incoming> {
///     None
/// }
///
/// let layer: RetryMisdirectedLayer<RepeaterFn<_>> = RetryMisdirectedLayer::new().repeat_bodies(never);
/// ```
#[derive(Clone, Copy)]
pub struct RepeaterFn<F>(F);

impl<F> RepeaterFn<F> {
    pub(super) fn new(closure: F) -> Self {
        Self(closure)
    }
}

impl<F, B> Repeater<B> for RepeaterFn<F>
where
    F: Fn(&B) -> Option<B>,
{
    fn repeat(&self, body: &B) -> Option<B> {
        (self.0)(body)
    }
}

impl<F> fmt::Debug for RepeaterFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepeaterFn").finish_non_exhaustive()
    }
}
