//! What of a request is repeated, and that other responses than a 421 pass as they are.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use axum::response::IntoResponse;
use axum::routing::any;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::mpsc;
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceExt};
use tower_misdirected::client::RetryMisdirectedLayer;

use crate::site::pages;
use crate::visitor::{
    VERSIONS, attempts, get, plain, post, read, refusing, retrying, send, serve, soon,
};

#[derive(Clone, Debug, PartialEq)]
struct Marker(&'static str);

/// What reaches the client of a request, extensions included, before the client adds to it.
#[derive(Debug, PartialEq)]
struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    marker: Option<Marker>,
}

impl Head {
    fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: request.headers().clone(),
            marker: request.extensions().get().cloned(),
        }
    }
}

#[tokio::test]
async fn w6_the_repeat_is_the_request_as_it_was_given() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let heads = Arc::new(Mutex::new(Vec::new()));
        let watch = {
            let heads = heads.clone();
            MapRequestLayer::new(move |request: Request<Full<Bytes>>| {
                heads.lock().unwrap().push(Head::of(&request));
                request
            })
        };
        let client = RetryMisdirectedLayer::new().layer(watch.layer(plain(version)));
        let request = Request::builder()
            .method("REPORT")
            .uri(format!("{}refused?query=a%20b", site.url("one.test")))
            .version(version)
            .header("x-list", "one")
            .header("x-list", "two")
            .header("accept", "text/plain")
            .extension(Marker("marked"))
            .body(Full::from("body"))
            .unwrap();
        let given = Head::of(&request);
        assert_eq!(send(&client, request).await.status(), 421);

        let heads = heads.lock().unwrap();
        assert_eq!(heads.len(), 2);
        assert!(!given.headers.contains_key("host"));
        assert_eq!(heads[0], given);
        assert_eq!(heads[1], given);
        assert!(site.take().iter().all(|record| record.body_length() == 4));
    }
}

/// The first response is gone with all it says, an alternative service included (RFC 7838 §6).
#[tokio::test]
async fn w6_nothing_of_a_421_that_is_repeated_reaches_the_caller() {
    for version in VERSIONS {
        let number = Arc::new(Mutex::new(0));
        let once = any(move || async move {
            let mut number = number.lock().unwrap();
            *number += 1;
            let mut response = "served".into_response();
            if *number == 1 {
                *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
                let fields = response.headers_mut();
                fields.insert("alt-svc", r#"h2="127.0.0.1:9""#.parse().unwrap());
                fields.insert("set-cookie", "a=b".parse().unwrap());
            }
            response
        });
        let site = serve(pages().route("/once", once)).await;
        let client = retrying(version);
        let answer = send(&client, get(format!("{}once", site.url("one.test")))).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.body(), "served");
        for field in ["alt-svc", "set-cookie", "cache-control"] {
            assert!(!answer.headers().contains_key(field), "{field}");
        }
        assert_eq!(attempts(&site), [(421, 0), (200, 1)]);
    }
}

#[tokio::test]
async fn w6_other_errors_are_not_repeated() {
    let status = any(|body: String| async move {
        let code: u16 = body.parse().unwrap();
        (StatusCode::from_u16(code).unwrap(), "as it is").into_response()
    });
    let site = serve(pages().route("/status", status)).await;
    for version in VERSIONS {
        let client = retrying(version);
        let codes = [204, 301, 400, 404, 408, 420, 422, 425, 429, 500, 502, 503];
        for code in codes {
            let url = format!("{}status", site.url("one.test"));
            let answer = send(&client, post(url, code.to_string())).await;
            assert_eq!(answer.status(), code);
        }
        let seen = attempts(&site);
        assert_eq!(seen, codes.map(|code| (code, 0)), "{version:?}");
    }
}

