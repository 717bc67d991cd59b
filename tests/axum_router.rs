//! The layer in axum routers, in the way an application's own tests would look at it: with axum-test,
//! and connection info put in by hand. axum-test speaks HTTP/1.1 and says `Host: localhost`.

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, Extension, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_test::TestServer;
use http::{HeaderValue, StatusCode};
use tower::{ServiceBuilder, ServiceExt};
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, EffectiveAuthority, MisdirectedLayer, Rejection,
};

fn connection(server_name: &str) -> ConnectionInfo {
    ConnectionInfo::tls()
        .server_name(server_name)
        .certificate_names(CertificateNames::from_sans(
            ["localhost", "a.test", "b.test"],
            [],
        ))
        .single_tls_config()
        .build()
}

fn app() -> Router {
    let host = |authority: EffectiveAuthority| async move { authority.host().to_string() };
    Router::new().route("/", get(host))
}

/// The status and body for `GET path` with this `Host`.
async fn send(server: &TestServer, path: &str, host: &str) -> (StatusCode, String) {
    let response = server.get(path).add_header("host", host).await;
    (response.status_code(), response.text())
}

const MISDIRECTED: (StatusCode, &str) = (
    StatusCode::MISDIRECTED_REQUEST,
    r#"{"error":"misdirected_request"}"#,
);

fn is(answer: (StatusCode, String), expected: (StatusCode, &str)) {
    assert_eq!((answer.0, &*answer.1), expected);
}

#[tokio::test]
async fn router_layer_covers_routes_and_the_fallback_added_before() {
    let app = app()
        .fallback(|| async { (StatusCode::NOT_FOUND, "fallback") })
        .layer(MisdirectedLayer::new().json())
        .route("/after", get(|| async { "unguarded" }))
        .layer(Extension(connection("a.test")));
    let server = TestServer::new(app);

    is(
        send(&server, "/", "localhost").await,
        (StatusCode::OK, "localhost"),
    );
    is(
        send(&server, "/", "b.test").await,
        (StatusCode::OK, "b.test"),
    );
    is(send(&server, "/", "c.test").await, MISDIRECTED);
    is(
        send(&server, "/none", "b.test").await,
        (StatusCode::NOT_FOUND, "fallback"),
    );
    is(send(&server, "/none", "c.test").await, MISDIRECTED);
    // As documented: a route that is added after the layer is outside it.
    is(
        send(&server, "/after", "c.test").await,
        (StatusCode::OK, "unguarded"),
    );
}

