//! The future of the service: it waits for a response, and repeats the request if the response is a 421. The copy of
//! the request lives in `spare`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode, Version};
use hyper_util::client::legacy::connect::CaptureConnection;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::budget;
use super::repeater::Repeater;
use super::spare::Spare;

/// The number of pooled connections that may refuse the repeat of a request before the layer gives up: 32.
///
/// After this number of refusals, the layer sends the request one last time, on any connection. So a request is sent at
/// most 34 times, including the first attempt.
///
/// Few clients keep more than 32 idle connections to one host. So after a change on the server, the first request
/// usually gets past all stale connections. At the same time, a request that no connection can serve does not close all
/// connections of a large pool.
pub const MAX_POOLED_REFUSALS: usize = 32;

pin_project! {
    /// Response future of [`RetryMisdirected`](crate::client::RetryMisdirected).
    ///
    /// Dropping the future cancels the request, as with the inner service.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Request;
    /// use http_body_util::Empty;
    /// use hyper_util::client::legacy::Client;
    /// use hyper_util::rt::TokioExecutor;
    /// use tower::{Layer, Service};
    /// use tower_misdirected::client::{ByType, ResponseFuture, RetryMisdirectedLayer};
    ///
    /// let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    /// let mut service = RetryMisdirectedLayer::new().layer(client);
    /// let future: ResponseFuture<_, _, ByType> = service.call(Request::new(Empty::new()));
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, P>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        step: Step<S::Future>,
        // Captures the connection of the last attempt.
        capture: CaptureConnection,
        attempt: Attempt,
        // `None` if no repeat follows.
        spare: Option<Spare<S, B, P>>,
        // The number of repeats that were sent.
        repeats: usize,
    }
}

pin_project! {
    #[project = StepProj]
    enum Step<F> {
        Sent {
            #[pin]
            future: F,
        },
        // The response was a 421, and has been dropped. The service may not be ready for the repeat yet.
        Refused,
    }
}

/// An attempt to send the request, and the origin of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    /// A repeat whose future has not been polled yet.
    Unpolled,
    /// A repeat on a pooled connection.
    Pooled,
    /// A repeat on a new connection, or on a connection of unknown origin.
    Fresh,
}

impl<S, B, P> ResponseFuture<S, B, P>
where
    S: Service<Request<B>>,
{
    pub(super) fn new(
        future: S::Future,
        capture: CaptureConnection,
        spare: Option<Spare<S, B, P>>,
    ) -> Self {
        Self {
            step: Step::Sent { future },
            capture,
            attempt: Attempt::First,
            spare,
            repeats: 0,
        }
    }
}

impl<S, B, P, R> Future for ResponseFuture<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>>,
    P: Repeater<B>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.step.as_mut().project() {
                StepProj::Sent { future } => {
                    let poll = if *this.attempt == Attempt::Unpolled {
                        // In its first poll, the client takes a pooled connection and sets the capture. A new
                        // connection needs I/O first, which could succeed within the same poll if the task had budget
                        // left.
                        budget::exhaust(cx);
                        let poll = future.poll(cx);
                        *this.attempt = match is_captured(this.capture) {
                            true => Attempt::Pooled,
                            false => Attempt::Fresh,
                        };
                        poll
                    } else {
                        future.poll(cx)
                    };
                    let response = ready!(poll)?;
                    if response.status() != StatusCode::MISDIRECTED_REQUEST {
                        return Poll::Ready(Ok(response));
                    }
                    let repeats = poison(this.capture)
                        && this.spare.is_some()
                        && !counts(*this.attempt, response.version());
                    if !repeats {
                        return Poll::Ready(Ok(response));
                    }
                    // The response and the future are dropped before the service is polled for readiness. They may hold
                    // a resource that the service waits for, such as a permit of a concurrency limit.
                    drop(response);
                    this.step.set(Step::Refused);
                }
                StepProj::Refused => {
                    if let Some(spare) = this.spare.as_mut() {
                        ready!(spare.service.poll_ready(cx))?;
                    }
                    // This step always has a spare.
                    let Some(spare) = this.spare.take() else {
                        return Poll::Pending;
                    };
                    let more = *this.repeats < MAX_POOLED_REFUSALS;
                    *this.repeats += 1;
                    let (future, capture, spare) = spare.send(more);
                    *this.capture = capture;
                    *this.attempt = Attempt::Unpolled;
                    *this.spare = spare;
                    this.step.set(Step::Sent { future });
                }
            }
        }
    }
}

/// Returns whether a refused attempt was the final repeat, so that the caller gets its response.
fn counts(attempt: Attempt, version: Version) -> bool {
    match attempt {
        Attempt::First => false,
        // The pool has at most one HTTP/2 connection, so it is newer than the connection that refused the first
        // attempt.
        Attempt::Pooled => version == Version::HTTP_2,
        Attempt::Unpolled | Attempt::Fresh => true,
    }
}

fn is_captured(capture: &CaptureConnection) -> bool {
    capture.connection_metadata().is_some()
}

/// Makes the client send no further request on the connection. Returns `false` if the connection is unknown, because
/// the service is not a client of hyper-util.
fn poison(capture: &CaptureConnection) -> bool {
    match capture.connection_metadata().as_ref() {
        Some(connection) => {
            connection.poison();
            true
        }
        None => false,
    }
}

impl<S, B, P> fmt::Debug for ResponseFuture<S, B, P>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
