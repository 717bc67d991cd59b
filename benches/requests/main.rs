//! Instructions per request, counted by callgrind: the layer over a service that does nothing, and that
//! service without it. `report` takes the one from the other.

// What the macros make is public and has no docs.
#![allow(missing_docs)]

mod cases;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group, main};
use http::{Request, Response, Version};
use http_body_util::Full;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tower::{Layer, Service};
use tower_misdirected::{
    CertificateNames, ConnectionInfo, JsonBody, Misdirected, MisdirectedLayer, VirtualHosts,
};

use self::cases::Case;

type Body = Full<Bytes>;
type Layered = Misdirected<NoOp, JsonBody>;

/// Answers 200 at once, and drops the request.
#[derive(Clone, Copy)]
struct NoOp;

impl Service<Request<()>> for NoOp {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(Body::default())))
    }
}

/// What a server has when a request arrives. The connection outlives the request.
struct Arrived<S> {
    service: S,
    request: Request<()>,
    connection: ConnectionInfo,
}

impl<S> Arrived<S>
where
    S: Service<Request<()>, Response = Response<Body>, Error = Infallible>,
{
    /// Calls the service and drops its response, as a server does. What stays is handed back, lest dropping
    /// it be counted.
    fn serve(mut self) -> impl Sized {
        {
            let mut future = pin!(self.service.call(self.request));
            let poll = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(black_box(&poll).is_ready());
        }
        (self.service, self.connection)
    }
}

/// The service, after one request of the kind: the allocator of a server is warm.
fn arrived<S>(service: S, version: Version, case: &Case, names: usize) -> Arrived<S>
where
    S: Service<Request<()>, Response = Response<Body>, Error = Infallible> + Clone,
{
    let connection = connection(case, names);
    let arrived = || Arrived {
        service: service.clone(),
        request: request(version, case.authority, connection.clone()),
        connection: connection.clone(),
    };
    let _ = arrived().serve();
    arrived()
}

fn request(version: Version, authority: &str, connection: ConnectionInfo) -> Request<()> {
    let request = match version {
        Version::HTTP_2 => Request::get(format!("https://{authority}/")),
        _ => Request::get("/").header("host", authority),
    };
    let request = request
        .version(version)
        .header("user-agent", "bench/1.0")
        .header("accept", "text/html")
        .header("accept-encoding", "gzip, br")
        .extension(connection);
    request.body(()).expect("a proper request")
}

fn connection(case: &Case, names: usize) -> ConnectionInfo {
    let first = [
        "www.example.com",
        "*.tenants.example.com",
        "admin.example.com",
    ];
    let shops = (first.len()..names).map(|number| format!("shop-{number:05}.example.com"));
    let dns: Vec<_> = first.map(String::from).into_iter().chain(shops).collect();
    let connection = ConnectionInfo::tls()
        .server_name("www.example.com")
        .certificate_names(CertificateNames::from_sans(&dns, [[192, 0, 2, 1].into()]));
    if !case.virtual_hosts {
        return connection.single_tls_config().build();
    }
    let (public, admin) = (config(), config());
    let hosts = dns
        .into_iter()
        .fold(VirtualHosts::builder(), |hosts, name| {
            let config = match name.as_str() {
                "admin.example.com" => &admin,
                _ => &public,
            };
            hosts.host(name, config.clone())
        });
    let hosts = hosts.build().expect("proper names");
    let selection = hosts.select(Some("www.example.com"));
    connection
        .selection(selection.expect("a virtual host"))
        .build()
}

fn config() -> Arc<ServerConfig> {
    let config = ServerConfig::builder().with_no_client_auth();
    Arc::new(config.with_cert_resolver(Arc::new(NoCertificate)))
}

/// No handshake happens here.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

fn bare((version, case, names): (Version, &Case, usize)) -> Arrived<NoOp> {
    arrived(NoOp, version, case, names)
}

fn layered((version, case, names): (Version, &Case, usize)) -> Arrived<Layered> {
    let service = MisdirectedLayer::new().json().layer(NoOp);
    arrived(service, version, case, names)
}

#[library_benchmark]
#[benches::case(iter = cases::all(), setup = bare)]
fn without(arrived: Arrived<NoOp>) -> impl Sized {
    arrived.serve()
}

#[library_benchmark]
#[benches::case(iter = cases::all(), setup = layered)]
fn with(arrived: Arrived<Layered>) -> impl Sized {
    arrived.serve()
}

library_benchmark_group!(name = layer, benchmarks = [without, with]);

main!(library_benchmark_groups = layer);
