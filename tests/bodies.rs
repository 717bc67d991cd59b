//! The layer with the response bodies of other stacks, on bare hyper services, and its own types'
//! small print: cheap clones, an error that stays the inner one, futures that can be sent.

use std::convert::Infallible;

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_misdirected::{Coalescing, Misdirected, MisdirectedLayer, Refusal, Responder};

/// A layer that refuses `refused.test`.
fn layer() -> MisdirectedLayer {
    MisdirectedLayer::new()
        .coalescing(Coalescing::Unchecked)
        .allowed_hosts(["served.test"])
        .unwrap()
}

fn request(host: &str) -> Request<()> {
    Request::get("/").header("host", host).body(()).unwrap()
}

/// Serves `served.test` and refuses the other, returning the body of the refusal.
async fn refused_body<R, B>(layer: MisdirectedLayer<R>, make: fn() -> B) -> Bytes
where
    R: Responder<B> + Clone,
    B: Body<Error: std::fmt::Debug> + Default,
{
    let inner =
        service_fn(move |_: Request<()>| async move { Ok::<_, Infallible>(Response::new(make())) });
    let service = layer.layer(inner);
    let response = service
        .clone()
        .oneshot(request("served.test"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let response = service.oneshot(request("refused.test")).await.unwrap();
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn empty_answers_need_a_default_body() {
    assert_eq!(refused_body(layer(), || AxumBody::from("x")).await, "");
    assert_eq!(refused_body(layer(), || Full::<Bytes>::from("x")).await, "");
    assert_eq!(refused_body(layer(), Empty::<Bytes>::new).await, "");
    assert_eq!(refused_body(layer(), || String::from("x")).await, "");
    assert_eq!(refused_body(layer(), tonic::body::Body::empty).await, "");
    assert_eq!(
        refused_body(layer(), BoxBody::<Bytes, Infallible>::default).await,
        ""
    );
    assert_eq!(
        refused_body(layer(), UnsyncBoxBody::<Bytes, Infallible>::default).await,
        ""
    );
}

#[tokio::test]
async fn json_answers_need_a_body_from_bytes() {
    let json = r#"{"error":"misdirected_request"}"#;
    assert_eq!(
        refused_body(layer().json(), || AxumBody::from("x")).await,
        json
    );
    assert_eq!(
        refused_body(layer().json(), || Full::<Bytes>::from("x")).await,
        json
    );
    assert_eq!(
        refused_body(layer().json(), || FromBytesOnly(Full::from("x"))).await,
        json
    );
    let problem = refused_body(layer().problem_json(), || AxumBody::from("x")).await;
    assert!(problem.starts_with(br#"{"type":"about:blank""#));
}

/// A body of a user's own: `From<Bytes>` and, as every body here must be, `Default`.
#[derive(Default)]
struct FromBytesOnly(Full<Bytes>);

impl From<Bytes> for FromBytesOnly {
    fn from(bytes: Bytes) -> Self {
        Self(Full::new(bytes))
    }
}

impl Body for FromBytesOnly {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn custom_answers_need_a_default_body() {
    let layer = layer().responder(|refusal| {
        let mut response = Response::new(tonic::body::Body::new(Full::<Bytes>::from("custom")));
        *response.status_mut() = refusal.status();
        response
    });
    assert_eq!(
        refused_body(layer, tonic::body::Body::empty).await,
        "custom"
    );
}

/// The head of the refusal of this request.
async fn refused_head<R>(layer: MisdirectedLayer<R>, request: Request<()>) -> Response<()>
where
    R: Responder<Full<Bytes>> + Clone,
{
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let Ok(response) = layer.layer(inner).oneshot(request).await;
    response.map(drop)
}

#[tokio::test]
async fn c3_connection_fields_depend_on_the_version_alone() {
    let chatty = |refusal: &Refusal<'_>| {
        let response = Response::builder().header("connection", "keep-alive, x-y");
        response
            .status(refusal.status())
            .body(Full::default())
            .unwrap()
    };
    for (version, expected) in [
        (Version::HTTP_10, &["close"][..]),
        (Version::HTTP_11, &["close"]),
        (Version::HTTP_2, &[]),
        (Version::HTTP_3, &[]),
    ] {
        let mut to_chatty = request("refused.test");
        *to_chatty.version_mut() = version;
        let mut to_plain = request("refused.test");
        *to_plain.version_mut() = version;
        for response in [
            refused_head(layer().responder(chatty), to_chatty).await,
            refused_head(layer(), to_plain).await,
        ] {
            let fields: Vec<_> = response.headers().get_all("connection").iter().collect();
            assert_eq!(fields, expected, "{version:?}");
        }
    }
}

#[tokio::test]
async fn c1_a_refusal_is_an_error_whatever_its_responder_says() {
    for (written, sent) in [
        (200, 421),
        (204, 421),
        (302, 421),
        (304, 421),
        (404, 404),
        (503, 503),
    ] {
        let odd = move |_: &Refusal<'_>| {
            Response::builder()
                .status(written)
                .body(Full::default())
                .unwrap()
        };
        let response = refused_head(layer().responder(odd), request("refused.test")).await;
        assert_eq!(response.status(), sent, "{written}");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn problem_json_has_a_body_for_every_status() {
    let refuse = |layer: MisdirectedLayer, method, host: &str| {
        let mut request = request(host);
        *request.method_mut() = method;
        let inner = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let response = layer.problem_json().layer(inner).oneshot(request);
        async {
            response
                .await
                .unwrap()
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
        }
    };
    for (layer, host, status) in [
        (layer(), "refused.test", 421),
        (layer(), "a@refused.test", 400),
        (MisdirectedLayer::new(), "served.test", 500),
    ] {
        let body = refuse(layer.clone(), Method::GET, host).await;
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.ends_with(&format!("\"status\":{status}}}")), "{body}");
        assert_eq!(refuse(layer, Method::HEAD, host).await, "");
    }
}

#[tokio::test]
async fn the_error_type_is_the_inner_services() {
    #[derive(Debug, PartialEq)]
    struct OwnError;

    let inner = service_fn(|_: Request<()>| async { Err::<Response<String>, _>(OwnError) });
    let service = layer().layer(inner);
    assert_eq!(
        service
            .clone()
            .oneshot(request("served.test"))
            .await
            .unwrap_err(),
        OwnError
    );
    // C5: a refusal is a response even so.
    let response = service.oneshot(request("refused.test")).await.unwrap();
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[test]
fn types_can_be_cloned_and_sent() {
    fn check<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn check_future<T: Send + 'static>(_: &T) {}
    check(&layer());
    check(&layer().json());
    let mut service: Misdirected<axum::Router, _> = layer().json().layer(axum::Router::new());
    check(&service);
    check_future(&service.call(Request::new(AxumBody::empty())));
    assert!(
        size_of_val(&layer()) <= size_of::<usize>(),
        "a clone is one reference count"
    );
}
