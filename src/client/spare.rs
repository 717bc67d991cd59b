//! The copy of a request for a repeat, and a service to send it with. `future` decides when to use it.

use http::Request;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tower_service::Service;

use super::repeater::Repeater;

/// A copy of a request, and a clone of the service that sent the request.
pub(super) struct Spare<S, B, P> {
    pub(super) service: S,
    request: Request<B>,
    repeater: P,
}

impl<S, B, P: Repeater<B>> Spare<S, B, P> {
    /// Copies a request that is about to be sent. Returns `None` if its body cannot be sent twice.
    pub(super) fn of(request: &Request<B>, service: &S, repeater: &P) -> Option<Self>
    where
        S: Clone,
        P: Clone,
    {
        Some(Self {
            request: copy(request, repeater)?,
            service: service.clone(),
            repeater: repeater.clone(),
        })
    }

    /// Sends the copy. Returns a spare for another repeat, if `more` is `true` and the body can be sent once more.
    pub(super) fn send(mut self, more: bool) -> (S::Future, CaptureConnection, Option<Self>)
    where
        S: Service<Request<B>>,
    {
        let another = match more {
            true => copy(&self.request, &self.repeater),
            false => None,
        };
        let capture = capture_connection(&mut self.request);
        match another {
            Some(another) => {
                let request = std::mem::replace(&mut self.request, another);
                (self.service.call(request), capture, Some(self))
            }
            None => (self.service.call(self.request), capture, None),
        }
    }
}

/// Copies a request before the layer or the client adds anything to it.
fn copy<B>(request: &Request<B>, repeater: &impl Repeater<B>) -> Option<Request<B>> {
    let mut copy = Request::new(repeater.repeat(request.body())?);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    copy.extensions_mut().clone_from(request.extensions());
    Some(copy)
}
