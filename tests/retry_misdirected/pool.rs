//! The pool of a client may hold several stale connections. A refusal on one of them does not count as the repeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Request, StatusCode, Uri};
use axum::routing::{any, get as get_route};
use futures_util::future::{BoxFuture, FutureExt, join_all};
use http_body_util::Full;
use hyper::rt::Executor;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Notify, Semaphore, oneshot};
use tower::{Layer, Service, service_fn};
use tower_misdirected::client::{MAX_POOLED_REFUSALS, RetryMisdirectedLayer};

use crate::server;
use crate::site::{Site, pages};
use crate::visitor::{
    Retrying, VERSIONS, attempts, change, connector, get, post, refusing, retrying, send, serve,
};

/// Pages of a site, and `/meet`, which answers when this many requests are under way at once.
fn meeting(routes: Router, crowd: usize) -> Router {
    let barrier = Arc::new(Barrier::new(crowd));
    let meet = move || async move {
        barrier.wait().await;
    };
    routes.route("/meet", get_route(meet))
}

/// Opens this many HTTP/1.1 connections and leaves them idle.
async fn fill(client: &Retrying, site: &Site, crowd: usize) {
    let url = format!("{}meet", site.url("one.test"));
    let answers = join_all((0..crowd).map(|_| send(client, get(&url)))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let mut used: Vec<_> = attempts(site).into_iter().map(|(_, at)| at).collect();
    used.sort_unstable();
    assert!(used.into_iter().eq(0..crowd), "a connection each");
    // The connections return to the pool when this thread's tasks have had their turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn refused(attempts: &[(u16, usize)]) -> usize {
    attempts.iter().filter(|(status, _)| *status == 421).count()
}

#[tokio::test]
async fn w6_a_request_finds_its_way_past_several_stale_connections() {
    let site = serve(meeting(pages(), 5)).await;
    let client = retrying(VERSIONS[0]);
    fill(&client, &site, 5).await;
    change(&client, &site).await;

    let answer = send(&client, post(site.url("one.test"), "first\n")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.body(), "one.test\nfirst\n");
    // Each of them refuses once, and none is used again.
    let seen = attempts(&site);
    let expected = [(421, 0), (421, 1), (421, 2), (421, 3), (421, 4), (200, 5)];
    assert_eq!(seen, expected);

    for _ in 0..5 {
        assert_eq!(send(&client, get(site.url("one.test"))).await.status(), 200);
    }
    assert_eq!(attempts(&site), [(200, 0); 5]);
}

#[tokio::test]
async fn w6_requests_at_the_same_time_share_the_refusals() {
    let site = serve(meeting(pages(), 5)).await;
    let client = retrying(VERSIONS[0]);
    fill(&client, &site, 5).await;
    change(&client, &site).await;

    let url = site.url("one.test");
    let answers = join_all((0..8).map(|_| send(&client, get(&url)))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let seen = attempts(&site);
    assert_eq!(refused(&seen), 5, "{seen:?}");
    assert_eq!(seen.len(), 13, "{seen:?}");
}

/// A request that is refused everywhere costs the pool its idle connections, and then one that is new.
#[tokio::test]
async fn w6_the_421_on_a_new_connection_is_handed_over() {
    let site = serve(meeting(refusing(), 3)).await;
    let client = retrying(VERSIONS[0]);
    fill(&client, &site, 3).await;
    let url = format!("{}refused", site.url("one.test"));
    let answer = send(&client, get(&url)).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.body(), "refusal 4");
    assert_eq!(attempts(&site), [(421, 0), (421, 1), (421, 2), (421, 3)]);
}

#[tokio::test]
async fn w6_a_large_pool_costs_a_request_a_bounded_number_of_refusals() {
    let sent = 1 + MAX_POOLED_REFUSALS + 1;
    let site = serve(meeting(pages(), sent + 3)).await;
    let client = retrying(VERSIONS[0]);
    fill(&client, &site, sent + 3).await;
    change(&client, &site).await;

    let answer = send(&client, get(site.url("one.test"))).await;
    assert_eq!(answer.status(), 421);
    let expected: Vec<_> = (0..sent).map(|at| (421, at)).collect();
    assert_eq!(attempts(&site), expected);

    let answer = send(&client, get(site.url("one.test"))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(attempts(&site), [(421, 0), (421, 1), (421, 2), (200, 3)]);
}

#[tokio::test]
async fn w6_a_client_without_a_pool_repeats_once() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let mut client = Client::builder(TokioExecutor::new());
        let client = client.pool_max_idle_per_host(0);
        let client = client.build::<_, Full<Bytes>>(connector(version));
        let client = RetryMisdirectedLayer::new().layer(client);
        let answer = send(&client, get(format!("{}refused", site.url("one.test")))).await;
        assert_eq!(answer.status(), 421);
        assert_eq!(attempts(&site), [(421, 0), (421, 1)], "{version:?}");
    }
}

