//! Bodies and trailers pass while they go on, and no faster than they are read.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tonic::transport::Endpoint;
use tower_misdirected::MisdirectedLayer;

use crate::connector::connector;
use crate::front::{self, Front, read, request};
use crate::greeter::{GreeterClient, GreeterServer};
use crate::site::{Site, VERSIONS};

#[tokio::test]
async fn grpc_passes() {
    let hello = GreeterServer::new(async |request: tonic::Request<String>| {
        match request.into_inner().as_str() {
            "nobody" => Err(tonic::Status::not_found("nobody is here")),
            name => Ok(tonic::Response::new(format!("hello {name}"))),
        }
    });
    let app = tonic::service::Routes::new(hello).into_axum_router();
    let site = Site::serving(app).await;
    let front = Front::before(&site).await;
    let endpoint = Endpoint::from_static("https://one.test");
    let channel = endpoint.connect_with_connector_lazy(connector(front.program.addr, "h2"));
    let mut client = GreeterClient::new(channel);
    assert_eq!(client.hello("one").await.unwrap(), "hello one");
    // An answer that is nothing but trailers.
    let status = client.hello("nobody").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (tonic::Code::NotFound, "nobody is here")
    );
}

#[tokio::test]
async fn trailers_pass_between_the_versions() {
    let app = Router::new().fallback(async || -> Response {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "5".parse().unwrap());
        let frames = [Frame::data(Bytes::from("hello")), Frame::trailers(trailers)];
        // Over HTTP/1.1, a body with a length has no trailers.
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
        ([("trailer", "x-sum")], Body::new(body)).into_response()
    });
    for versions in [&VERSIONS[..1], &VERSIONS[1..]] {
        let site = Site::serve(app.clone(), MisdirectedLayer::new(), versions).await;
        let front = Front::before(&site).await;
        for alpn in VERSIONS {
            let mut request = front::get("/");
            request
                .headers_mut()
                .insert("te", "trailers".parse().unwrap());
            let answer = front.client(alpn).request(request).await.unwrap();
            let answer = read(answer).await;
            let trailers = answer.trailers.expect("trailers");
            assert_eq!(
                (&*answer.body, &trailers["x-sum"]),
                ("hello", &"5".parse().unwrap()),
                "{versions:?} {alpn}"
            );
        }
    }
}

/// Neither an upload nor a download is read to its end before it is passed on.
#[tokio::test]
async fn both_directions_go_on_at_once() {
    let app = Router::new().fallback(async |body: Body| body);
    for versions in [&VERSIONS[..1], &VERSIONS[1..]] {
        let site = Site::serve(app.clone(), MisdirectedLayer::new(), versions).await;
        let front = Front::before(&site).await;
        for alpn in VERSIONS {
            let (sender, receiver) = mpsc::channel::<Bytes>(1);
            let body = stream::unfold(receiver, async |mut receiver| {
                Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
            });
            let request = request("POST", "/", Body::from_stream(body));
            let client = front.client(alpn);
            let answer = tokio::spawn(async move { client.request(request).await.unwrap() });
            sender.send(Bytes::from("one")).await.unwrap();
            let mut answer = answer.await.unwrap().into_body();
            for text in ["one", "two", "three"] {
                let frame = answer.frame().await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), text, "{versions:?} {alpn}");
                let next = match text {
                    "one" => "two",
                    _ => "three",
                };
                if text != "three" {
                    sender.send(Bytes::from(next)).await.unwrap();
                }
            }
            drop(sender);
            assert!(answer.collect().await.unwrap().to_bytes().is_empty());
        }
    }
}

/// The octets of a stream that never ends, and how many were taken of it.
#[derive(Clone, Default)]
struct Source(Arc<AtomicUsize>);

impl Source {
    const CHUNK: &[u8] = &[b'x'; 64 * 1024];

    fn body(&self) -> Body {
        let source = self.clone();
        let chunks = stream::repeat_with(move || {
            source.0.fetch_add(Self::CHUNK.len(), Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_static(Self::CHUNK))
        });
        Body::from_stream(chunks)
    }

    fn taken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// What windows and the buffers of sockets hold on the way, and more.
const BUFFERED: usize = 64 * 1024 * 1024;

/// Waits until nothing more is taken of a source while other requests are answered, or until it is far too much.
async fn stalls(front: &Front, source: &Source) {
    let client = front.client("h2");
    let mut quiet = 0;
    let mut taken = 0;
    while quiet < 50 {
        let answer = client.request(front::get("/")).await.unwrap();
        assert_eq!(read(answer).await.status(), 200);
        quiet = match source.taken() == taken {
            true => quiet + 1,
            false => 0,
        };
        taken = source.taken();
        assert!(taken < BUFFERED, "{taken} octets are under way");
    }
    assert!(taken > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_the_writer() {
    for versions in [&VERSIONS[..1], &VERSIONS[1..]] {
        let download = Source::default();
        let endless = download.clone();
        let app = Router::new()
            .route("/download", get(async move || endless.body()))
            .route(
                "/upload",
                post(async |request: Request| {
                    let mut body = request.into_body().into_data_stream();
                    body.next().await;
                    std::future::pending::<()>().await
                }),
            )
            .fallback(async || "");
        let site = Site::serve(app, MisdirectedLayer::new(), versions).await;
        let front = Front::before(&site).await;
        for alpn in VERSIONS {
            let client = front.client(alpn);
            let mut answer = client.request(front::get("/download")).await.unwrap();
            answer.frame().await.unwrap().unwrap();
            stalls(&front, &download).await;
            drop(answer);

            let upload = Source::default();
            let request = request("POST", "/upload", upload.body());
            let uploading = tokio::spawn(client.request(request));
            while upload.taken() == 0 {
                tokio::task::yield_now().await;
            }
            stalls(&front, &upload).await;
            uploading.abort();
        }
    }
}
