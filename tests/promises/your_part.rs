//! What `guide::promises` says that is not promised, and what costs something. The promises that hold are tested
//! beside the rules they follow from.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderValue, StatusCode};
use rcgen::CertificateParams;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, EffectiveAuthority, MisdirectedLayer,
    TlsAcceptor, TlsListener, VirtualHosts,
};

use crate::{pki, wire};

/// Answers with the authority that a handler computes.
fn app() -> Router {
    let authority = |authority: EffectiveAuthority| async move { authority.to_string() };
    Router::new().route("/", get(authority))
}

async fn serve_tls(app: Router, tls: impl Into<TlsAcceptor>) -> SocketAddr {
    let listener = TlsListener::bind("127.0.0.1:0", tls).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    addr
}

/// The status for `host` on a TLS connection to `addr` for `www.test`.
async fn status_on_www(addr: SocketAddr, host: &str) -> u16 {
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("www.test")).await;
    let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
    wire::exchange(&mut io, &request).await.status
}

const NAMES: [&str; 2] = ["www.test", "admin.test"];

/// Virtual hosts of which `admin.test` requires a client certificate, with one certificate for both.
fn hosts() -> VirtualHosts {
    let leaf = pki::leaf(&NAMES);
    VirtualHosts::builder()
        .host("www.test", Arc::new(leaf.server_config()))
        .host("admin.test", Arc::new(leaf.mutual_tls_config()))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_plaintext_listener_serves_every_host_unless_tls_is_required() {
    for (require, expected) in [(false, 200), (true, 421)] {
        let app = app().layer(MisdirectedLayer::new().require_tls(require));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plain = listener.local_addr().unwrap();
        let make = app
            .clone()
            .into_make_service_with_connect_info::<ConnectionInfo>();
        tokio::spawn(async { axum::serve(listener, make).await.unwrap() });
        let tls = serve_tls(app, hosts()).await;

        let mut io = tokio::net::TcpStream::connect(plain).await.unwrap();
        let request = "GET / HTTP/1.1\nHost: admin.test\n\n";
        assert_eq!(wire::exchange(&mut io, request).await.status, expected);
        // The listener with the virtual hosts keeps its promise either way.
        assert_eq!(status_on_www(tls, "admin.test").await, 421);
        assert_eq!(status_on_www(tls, "www.test").await, 200);
    }
}

#[tokio::test]
async fn a_second_tls_listener_without_the_virtual_hosts_serves_what_its_certificate_covers() {
    let app = app().layer(MisdirectedLayer::new());
    let with = serve_tls(app.clone(), hosts()).await;
    let without = serve_tls(app, pki::server(&NAMES)).await;
    assert_eq!(status_on_www(with, "admin.test").await, 421);
    assert_eq!(status_on_www(without, "admin.test").await, 200);
}

fn info() -> ConnectionInfo {
    ConnectionInfo::tls()
        .server_name("www.test")
        .certificate_names(CertificateNames::from_sans(NAMES, []))
        .single_tls_config()
        .build()
}

fn request(host: &'static str) -> http::request::Builder {
    Request::get("/").header("host", host)
}

#[tokio::test]
async fn report_only_lets_conflicting_names_and_missing_info_reach_the_handler() {
    let app = app().layer(MisdirectedLayer::new().report_only(true));
    let conflicting = Request::get("https://www.test/")
        .version(http::Version::HTTP_2)
        .header("host", "admin.test")
        .extension(info())
        .body(axum::body::Body::empty())
        .unwrap();
    // The handler runs, and its extractor finds no authority.
    let answer = app.clone().oneshot(conflicting).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let without_info = request("www.test").body(axum::body::Body::empty()).unwrap();
    let answer = app.oneshot(without_info).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn middleware_inside_the_layer_changes_what_the_extractor_computes() {
    async fn forwarded(mut request: Request, next: Next) -> axum::response::Response {
        let name = HeaderValue::from_static("other.test");
        request.headers_mut().insert("host", name);
        next.run(request).await
    }
    let app = app()
        .layer(from_fn(forwarded))
        .layer(MisdirectedLayer::new())
        .layer(Extension(info()));
    let request = request("www.test").body(axum::body::Body::empty()).unwrap();
    let answer = app.oneshot(request).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
    assert_eq!(body, "other.test");
}

#[tokio::test]
async fn a_refused_request_keeps_the_permit_of_its_clone_until_the_next_call() {
    let inner = service_fn(|_: http::Request<()>| async {
        Ok::<_, Infallible>(http::Response::new(String::new()))
    });
    let limited = GlobalConcurrencyLimitLayer::new(1).layer(inner);
    let layer = MisdirectedLayer::new()
        .coalescing(Coalescing::Unchecked)
        .allowed_hosts(["www.test"])
        .unwrap();
    let mut one = layer.layer(limited);
    let mut other = one.clone();
    let refused = one
        .ready()
        .await
        .unwrap()
        .call(request("no.test").body(()).unwrap());
    let Ok(response) = refused.await;
    assert_eq!(response.status(), 421);

    let is_ready = |service: &mut _| {
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        Service::<http::Request<()>>::poll_ready(service, context).is_ready()
    };
    assert!(!is_ready(&mut other), "the permit is still taken");
    drop(one);
    assert!(is_ready(&mut other));
}

/// The server's clock.
#[derive(Debug)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::SeqCst);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// A handshake in memory, and an octet, because the client reads its ticket with it.
async fn handshake(acceptor: &TlsAcceptor, client: &Arc<ClientConfig>) -> Option<HandshakeKind> {
    let (near, far) = tokio::io::duplex(1 << 14);
    let server = async {
        let mut stream = acceptor.accept(near).await.ok()?;
        assert_eq!(stream.connection_info().client_certificates().len(), 1);
        stream.write_all(b"!").await.ok()?;
        stream.flush().await.ok()?;
        stream.get_ref().1.handshake_kind()
    };
    let client = async {
        let mut stream = wire::handshake(far, client.clone(), Some("admin.test"))
            .await
            .ok()?;
        stream.read_u8().await.ok()
    };
    tokio::join!(server, client).0
}

#[tokio::test]
async fn a_resumed_session_outlives_the_client_certificate() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    let last_hour = 4_102_444_800 - 3_600; // before 2100-01-01
    for version in [&TLS12, &TLS13] {
        let clock = Arc::new(Clock(AtomicU64::new(last_hour)));
        let mut config = pki::leaf(&["admin.test"]).mutual_tls_config();
        config.time_provider = clock.clone();
        let acceptor = TlsAcceptor::new(Arc::new(config));
        let leaf = pki::sign(params.clone());
        let client = || Arc::new(pki::client_with_certificate_of(&[], &[version], &leaf));
        let holder = client();
        assert_eq!(
            handshake(&acceptor, &holder).await,
            Some(HandshakeKind::Full)
        );
        clock.0.fetch_add(2 * 3_600, Ordering::SeqCst);
        let resumed = handshake(&acceptor, &holder).await;
        assert_eq!(resumed, Some(HandshakeKind::Resumed), "{version:?}");
        // The same certificate in a full handshake.
        assert_eq!(handshake(&acceptor, &client()).await, None, "{version:?}");
    }
}