/// Another request opened the HTTP/2 connection in the pool after the first one had refused, so it is fresh.
#[tokio::test]
async fn w6_over_http2_a_connection_from_the_pool_counts_as_fresh() {
    let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let held = {
        let (arrived, release) = (arrived.clone(), release.clone());
        any(move || async move {
            arrived.notify_one();
            release.acquire().await.unwrap().forget();
            StatusCode::MISDIRECTED_REQUEST
        })
    };
    let site = serve(refusing().route("/held", held)).await;
    let client = retrying(VERSIONS[1]);
    let url = site.url("one.test");
    let others = async {
        arrived.notified().await;
        // Refused on the same connection, and on one more.
        send(&client, get(format!("{url}refused"))).await;
        // Opens the connection that the repeat finds.
        assert_eq!(send(&client, get(&url)).await.status(), 200);
        assert_eq!(attempts(&site), [(421, 0), (421, 1), (200, 2)]);
        release.add_permits(10);
    };
    let held = send(&client, get(format!("{url}held")));
    let (held, ()) = tokio::join!(held, others);
    assert_eq!(held.status(), 421);
    assert_eq!(attempts(&site), [(421, 0), (421, 1)]);
}

/// Polls each task once before it lets it run. So a connection is ready as soon as it is open.
#[derive(Clone)]
struct Eager;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Eager {
    fn execute(&self, task: F) {
        let mut task = Box::pin(task);
        let mut context = Context::from_waker(Waker::noop());
        if task.as_mut().poll(&mut context).is_pending() {
            tokio::spawn(task);
        }
    }
}

/// On several threads, all the I/O of a new connection may be done when the client asks for it.
#[tokio::test]
async fn w6_a_new_connection_that_is_ready_at_once_counts_as_new() {
    let count = Arc::new(AtomicUsize::new(0));
    let refuse = {
        let count = count.clone();
        move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            StatusCode::MISDIRECTED_REQUEST
        }
    };
    let addr = server::plaintext(Router::new().fallback(refuse)).await;
    let connector = service_fn(move |_: Uri| {
        Box::pin(async move {
            let (sender, done) = oneshot::channel();
            sender.send(()).unwrap();
            done.await.unwrap();
            // The system completes the connection by itself.
            let tcp = std::net::TcpStream::connect(addr)?;
            tcp.set_nonblocking(true)?;
            TcpStream::from_std(tcp).map(TokioIo::new)
        })
    });
    let client = Client::builder(Eager).build::<_, Full<Bytes>>(connector);
    let client = RetryMisdirectedLayer::new().layer(client);
    let answer = send(&client, get("http://one.test/")).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

/// Calls the service inside later than it was called itself, as tower's `Buffer` does.
#[derive(Clone)]
struct Deferred<S>(S);

impl<S, Q> Service<Request<Q>> for Deferred<S>
where
    S: Service<Request<Q>, Future: Send> + Clone + Send + 'static,
    Q: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let mut inner = self.0.clone();
        async move {
            tokio::task::yield_now().await;
            inner.call(request).await
        }
        .boxed()
    }
}

/// The layer cannot tell where the connection came from, so the first repeat counts.
#[tokio::test]
async fn w6_below_a_layer_that_defers_calls_there_is_one_repeat() {
    let site = serve(meeting(pages(), 3)).await;
    let client = retrying(VERSIONS[0]);
    fill(&client, &site, 3).await;
    change(&client, &site).await;

    let plain = client.get_ref().clone();
    let client = RetryMisdirectedLayer::new().layer(Deferred(plain));
    let answer = send(&client, get(site.url("one.test"))).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(attempts(&site), [(421, 0), (421, 1)]);
    let answer = send(&client, get(site.url("one.test"))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(attempts(&site), [(421, 0), (200, 1)]);
}
