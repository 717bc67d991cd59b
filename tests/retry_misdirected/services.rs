//! The layer around other services than the bare client: those that take no repeat, those that limit, and those that
//! fail.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::http::{Extensions, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::TokioExecutor;
use tower::limit::ConcurrencyLimitLayer;
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_misdirected::client::RetryMisdirectedLayer;

use crate::visitor::{
    VERSIONS, attempts, change, connector, get, plain, refusing, retrying, send, serve, site, soon,
};

#[tokio::test]
async fn w6_a_service_that_is_no_client_of_hyper_util_is_called_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let service = {
        let calls = calls.clone();
        service_fn(move |_: Request<Full<Bytes>>| {
            let number = 1 + calls.fetch_add(1, Ordering::SeqCst);
            let response = Response::builder()
                .status(StatusCode::MISDIRECTED_REQUEST)
                .body(Full::<Bytes>::from(format!("call {number}")));
            std::future::ready(Ok::<_, Infallible>(response.unwrap()))
        })
    };
    let service = RetryMisdirectedLayer::new().layer(service);
    let answer = send(&service, get("https://one.test/")).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.body(), "call 1");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn w6_a_layer_that_removes_the_extensions_prevents_the_repeat() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let remove = MapRequestLayer::new(|mut request: Request<Full<Bytes>>| {
            *request.extensions_mut() = Extensions::new();
            request
        });
        let client = RetryMisdirectedLayer::new().layer(remove.layer(plain(version)));
        let answer = send(&client, get(format!("{}refused", site.url("one.test")))).await;
        assert_eq!(answer.status(), 421);
        assert_eq!(answer.body(), "refusal 1");
        assert_eq!(attempts(&site), [(421, 0)]);
    }
}

/// The inner one repeats the request, and the outer one has no capture then.
#[tokio::test]
async fn w6_the_layer_applied_twice_repeats_once() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let client = RetryMisdirectedLayer::new().layer(retrying(version));
        let mut request = get(format!("{}refused", site.url("one.test")));
        let capture = capture_connection(&mut request);
        assert_eq!(send(&client, request).await.status(), 421);
        assert_eq!(attempts(&site), [(421, 0), (421, 1)]);
        // Nor has the caller.
        assert!(capture.connection_metadata().is_none());
    }
}

/// The permit of the first attempt is free before the repeat needs one.
#[tokio::test]
async fn w6_a_concurrency_limit_of_one_is_no_deadlock() {
    for version in VERSIONS {
        let site = site().await;
        let limited = ConcurrencyLimitLayer::new(1).layer(plain(version));
        let client = RetryMisdirectedLayer::new().layer(limited);
        assert_eq!(send(&client, get(site.url("one.test"))).await.status(), 200);
        change(&client, &site).await;
        assert_eq!(send(&client, get(site.url("one.test"))).await.status(), 200);
        assert_eq!(attempts(&site), [(421, 0), (200, 1)]);
    }
}

/// Tower's contract: only a service that was polled and ready is called.
struct Strict<S> {
    inner: S,
    ready: bool,
    polls: Arc<AtomicUsize>,
}

impl<S: Clone> Clone for Strict<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            ready: false,
            polls: self.polls.clone(),
        }
    }
}

impl<S: Service<Q>, Q> Service<Q> for Strict<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Every other time, so that nobody may take it for granted.
        if self.polls.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.ready = true;
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> S::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called before it was ready"
        );
        self.inner.call(request)
    }
}

#[tokio::test]
async fn w6_each_attempt_is_made_by_a_service_that_is_ready() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let polls = Arc::new(AtomicUsize::new(0));
        let strict = Strict {
            inner: plain(version),
            ready: false,
            polls: polls.clone(),
        };
        let mut client = RetryMisdirectedLayer::new().layer(strict);
        for round in 1..3 {
            let request = get(format!("{}refused", site.url("one.test")));
            let response = soon(client.ready().await.unwrap().call(request)).await;
            assert_eq!(response.unwrap().status(), 421);
            assert_eq!(attempts(&site), [(421, 0), (421, 1)]);
            assert_eq!(polls.load(Ordering::SeqCst), 4 * round);
        }
    }
}

#[tokio::test]
async fn w6_an_error_of_the_repeat_is_handed_over() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let connections = Arc::new(AtomicUsize::new(0));
        let connector = connector(version);
        let once = service_fn(move |uri: Uri| {
            let mut connector = connector.clone();
            let number = connections.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                if number > 0 {
                    return Err(io::Error::other("no second connection").into());
                }
                connector.call(uri).await
            })
        });
        let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(once);
        let client = RetryMisdirectedLayer::new().layer(client);
        let request = get(format!("{}refused", site.url("one.test")));
        let error = soon(client.oneshot(request)).await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        assert_eq!(attempts(&site), [(421, 0)]);
    }
}
