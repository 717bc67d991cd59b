//! Which connections a request is sent on, and what becomes of the connections that refused.

use axum::http::{Method, Request};
use http_body_util::Full;

use crate::site::ASIDE;
use crate::visitor::{
    VERSIONS, attempts, change, get, plain, post, refusing, retrying, send, serve, site,
};

#[tokio::test]
async fn w6_after_a_replacement_a_request_is_repeated_on_a_new_connection_whatever_its_method() {
    for version in VERSIONS {
        let site = site().await;
        let client = retrying(version);
        let url = site.url("one.test");
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PATCH] {
            let request = || Request::builder().method(method.clone()).uri(&url);
            let first = request().body(Full::from("first\n")).unwrap();
            assert_eq!(send(&client, first).await.status(), 200);
            change(&client, &site).await;

            let second = request().body(Full::from("second\n")).unwrap();
            let answer = send(&client, second).await;
            assert_eq!(answer.status(), 200, "{method} {version:?}");
            assert_eq!(answer.body(), "one.test\nsecond\n");
            let records = site.take();
            let seen: Vec<_> = records.iter().map(|record| record.status).collect();
            assert_eq!(seen, [421, 200], "{method} {version:?}");
            assert_ne!(records[0].connection, records[1].connection);
            assert!(records.iter().all(|record| record.method == method
                && record.version == version
                && record.path == "/"));
        }
    }
}

#[tokio::test]
async fn w6_without_the_layer_the_program_gets_the_421() {
    for version in VERSIONS {
        let site = site().await;
        let client = plain(version);
        assert_eq!(send(&client, get(site.url("one.test"))).await.status(), 200);
        change(&client, &site).await;
        assert_eq!(send(&client, get(site.url("one.test"))).await.status(), 421);
        assert_eq!(attempts(&site), [(421, 0)]);
    }
}

/// A reverse proxy may do that: the URI names the upstream, and `Host` is the client's.
#[tokio::test]
async fn w6_a_foreign_host_is_sent_to_the_host_of_the_uri_twice() {
    let site = site().await;
    let client = retrying(VERSIONS[0]);
    let mut request = post(site.url("one.test"), "body");
    request
        .headers_mut()
        .insert("host", "two.test".parse().unwrap());
    let answer = send(&client, request).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let records = site.take();
    assert_eq!(records.len(), 2);
    assert_ne!(records[0].connection, records[1].connection);
    for record in records {
        assert_eq!(record.server_name.as_deref(), Some("one.test"));
        assert_eq!(record.line(), "two.test 421");
    }
}

#[tokio::test]
async fn w6_a_server_that_always_refuses_sees_a_request_twice_and_the_second_421_is_handed_over() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let client = retrying(version);
        for round in 1..4 {
            let url = format!("{}refused", site.url("one.test"));
            let answer = send(&client, post(url, "body")).await;
            assert_eq!(answer.status(), 421);
            assert_eq!(answer.headers()["x-number"], (2 * round).to_string());
            assert_eq!(*answer.body(), format!("refusal {}", 2 * round));
            assert_eq!(attempts(&site), [(421, 0), (421, 1)], "{version:?}");
        }
    }
}

/// A new connection is not mistaken for one of the pool, although its tasks run on other threads meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn w6_on_several_threads_a_request_is_sent_twice_at_most() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let client = retrying(version);
        let url = format!("{}refused", site.url("one.test"));
        for _ in 0..20 {
            assert_eq!(send(&client, get(&url)).await.status(), 421);
            assert_eq!(attempts(&site), [(421, 0), (421, 1)], "{version:?}");
        }
    }
}

/// The server leaves it open, so it is the client that does not use it again.
#[tokio::test]
async fn w6_a_connection_that_refused_is_not_used_again() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let client = retrying(version);
        let url = site.url("one.test");
        assert_eq!(send(&client, get(&url)).await.status(), 200);
        let answer = send(&client, get(format!("{url}refused"))).await;
        assert_eq!(answer.status(), 421);
        assert_eq!(send(&client, get(&url)).await.status(), 200);
        let expected = [(200, 0), (421, 0), (421, 1), (200, 2)];
        assert_eq!(attempts(&site), expected, "{version:?}");
    }
}

/// Connections of other hosts are not concerned.
#[tokio::test]
async fn w6_connections_of_other_hosts_stay() {
    for version in VERSIONS {
        let site = site().await;
        let client = retrying(version);
        assert_eq!(send(&client, get(site.url("one.test"))).await.status(), 200);
        change(&client, &site).await;
        assert_eq!(send(&client, get(site.url(ASIDE))).await.status(), 200);
        assert_eq!(send(&client, get(site.url("one.test"))).await.status(), 200);
        assert_eq!(send(&client, get(site.url(ASIDE))).await.status(), 200);
        let expected = [(200, 0), (421, 1), (200, 2), (200, 0)];
        assert_eq!(attempts(&site), expected, "{version:?}");
    }
}
