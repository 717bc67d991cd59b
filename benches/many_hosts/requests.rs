//! One request to the layer over a service that does nothing.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer, Service};
use tower_misdirected::{ConnectionInfo, Misdirected, MisdirectedLayer};

/// Answers 200 at once.
#[derive(Clone, Copy)]
pub struct NoOp;

impl Service<Request<()>> for NoOp {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

pub fn service() -> Misdirected<NoOp> {
    MisdirectedLayer::new().layer(NoOp)
}

pub fn request(connection: &ConnectionInfo, host: &str) -> Request<()> {
    let request = Request::get("/").header("host", host);
    request.extension(connection.clone()).body(()).unwrap()
}

/// Answers a request and returns its status.
pub fn answer(service: &mut Misdirected<NoOp>, request: Request<()>) -> StatusCode {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(Ok(response)) => response.status(),
        Poll::Pending => unreachable!("nothing waits here"),
    }
}