/// The response arrives while its body is still to come.
#[tokio::test]
async fn w6_a_streaming_response_passes_as_it_is() {
    for version in VERSIONS {
        let (sender, receiver) = mpsc::unbounded_channel::<&'static str>();
        let receiver = Mutex::new(Some(receiver));
        let receiver = Arc::new(receiver);
        let page = any(move || async move {
            let receiver = receiver.lock().unwrap().take().unwrap();
            Body::from_stream(stream::unfold(receiver, |mut receiver| async {
                let chunk = receiver.recv().await?;
                Some((Ok::<_, Infallible>(Bytes::from(chunk)), receiver))
            }))
        });
        let site = serve(pages().route("/stream", page)).await;
        let client = retrying(version);
        let request = get(format!("{}stream", site.url("one.test")));
        let mut response = soon(client.oneshot(request)).await.unwrap();
        assert_eq!(response.status(), 200);
        for chunk in ["first", "second"] {
            sender.send(chunk).unwrap();
            let frame = soon(response.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), chunk);
        }
        drop(sender);
        assert_eq!(read(response).await.body(), "");
    }
}

/// The body of the refusal has no end. Nobody waits for it, and the server learns that nobody wants it.
#[tokio::test]
async fn w6_the_body_of_a_refusal_is_dropped_unread() {
    for version in VERSIONS {
        // Each body drops one.
        let (bodies, mut body_dropped) = mpsc::channel::<Infallible>(1);
        let bodies = Arc::new(Mutex::new(vec![bodies.clone(), bodies]));
        let endless = any(move || async move {
            let held = bodies.lock().unwrap().pop();
            let chunks = stream::repeat_with(move || {
                let _ = &held;
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1024])))
            });
            let body = Body::new(StreamBody::new(chunks));
            (StatusCode::MISDIRECTED_REQUEST, body).into_response()
        });
        let site = serve(pages().route("/endless", endless)).await;
        let client = retrying(version);
        let url = site.url("one.test");
        let request = get(format!("{url}endless"));
        let second = soon(client.clone().oneshot(request)).await.unwrap();
        assert_eq!(second.status(), 421);
        drop(second);
        // All of them are gone, the first one included.
        assert!(soon(body_dropped.recv()).await.is_none());
        assert_eq!(send(&client, get(&url)).await.status(), 200);
        assert_eq!(attempts(&site), [(421, 0), (421, 1), (200, 2)]);
    }
}

/// Over HTTP/2 other requests are under way on the connection that refuses. They complete on it.
#[tokio::test]
async fn w6_requests_under_way_on_a_connection_that_refused_complete() {
    let (sender, receiver) = mpsc::unbounded_channel::<&'static str>();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let page = any(move |mut upload: Body| async move {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        Body::from_stream(async_stream(async move {
            let mut text = String::new();
            while let Some(chunk) = receiver.recv().await {
                text.push_str(chunk);
            }
            while let Some(frame) = upload.frame().await {
                text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
            }
            text
        }))
    });
    let site = serve(refusing().route("/slow", page)).await;
    let client = retrying(VERSIONS[1]);
    let url = site.url("one.test");
    let slow = soon(client.clone().oneshot(post(format!("{url}slow"), "upload"))).await;
    let slow = slow.unwrap();
    assert_eq!(attempts(&site), [(200, 0)]);

    for _ in 0..10 {
        let answer = send(&client, get(format!("{url}refused"))).await;
        assert_eq!(answer.status(), 421);
    }
    // The first on the connection of the slow response, and every other on one of its own.
    let expected: Vec<_> = (0..20).map(|at| (421, at)).collect();
    assert_eq!(attempts(&site), expected);
    for chunk in ["under ", "way, "] {
        sender.send(chunk).unwrap();
    }
    drop(sender);
    assert_eq!(read(slow).await.body(), "under way, upload");
}

/// A stream of one chunk, which comes when `text` is known.
fn async_stream(
    text: impl Future<Output = String> + Send + 'static,
) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    stream::once(async { Ok(Bytes::from(text.await)) })
}