/// axum adds `Allow` outside the layer to what a route answers to a method that it lacks.
#[tokio::test]
async fn c2_a_refusal_does_not_tell_the_methods_of_a_route() {
    let routes = || Router::new().route("/", get(|| async { "hello" }));
    let unlayered = routes().oneshot(post("app.test")).await.unwrap();
    assert_eq!(
        (unlayered.status(), &unlayered.headers()["allow"]),
        (
            StatusCode::METHOD_NOT_ALLOWED,
            &HeaderValue::from_static("GET,HEAD")
        )
    );

    let app = routes()
        .layer(MisdirectedLayer::new())
        .layer(Extension(connection("a.test")));
    for (host, status, allow) in [
        ("a.test", StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD"),
        ("other.test", StatusCode::MISDIRECTED_REQUEST, ""),
        ("a b", StatusCode::BAD_REQUEST, ""),
    ] {
        let answer = app.clone().oneshot(post(host)).await.unwrap();
        let allowed = &answer.headers()["allow"];
        assert_eq!(
            (answer.status(), allowed),
            (status, &HeaderValue::from_static(allow))
        );
    }
}

#[tokio::test]
async fn what_is_set_for_other_methods_after_the_layer_is_not_covered() {
    let routes = || Router::new().route("/", get(|| async { "hello" }));
    let other = || async { (StatusCode::METHOD_NOT_ALLOWED, "other") };
    let put = || axum::routing::put(|| async { "put" });
    let layer = MisdirectedLayer::new;
    for (app, status) in [
        (
            routes().method_not_allowed_fallback(other).layer(layer()),
            StatusCode::MISDIRECTED_REQUEST,
        ),
        (
            routes().layer(layer()).method_not_allowed_fallback(other),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (
            routes().route("/", put()).layer(layer()),
            StatusCode::MISDIRECTED_REQUEST,
        ),
        (
            routes().layer(layer()).route("/", put()),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
    ] {
        let app = app.layer(Extension(connection("a.test")));
        assert_eq!(
            app.oneshot(post("other.test")).await.unwrap().status(),
            status
        );
    }
}

/// axum adds fields outside the layer, and not the same to all.
#[tokio::test]
async fn c2_a_refusal_does_not_tell_which_paths_exist() {
    let hello = || async { "hello" };
    let service = tower::service_fn(async |_: Request| {
        Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
    });
    let routes = || {
        Router::new()
            .route("/", get(hello))
            .route_service("/service", service)
            .nest("/nested", Router::new().route("/", get(hello)))
    };
    alike(routes().layer(MisdirectedLayer::new())).await;
    alike(routes().layer(MisdirectedLayer::new().json())).await;
    let text = MisdirectedLayer::new()
        .responder(|refusal| (refusal.status(), "elsewhere").into_response());
    alike(routes().layer(text)).await;
}

/// Refuses requests for each kind of path, and compares the answers.
async fn alike(app: Router) {
    let app = app.layer(Extension(connection("a.test")));
    for (method, content_type) in [
        ("GET", ""),
        ("POST", ""),
        ("HEAD", ""),
        ("POST", "application/grpc"),
    ] {
        let mut answers = Vec::new();
        for path in ["/", "/service", "/nested", "/nothing"] {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .version(http::Version::HTTP_2);
            let request = request
                .header("host", "other.test")
                .header("content-type", content_type);
            let answer = app
                .clone()
                .oneshot(request.body(Body::empty()).unwrap())
                .await
                .unwrap();
            answers.push((answer.status(), answer.headers().clone()));
        }
        for answer in &answers {
            assert_eq!(*answer, answers[0], "{method} {content_type}");
        }
    }
}

fn post(host: &str) -> Request<Body> {
    Request::post("/")
        .header("host", host)
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn route_layer_covers_routes_alone() {
    let app = app()
        .route_layer(MisdirectedLayer::new().json())
        .fallback(|| async { (StatusCode::NOT_FOUND, "fallback") })
        .layer(Extension(connection("a.test")));
    let server = TestServer::new(app);
    is(
        send(&server, "/", "b.test").await,
        (StatusCode::OK, "b.test"),
    );
    is(send(&server, "/", "c.test").await, MISDIRECTED);
    is(
        send(&server, "/none", "c.test").await,
        (StatusCode::NOT_FOUND, "fallback"),
    );
}

#[tokio::test]
async fn nested_and_merged_routers_keep_the_authority() {
    let strict = app().layer(MisdirectedLayer::new().coalescing(Coalescing::Never).json());
    let app = Router::new()
        .nest("/strict", strict)
        .merge(Router::new().route("/merged", get(|| async { "merged" })))
        .layer(MisdirectedLayer::new().json())
        .layer(Extension(connection("a.test")));
    let server = TestServer::new(app);
    is(
        send(&server, "/strict", "a.test").await,
        (StatusCode::OK, "a.test"),
    );
    is(send(&server, "/strict", "b.test").await, MISDIRECTED);
    is(
        send(&server, "/merged", "b.test").await,
        (StatusCode::OK, "merged"),
    );
    is(send(&server, "/merged", "c.test").await, MISDIRECTED);
}

#[tokio::test]
async fn a_service_builder_stack_around_a_router() {
    let service = ServiceBuilder::new()
        .layer(Extension(connection("a.test")))
        .layer(MisdirectedLayer::new().problem_json())
        .service(app());
    let request = |host: &str| {
        Request::get("/")
            .header("host", host)
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let response = service.clone().oneshot(request("b.test")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let response = service.clone().oneshot(request("c.test")).await.unwrap();
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(
        response.extensions().get(),
        Some(&Rejection::NotInCertificate)
    );
}

#[tokio::test]
async fn the_layer_reads_extension_then_connect_info_then_mock() {
    let guarded = || app().layer(MisdirectedLayer::new().coalescing(Coalescing::Never).json());
    let own = Extension(connection("a.test"));
    let connect = Extension(ConnectInfo(connection("b.test")));
    let mock = MockConnectInfo(connection("localhost"));

    let server = TestServer::new(guarded().layer(mock.clone()));
    is(
        send(&server, "/", "localhost").await,
        (StatusCode::OK, "localhost"),
    );
    is(send(&server, "/", "b.test").await, MISDIRECTED);

    let server = TestServer::new(guarded().layer(mock.clone()).layer(connect.clone()));
    is(
        send(&server, "/", "b.test").await,
        (StatusCode::OK, "b.test"),
    );
    is(send(&server, "/", "localhost").await, MISDIRECTED);

    let server = TestServer::new(guarded().layer(mock).layer(connect).layer(own));
    is(
        send(&server, "/", "a.test").await,
        (StatusCode::OK, "a.test"),
    );
    is(send(&server, "/", "b.test").await, MISDIRECTED);

    let server = TestServer::new(guarded());
    let internal = StatusCode::INTERNAL_SERVER_ERROR;
    is(
        send(&server, "/", "a.test").await,
        (internal, r#"{"error":"internal_server_error"}"#),
    );
}

#[tokio::test]
async fn handlers_read_the_connection_in_three_ways() {
    let app = Router::new()
        .route(
            "/own",
            get(|info: ConnectionInfo| async move { name(&info) }),
        )
        .route(
            "/connect-info",
            get(|ConnectInfo(info): ConnectInfo<ConnectionInfo>| async move { name(&info) }),
        )
        .route(
            "/optional",
            get(|info: Option<ConnectionInfo>| async move {
                info.as_ref().map_or("none".to_owned(), name)
            }),
        );
    let server = TestServer::new(app.clone().layer(MockConnectInfo(connection("a.test"))));
    for path in ["/own", "/connect-info", "/optional"] {
        is(
            send(&server, path, "a.test").await,
            (StatusCode::OK, "a.test"),
        );
    }

    let extension = app
        .clone()
        .route(
            "/extension",
            get(|Extension(info): Extension<ConnectionInfo>| async move { name(&info) }),
        )
        .layer(Extension(connection("b.test")));
    let server = TestServer::new(extension);
    for path in ["/own", "/extension", "/optional"] {
        is(
            send(&server, path, "a.test").await,
            (StatusCode::OK, "b.test"),
        );
    }

    let server = TestServer::new(app);
    is(
        send(&server, "/own", "a.test").await,
        (StatusCode::INTERNAL_SERVER_ERROR, ""),
    );
    is(
        send(&server, "/optional", "a.test").await,
        (StatusCode::OK, "none"),
    );
}

fn name(info: &ConnectionInfo) -> String {
    info.server_name().unwrap_or("-").to_owned()
}

#[tokio::test]
async fn the_authority_extractor_rejects_what_the_layer_would() {
    let server = TestServer::new(app());
    is(
        send(&server, "/", "User@a.test").await,
        (StatusCode::BAD_REQUEST, ""),
    );
    is(
        send(&server, "/", "A.test.:1").await,
        (StatusCode::OK, "a.test"),
    );
}

#[tokio::test]
async fn a_middleware_outside_can_vouch_for_a_gateway() {
    // The recipe of the documentation: info from the listener, marked where the peer is the gateway.
    async fn mark(mut request: Request, next: Next) -> axum::response::Response {
        let info = ConnectionInfo::trusted_gateway().build();
        request.extensions_mut().insert(info);
        next.run(request).await
    }
    let plaintext = MockConnectInfo(ConnectionInfo::plaintext().build());
    let layer = MisdirectedLayer::new().require_tls(true).json();

    let server = TestServer::new(app().layer(layer.clone()).layer(plaintext.clone()));
    is(send(&server, "/", "a.test").await, MISDIRECTED);
    let marked = app()
        .layer(layer)
        .layer(middleware::from_fn(mark))
        .layer(plaintext);
    is(
        send(&TestServer::new(marked), "/", "a.test").await,
        (StatusCode::OK, "a.test"),
    );
}
