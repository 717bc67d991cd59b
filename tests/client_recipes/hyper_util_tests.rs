//! hyper-util's client. What the layer does in other cases is tested with the layer.

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use crate::connector::connector;
use crate::hyper_util_recipe::client;
use crate::site::{Site, TOGETHER, VERSIONS};

fn request(site: &Site, method: Method, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(site.url(path));
    request.body(Full::from(body)).unwrap()
}

#[tokio::test]
async fn w6_the_client_of_the_recipe_finds_its_way_past_stale_connections() {
    for alpn in VERSIONS {
        for (method, body) in [(Method::GET, ""), (Method::POST, "hello")] {
            let site = Site::start().await;
            let client = client(connector(site.addr, alpn));
            let requests = (0..TOGETHER).map(|_| {
                let request = request(&site, Method::GET, "/together", "");
                client.clone().oneshot(request)
            });
            for response in join_all(requests).await {
                response.unwrap().collect().await.unwrap();
            }
            site.swap().await;
            let request = || request(&site, method.clone(), "/", body);
            let response = client.clone().oneshot(request()).await.unwrap();
            assert_eq!(response.status(), 200, "{alpn}");
            let answer = response.collect().await.unwrap().to_bytes();
            assert_eq!(answer, body);
            let stale = match alpn {
                "h2" => 1,
                _ => TOGETHER,
            };
            let statuses = site.statuses();
            let (last, refused) = statuses.split_last().unwrap();
            assert_eq!((refused, *last), (&[421; TOGETHER][..stale], 200), "{alpn}");

            // No stale connection is left.
            let response = client.clone().oneshot(request()).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(site.statuses(), [200], "{alpn}");
        }
    }
}

#[tokio::test]
async fn a_server_that_always_refuses_sees_two_requests() {
    for alpn in VERSIONS {
        let site = Site::refusing().await;
        let mut client = client(connector(site.addr, alpn));
        let request = request(&site, Method::POST, "/", "hello");
        let response = client.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), 421);
        let seen = site.seen();
        assert!(
            matches!(seen[..], [(one, 421), (two, 421)] if one != two),
            "{alpn}: {seen:?}"
        );
    }
}
