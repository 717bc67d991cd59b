//! Which request bodies are repeated, and that those that are arrive complete.

use std::convert::Infallible;

use axum::body::{Body as AxumBody, Bytes};
use axum::http::Request;
use bytes::BytesMut;
use futures_util::stream;
use http_body::{Body, Frame};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, Either, Empty, Full, StreamBody};
use tower::Layer;
use tower_misdirected::client::{RepeatBody, RetryMisdirectedLayer};

use crate::visitor::{
    Plain, VERSIONS, attempts, change, get, plain, post, refusing, retrying, send, serve, site,
};

/// Octets that are not alike, so that none can be lost or out of order without notice.
fn long() -> String {
    let lines = (0..100_000).map(|line| format!("{line:09}\n"));
    lines.collect()
}

#[tokio::test]
async fn w6_a_repeated_body_arrives_complete() {
    for version in VERSIONS {
        let site = site().await;
        let client = retrying(version);
        assert_eq!(send(&client, get(site.url("one.test"))).await.status(), 200);
        change(&client, &site).await;
        let answer = send(&client, post(site.url("one.test"), long())).await;
        assert_eq!(answer.status(), 200);
        assert!(
            *answer.body() == format!("one.test\n{}", long()),
            "{version:?}"
        );
        assert_eq!(attempts(&site), [(421, 0), (200, 1)]);
    }
}

fn chunks() -> impl Body<Data = Bytes, Error = Infallible> + Send + Sync {
    let chunks = ["a", "b"].map(|chunk| Ok(Frame::data(Bytes::from(chunk))));
    StreamBody::new(stream::iter(chunks))
}

/// The connection is given up all the same, although the server would keep it open.
#[tokio::test]
async fn w6_a_streaming_body_is_not_repeated() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let client = retrying(version);
        let url = site.url("one.test");
        let upload = Request::post(format!("{url}refused")).body(BoxBody::new(chunks()));
        let answer = send(&client, upload.unwrap()).await;
        assert_eq!(answer.status(), 421);
        assert_eq!(answer.body(), "refusal 1");
        let empty = Request::get(&url).body(BoxBody::new(Empty::new())).unwrap();
        assert_eq!(send(&client, empty).await.status(), 200);
        assert_eq!(attempts(&site), [(421, 0), (200, 1)], "{version:?}");
    }
}

#[tokio::test]
async fn w6_an_empty_body_in_a_box_is_repeated() {
    for version in VERSIONS {
        let site = serve(refusing()).await;
        let client = retrying(version);
        let request = Request::get(format!("{}refused", site.url("one.test")));
        let answer = send(
            &client,
            request.body(BoxBody::new(Empty::<Bytes>::new())).unwrap(),
        )
        .await;
        assert_eq!(answer.status(), 421);
        assert_eq!(attempts(&site), [(421, 0), (421, 1)], "{version:?}");
    }
}

/// A closure decides about a type that the layer does not know, before anything of the body was sent.
#[tokio::test]
async fn w6_a_closure_decides_about_other_bodies() {
    /// Not a `RepeatBody`: data of this type cannot be cloned cheaply.
    type Unknown = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;
    fn of(text: &'static str) -> Unknown {
        let frame = Frame::data(Bytes::from_static(text.as_bytes()));
        StreamBody::new(stream::iter(vec![Ok(frame)]))
    }

    let site = site().await;
    let client: Plain<Unknown> = plain(VERSIONS[1]);
    let never = RetryMisdirectedLayer::new().repeat_bodies(|_: &Unknown| None);
    let never = never.layer(client.clone());
    let always = RetryMisdirectedLayer::new().repeat_bodies(|_: &Unknown| Some(of("repeat")));
    let always = always.layer(client);
    let request = |text| Request::post(site.url("one.test")).body(of(text)).unwrap();
    let changer = retrying(VERSIONS[1]);

    let answer = send(&never, request("first")).await;
    assert_eq!(answer.body(), "one.test\nfirst");
    change(&changer, &site).await;
    assert_eq!(send(&never, request("first")).await.status(), 421);
    assert_eq!(attempts(&site), [(421, 0)]);

    let answer = send(&always, request("first")).await;
    assert_eq!(answer.body(), "one.test\nfirst");
    change(&changer, &site).await;
    let answer = send(&always, request("first")).await;
    assert_eq!(answer.body(), "one.test\nrepeat");
    assert_eq!(attempts(&site), [(421, 0), (200, 1)]);
}

/// What the repeat of a body has, or `None` if there is none.
async fn repeat<B>(body: B) -> Option<Vec<u8>>
where
    B: RepeatBody + Body<Error: std::fmt::Debug>,
{
    let repeat = body.repeat()?;
    assert_eq!(repeat.is_end_stream(), body.is_end_stream());
    let mut octets = BytesMut::new();
    octets.extend(repeat.collect().await.unwrap().to_bytes());
    Some(octets.to_vec())
}

#[tokio::test]
async fn w6_each_type_of_body_says_whether_it_can_be_repeated() {
    let (nothing, text) = (Some(vec![]), Some(b"text".to_vec()));
    assert_eq!(repeat(Empty::<Bytes>::new()).await, nothing);
    assert_eq!(repeat(Full::<Bytes>::from("text")).await, text);
    assert_eq!(repeat(Full::<Bytes>::default()).await, nothing);
    assert_eq!(repeat(Full::<&[u8]>::new(b"text")).await, text);
    assert_eq!(repeat("text".to_owned()).await, text);
    assert_eq!(repeat(Box::new(Full::<Bytes>::from("text"))).await, text);

    type Both = Either<Full<Bytes>, BoxBody<Bytes, Infallible>>;
    assert_eq!(repeat(Both::Left(Full::from("text"))).await, text);
    let stream = || BoxBody::new(chunks());
    assert_eq!(repeat(Both::Right(stream())).await, None);
    assert_eq!(repeat(Both::Right(BoxBody::default())).await, nothing);

    assert_eq!(repeat(stream()).await, None);
    // What is in a box is unknown, unless it is nothing.
    assert_eq!(
        repeat(BoxBody::new(Full::<Bytes>::from("text"))).await,
        None
    );
    assert_eq!(repeat(BoxBody::new(Empty::<Bytes>::new())).await, nothing);
    let unsync = UnsyncBoxBody::new(Full::<Bytes>::from("text"));
    assert_eq!(repeat(unsync).await, None);
    assert_eq!(
        repeat(UnsyncBoxBody::new(Empty::<Bytes>::new())).await,
        nothing
    );
    assert_eq!(repeat(AxumBody::from("text")).await, None);
    assert_eq!(repeat(AxumBody::empty()).await, nothing);
    let tonic = tonic::body::Body::new(Full::<Bytes>::from("text"));
    assert_eq!(repeat(tonic).await, None);
    assert_eq!(repeat(tonic::body::Body::empty()).await, nothing);
}
