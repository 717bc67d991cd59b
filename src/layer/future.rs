//! The response future: the future of the inner service, or an answer that is ready. `service` creates both.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use crate::answer;
use crate::verdict::Rejection;

pin_project! {
    /// Response future of [`Misdirected`](crate::Misdirected).
    ///
    /// ```
    /// use axum::{Router, body::Body, http::Request};
    /// use tower::{Layer, Service};
    /// use tower_misdirected::{MisdirectedLayer, ResponseFuture};
    ///
    /// let mut service = MisdirectedLayer::new().layer(Router::new());
    /// let future: ResponseFuture<_, Body> = service.call(Request::new(Body::empty()));
    /// ```
    pub struct ResponseFuture<F, B> {
        #[pin]
        kind: Kind<F, B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F, B> {
        Inner {
            #[pin]
            future: F,
            // The reason for which the layer would have refused the request, if it is report-only.
            reported: Option<Rejection>,
        },
        Refused {
            response: Option<Response<B>>,
        },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn inner(future: F, reported: Option<Rejection>) -> Self {
        Self {
            kind: Kind::Inner { future, reported },
        }
    }

    pub(super) fn refused(response: Response<B>) -> Self {
        Self {
            kind: Kind::Refused {
                response: Some(response),
            },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Inner { future, reported } => {
                let poll = future.poll(cx);
                let misdirected =
                    |response: &Response<B>| response.status() == StatusCode::MISDIRECTED_REQUEST;
                match &poll {
                    Poll::Ready(Ok(response)) if reported.is_some() || misdirected(response) => {}
                    _ => return poll,
                }
                poll.map_ok(|response| seal(response, *reported))
            }
            // Polling after completion is a mistake of the caller. `Pending` is harmless, a panic would not be.
            KindProj::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
        }
    }
}

#[cold]
fn seal<B>(mut response: Response<B>, reported: Option<Rejection>) -> Response<B> {
    if response.status() == StatusCode::MISDIRECTED_REQUEST {
        answer::forbid_caching(response.headers_mut());
    }
    if let Some(rejection) = reported {
        // If an inner layer refused the request, its own reason explains the status.
        response.extensions_mut().get_or_insert(rejection);
    }
    response
}

impl<F, B> std::fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
