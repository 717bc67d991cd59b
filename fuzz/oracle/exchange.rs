//! One request through the real layer. What holds of every answer (rules C1 to C4) is checked on the way.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::header::{CACHE_CONTROL, CONNECTION};
use http::{Request, Response, StatusCode, Version, request};
use tower::{Layer, ServiceExt, service_fn};
use tower_misdirected::{MisdirectedLayer, Rejection};

/// The head that the inner service saw, or why it saw none.
pub fn send(layer: &MisdirectedLayer, request: Request<()>) -> Result<request::Parts, Rejection> {
    let http1 = request.version() <= Version::HTTP_11;
    let seen = RefCell::new(None);
    let inner = service_fn(|request: Request<()>| {
        let before = seen.replace(Some(request.into_parts().0));
        assert!(before.is_none(), "the inner service ran twice");
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    let Ok(response) = ready(layer.layer(inner).oneshot(request));
    let refusal = response.extensions().get::<Rejection>().copied();
    let Some(rejection) = refusal else {
        assert_eq!(response.status(), StatusCode::OK);
        return Ok(seen.into_inner().expect("served by the inner service"));
    };
    assert!(seen.into_inner().is_none(), "C4: refused and served");
    assert_eq!(response.status(), rejection.status());
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store", "C1");
    let closes = response.headers().contains_key(CONNECTION);
    assert_eq!(closes, http1, "C3");
    Err(rejection)
}

/// The output of a future that waits for nothing.
fn ready<F: Future>(future: F) -> F::Output {
    let waker = Waker::noop();
    match pin!(future).poll(&mut Context::from_waker(waker)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the layer waits for something"),
    }
}
