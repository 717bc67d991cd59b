//! reqwest, in the version that the test crate chooses.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::client::legacy::connect::capture_connection;
use reqwest::{Body, Client, ClientBuilder, Method, Request, Response, retry};

use crate::pki;
use crate::reqwest_recipe::RepeatingClient;
use crate::settings;
use crate::site::{Site, TOGETHER, VERSIONS};

fn builder(addr: SocketAddr, alpn: &str) -> ClientBuilder {
    let tls = pki::client(&[alpn]);
    settings(tls).no_proxy().resolve("one.test", addr)
}

fn client(site: &Site, alpn: &'static str) -> RepeatingClient {
    let addr = site.addr;
    RepeatingClient::new(|| builder(addr, alpn)).unwrap()
}

fn request(site: &Site, method: Method, path: &str, body: impl Into<Body>) -> Request {
    let mut request = Request::new(method, site.url(path).parse().unwrap());
    *request.body_mut() = Some(body.into());
    request
}

fn get(site: &Site, path: &str) -> Request {
    Request::new(Method::GET, site.url(path).parse().unwrap())
}

async fn status(response: reqwest::Result<Response>) -> u16 {
    let response = response.unwrap();
    let status = response.status().as_u16();
    response.bytes().await.unwrap();
    status
}

#[tokio::test]
async fn w6_the_recipe_repeats_a_refused_request_on_a_fresh_connection() {
    for alpn in VERSIONS {
        for (method, body) in [(Method::GET, ""), (Method::POST, "hello")] {
            let site = Site::start().await;
            let client = client(&site, alpn);
            assert_eq!(status(client.execute(get(&site, "/")).await).await, 200);
            site.swap().await;
            let response = client.execute(request(&site, method, "/", body)).await;
            let response = response.unwrap();
            assert_eq!(response.status(), 200, "{alpn}");
            assert_eq!(response.text().await.unwrap(), body);
            let seen = site.seen();
            assert!(
                matches!(seen[..], [(old, 421), (new, 200)] if old != new),
                "{alpn}: {seen:?}"
            );
        }
    }
}

/// Over HTTP/2, one pool would share a connection between these.
#[tokio::test]
async fn w6_each_of_several_repeats_at_a_time_has_a_connection_of_its_own() {
    for alpn in VERSIONS {
        let site = Site::start().await;
        let client = client(&site, alpn);
        let together = || {
            let requests = (0..TOGETHER).map(|_| client.execute(get(&site, "/together")));
            join_all(requests)
        };
        for response in together().await {
            assert_eq!(status(response).await, 200);
        }
        site.swap().await;
        for response in together().await {
            assert_eq!(status(response).await, 200, "{alpn}");
        }
        let seen = site.seen();
        let mut fresh: Vec<_> = seen
            .iter()
            .filter(|seen| seen.1 == 200)
            .map(|seen| seen.0)
            .collect();
        fresh.sort();
        fresh.dedup();
        assert_eq!(fresh.len(), TOGETHER, "{alpn}: {seen:?}");
        assert_eq!(seen.len(), 2 * TOGETHER, "{alpn}: {seen:?}");
    }
}

/// Over HTTP/1.1 each of them refuses one request. Over HTTP/2 there is one, which stays in the pool.
#[tokio::test]
async fn w6_a_pool_of_stale_connections_costs_one_repeat_for_each_request() {
    for alpn in VERSIONS {
        let site = Site::start().await;
        let client = client(&site, alpn);
        let requests = (0..TOGETHER).map(|_| client.execute(get(&site, "/together")));
        for response in join_all(requests).await {
            assert_eq!(status(response).await, 200);
        }
        site.swap().await;
        for _ in 0..TOGETHER {
            assert_eq!(status(client.execute(get(&site, "/")).await).await, 200);
            assert_eq!(site.statuses(), [421, 200], "{alpn}");
        }
    }
}

#[tokio::test]
async fn a_server_that_always_refuses_sees_two_requests() {
    for alpn in VERSIONS {
        let site = Site::refusing().await;
        let client = client(&site, alpn);
        assert_eq!(status(client.execute(get(&site, "/")).await).await, 421);
        let seen = site.seen();
        assert!(
            matches!(seen[..], [(one, 421), (two, 421)] if one != two),
            "{alpn}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn the_recipe_does_not_repeat_a_stream() {
    for alpn in VERSIONS {
        let site = Site::refusing().await;
        let frames = ["hello"].map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
        let body = Body::wrap(StreamBody::new(stream::iter(frames)));
        let response = client(&site, alpn)
            .execute(request(&site, Method::POST, "/", body))
            .await;
        assert_eq!(status(response).await, 421);
        assert_eq!(site.statuses(), [421], "{alpn}");
    }
}

/// Otherwise a 421 to the second request would repeat the first one, which was processed.
#[tokio::test]
async fn the_recipe_does_not_follow_redirects() {
    for alpn in VERSIONS {
        let site = Site::start().await;
        let response = client(&site, alpn)
            .execute(request(&site, Method::POST, "/elsewhere", ""))
            .await;
        assert_eq!(status(response).await, 303);
        assert_eq!(site.statuses(), [303], "{alpn}");
    }
}

/// Why the recipe has two clients: reqwest's own retries use the pool.
#[tokio::test]
async fn a_retry_policy_of_reqwest_repeats_on_stale_connections() {
    for alpn in VERSIONS {
        let site = Site::start().await;
        let policy = retry::for_host("one.test").no_budget();
        let policy = policy.classify_fn(|attempt| match attempt.status() {
            Some(status) if status == 421 => attempt.retryable(),
            _ => attempt.success(),
        });
        let client = builder(site.addr, alpn).retry(policy).build().unwrap();
        let requests = (0..TOGETHER).map(|_| client.execute(get(&site, "/together")));
        for response in join_all(requests).await {
            assert_eq!(status(response).await, 200);
        }
        let stale: Vec<_> = site.seen().into_iter().map(|seen| seen.0).collect();
        site.swap().await;
        assert_eq!(status(client.execute(get(&site, "/")).await).await, 421);
        let seen = site.seen();
        assert_eq!(seen.len(), 3, "{alpn}");
        for (connection, refused) in seen {
            assert!(stale.contains(&connection) && refused == 421, "{alpn}");
        }
    }
}

/// Why the recipe has no [`RetryMisdirectedLayer`]: reqwest does not pass extensions to hyper-util's client.
#[tokio::test]
async fn a_connection_cannot_be_captured_through_reqwest() {
    let site = Site::start().await;
    let mut request = http::Request::get(site.url("/")).body("").unwrap();
    let captured = capture_connection(&mut request);
    let client: Client = builder(site.addr, "h2").build().unwrap();
    let request = Request::try_from(request).unwrap();
    assert_eq!(status(client.execute(request).await).await, 200);
    assert!(captured.connection_metadata().is_none());
}
