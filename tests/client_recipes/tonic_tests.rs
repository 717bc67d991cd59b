//! tonic's clients, over hyper-util's client and over `Channel`.

use std::cell::Cell;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Uri};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};
use tower::ServiceExt;

use crate::connector::connector;
use crate::greeter::{GreeterClient, GreeterServer};
use crate::site::Site;
use crate::tonic_channel_recipe::call;
use crate::tonic_client_recipe::{LIMIT, service};

/// A server that greets.
async fn greeting() -> Site {
    let hello = GreeterServer::new(async |request: tonic::Request<String>| {
        match request.into_inner().as_str() {
            "nobody" => Err(Status::unavailable("no greeting now")),
            name => Ok(Response::new(format!("hello {name}"))),
        }
    });
    Site::serving(Routes::new(hello).into_axum_router()).await
}

fn origin(site: &Site) -> Uri {
    site.url("/").parse().unwrap()
}

#[tokio::test]
async fn w6_a_generated_client_over_hyper_utils_client_repeats_a_call() {
    let site = greeting().await;
    let service = service(connector(site.addr, "h2"));
    let mut client = GreeterClient::with_origin(service, origin(&site));
    assert_eq!(client.hello("one").await.unwrap(), "hello one");
    site.swap().await;
    assert_eq!(client.hello("two").await.unwrap(), "hello two");
    assert_eq!(site.statuses(), [421, 200]);
    // The connection that refused is not used again.
    assert_eq!(client.hello("three").await.unwrap(), "hello three");
    assert_eq!(site.statuses(), [200]);
}

#[tokio::test]
async fn a_call_that_is_always_refused_is_made_twice() {
    let site = Site::refusing().await;
    let service = service(connector(site.addr, "h2"));
    let mut client = GreeterClient::with_origin(service, origin(&site));
    let status = client.hello("one").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let seen = site.seen();
    assert!(
        matches!(seen[..], [(one, 421), (two, 421)] if one != two),
        "{seen:?}"
    );
}

/// A request of the recipe with this body, to a server that echoes it or that always refuses.
async fn post(site: &Site, body: Body) -> (u16, Bytes) {
    let request = Request::post(site.url("/")).body(body).unwrap();
    let service = service(connector(site.addr, "h2"));
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), body)
}

/// A body in two frames, as a message and its length may come.
fn in_two(message: &Bytes) -> Body {
    let mut rest = message.clone();
    let first = rest.split_to(message.len() / 2);
    let frames = [first, rest].map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    Body::new(StreamBody::new(stream::iter(frames)))
}

#[tokio::test]
async fn a_message_up_to_the_limit_is_repeated_and_each_message_arrives() {
    for (size, attempts) in [(0, 2), (1, 2), (LIMIT, 2), (LIMIT + 1, 1), (4 * LIMIT, 1)] {
        let message: Bytes = (0..size).map(|at| b'a' + (at % 26) as u8).collect();
        let site = Site::start().await;
        let arrived = post(&site, in_two(&message)).await;
        assert!(arrived == (200, message.clone()), "{size}");
        let site = Site::refusing().await;
        assert_eq!(post(&site, in_two(&message)).await.0, 421);
        assert_eq!(site.statuses().len(), attempts, "{size}");
    }
}

/// A stream that has the first part, and that ends when the sender is dropped.
fn stream_of(first: &'static str) -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(Frame::data(Bytes::from(first))).unwrap();
    let frames = stream::unfold(receiver, async |mut receiver| {
        let frame = receiver.recv().await?;
        Some((Ok::<_, Infallible>(frame), receiver))
    });
    (sender, Body::new(StreamBody::new(Box::pin(frames))))
}

#[tokio::test]
async fn a_stream_arrives_while_it_goes_on_and_is_not_repeated() {
    for first in ["", "hello "] {
        // Both directions at once: the next part is sent when the first one has come back.
        let echo = axum::Router::new().fallback(async |body: axum::body::Body| body);
        let site = Site::serving(echo).await;
        let (sender, body) = stream_of(first);
        let request = Request::post(site.url("/")).body(body).unwrap();
        let service = service(connector(site.addr, "h2"));
        let mut answer = service.oneshot(request).await.unwrap().into_body();
        if !first.is_empty() {
            let frame = answer.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), first);
        }
        sender
            .send(Frame::data(Bytes::from("world")))
            .await
            .unwrap();
        drop(sender);
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "world");

        let site = Site::refusing().await;
        let (_sender, body) = stream_of(first);
        assert_eq!(post(&site, body).await.0, 421);
        assert_eq!(site.statuses(), [421]);
    }
}

#[tokio::test]
async fn an_error_of_a_stream_ends_the_call() {
    let site = Site::start().await;
    let frames = [
        Ok(Frame::data(Bytes::from("hello"))),
        Err(Status::cancelled("no more")),
    ];
    let body = Body::new(StreamBody::new(stream::iter(frames)));
    let request = Request::post(site.url("/")).body(body).unwrap();
    let answer = service(connector(site.addr, "h2")).oneshot(request).await;
    assert!(answer.is_err() || answer.unwrap().status() != 200);
}

/// Opens channels to a site, and counts them.
fn opens(site: &Site, opened: &Cell<usize>) -> Channel {
    opened.set(opened.get() + 1);
    let endpoint = Endpoint::from(origin(site));
    endpoint.connect_with_connector_lazy(connector(site.addr, "h2"))
}

#[tokio::test]
async fn w6_a_call_through_a_channel_succeeds_on_a_new_channel() {
    let site = greeting().await;
    let opened = Cell::new(0);
    let open = || opens(&site, &opened);
    let hello = |name| async move |channel| GreeterClient::new(channel).hello(name).await;
    let mut channel = open();
    assert_eq!(
        call(&mut channel, open, hello("one")).await.unwrap(),
        "hello one"
    );
    site.swap().await;
    assert_eq!(
        call(&mut channel, open, hello("two")).await.unwrap(),
        "hello two"
    );
    assert_eq!(site.statuses(), [421, 200]);
    assert_eq!(
        call(&mut channel, open, hello("three")).await.unwrap(),
        "hello three"
    );
    assert_eq!(opened.get(), 2);

    // The service says it itself, so it may have done something.
    let status = call(&mut channel, open, hello("nobody")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "no greeting now")
    );
    assert_eq!(opened.get(), 2);
}

/// Why the recipe needs a new channel.
#[tokio::test]
async fn a_channel_makes_the_next_call_on_the_connection_that_refused() {
    let site = greeting().await;
    let mut client = GreeterClient::new(opens(&site, &Cell::new(0)));
    assert_eq!(client.hello("one").await.unwrap(), "hello one");
    let connection = site.seen()[0].0;
    site.swap().await;
    for _ in 0..2 {
        let status = client.hello("two").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    }
    assert_eq!(site.seen(), [(connection, 421); 2]);
}

#[tokio::test]
async fn a_call_through_channels_that_is_always_refused_is_made_twice() {
    let site = Site::refusing().await;
    let opened = Cell::new(0);
    let open = || opens(&site, &opened);
    let mut channel = open();
    let hello = async |channel| GreeterClient::new(channel).hello("one").await;
    let status = call(&mut channel, open, hello).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let seen = site.seen();
    assert!(
        matches!(seen[..], [(one, 421), (two, 421)] if one != two),
        "{seen:?}"
    );
}
