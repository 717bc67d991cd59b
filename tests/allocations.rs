//! C5: a request that passes costs no allocation, whatever it names and whatever is configured. W6: what clients pay
//! to be able to repeat a request.

mod pki;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper_util::client::legacy::connect::capture_connection;
use tower::{Layer, Service};
use tower_misdirected::client::RetryMisdirectedLayer;
use tower_misdirected::{
    AllowedHosts, CertificateNames, Coalescing, ConnectionInfo, MisdirectedLayer, Outcome, Peers,
    Rejection, VirtualHosts,
};

/// A thousand names of one virtual host, and as many of others.
static HOSTS: LazyLock<VirtualHosts> = LazyLock::new(|| {
    let config = pki::server(&[]);
    let site = (0..1000).map(|n| format!("h{n}.test"));
    let site = site.chain(["a.test", "*.w.test", "2001:db8::1"].map(String::from));
    let mut hosts = VirtualHosts::builder().virtual_host("site", site, config.clone());
    for n in 0..1000 {
        hosts = hosts.host(format!("other{n}.test"), Arc::clone(&config));
    }
    hosts.build().unwrap()
});

/// Answers at once, without allocating.
#[derive(Clone)]
struct Inner;

impl<B> Service<Request<B>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}

fn request(authority: &str, version: Version) -> Request<()> {
    let names = (0..1000).map(|n| format!("h{n}.test"));
    let names = names.chain(["a.test".into(), "*.w.test".into()]);
    let info = ConnectionInfo::tls()
        .selection(HOSTS.select(Some("a.test")).unwrap())
        .certificate_names(CertificateNames::from_sans(
            names,
            ["2001:db8::1".parse().unwrap()],
        ))
        .build();
    let request = match version {
        Version::HTTP_2 => Request::get(format!("https://{authority}/")),
        _ => Request::get("/").header("host", authority),
    };
    request.version(version).extension(info).body(()).unwrap()
}

/// The status, and how many allocations there were from the call to the response.
fn allocations(layer: &MisdirectedLayer, request: Request<()>) -> (u16, u64) {
    allocations_of(layer.layer(Inner), request)
}

/// The same of any service.
fn allocations_of<S, B>(mut service: S, request: Request<B>) -> (u16, u64)
where
    S: Service<Request<B>, Response = Response<String>>,
{
    let mut status = 0;
    let info = allocation_counter::measure(|| {
        let mut future = std::pin::pin!(service.call(request));
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut context) {
            status = response.status().as_u16();
        }
    });
    (status, info.count_total)
}

#[test]
fn c5_passing_allocates_nothing() {
    let plain = MisdirectedLayer::new();
    let configured = MisdirectedLayer::new()
        .coalescing(Coalescing::SameVirtualHost)
        .allowed_hosts(["a.test", "h7.test", "*.w.test", "2001:db8::1"])
        .unwrap()
        .ports([443, 8443])
        .unwrap()
        .strict_scheme(true)
        .require_tls(true)
        .on_verdict(|verdict| {
            assert_ne!(verdict.outcome(), Outcome::Refused(Rejection::UnknownHost))
        });
    // The same hosts in the other kinds of lists, and through a gateway.
    let names = || {
        let tenants = (0..1000).map(|n| format!("tenant{n}.test"));
        tenants.chain(["a.test", "h7.test", "*.w.test", "2001:db8::/32"].map(String::from))
    };
    let list = AllowedHosts::default();
    for name in names() {
        list.insert(name).unwrap();
    }
    let changing = MisdirectedLayer::new().allowed_hosts_in(list);
    let by_function = MisdirectedLayer::new()
        .allowed_hosts_by(|host| host.ends_with(".test") || host == "[2001:db8::1]");
    let gateway = MisdirectedLayer::behind_gateway(Peers::any(), names()).unwrap();
    for layer in [plain, configured, changing, by_function, gateway] {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            for authority in [
                "a.test",
                "a.test:8443",
                "A.Test.",
                "h7.test",
                "H7.TEST",
                "x.w.test",
                "X.w.Test:443",
                "[2001:db8:0::1]",
            ] {
                let counted = allocations(&layer, request(authority, version));
                assert_eq!(counted, (200, 0), "{authority} {version:?}");
            }
        }
    }
}

#[test]
fn the_counter_counts() {
    let refused = allocations(&MisdirectedLayer::new(), request("c.test", Version::HTTP_2));
    assert_eq!(refused.0, 421);
    assert!(refused.1 > 0, "the refusal's headers are allocated");
}

#[test]
fn a_request_that_the_layer_changes_may_allocate() {
    let layer = MisdirectedLayer::new();
    let absolute = |host: &str| {
        let mut request = request("a.test", Version::HTTP_11);
        *request.uri_mut() = "https://a.test/".parse().unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        allocations(&layer, request)
    };
    // RFC 9112 §3.2.2: the layer replaces a `Host` that differs, and leaves one that does not.
    assert_eq!(absolute("A.test:443"), (200, 0));
    let (status, replaced) = absolute("c.test");
    assert!(status == 200 && replaced > 0);

    let layer = MisdirectedLayer::new().default_host("a.test").unwrap();
    let mut http10 = request("a.test", Version::HTTP_10);
    assert_eq!(allocations(&layer, http10.clone()), (200, 0));
    *http10.headers_mut() = http::HeaderMap::new();
    let (status, supplied) = allocations(&layer, http10);
    assert!(status == 200 && supplied > 0);
}

/// A request of a client, built anew, because the first clone of a value may allocate and later ones do not.
fn outgoing(fields: usize, extension: bool) -> Request<Full<Bytes>> {
    let mut request = Request::post("https://a.test/path?query")
        .body(Full::new(Bytes::from(vec![b'x'; 1000])))
        .unwrap();
    // `Bytes` that were a vector allocate when they are cloned for the first time, whatever their length.
    let _ = request.body().clone();
    for field in 0..fields {
        let name = http::HeaderName::try_from(format!("x-field-{field}")).unwrap();
        request
            .headers_mut()
            .insert(name, format!("value {field}").parse().unwrap());
    }
    if extension {
        request.extensions_mut().insert(7_u8);
    }
    request
}

fn counted<T>(what: impl FnOnce() -> T) -> u64 {
    allocation_counter::measure(|| drop(what())).count_total
}

#[test]
fn w6_a_client_pays_for_the_capture_and_for_a_copy_of_the_fields() {
    let retrying = RetryMisdirectedLayer::new().layer(Inner);
    for fields in [0, 1, 20] {
        for extension in [false, true] {
            assert_eq!(allocations_of(Inner, outgoing(fields, extension)), (200, 0));
            let mut request = outgoing(fields, extension);
            let capture = counted(|| capture_connection(&mut request));
            let request = outgoing(fields, extension);
            let copy = counted(|| request.headers().clone());
            let extensions = counted(|| request.extensions().clone());
            assert!(capture > 0 && (copy > 0) == (fields > 0) && (extensions > 0) == extension);

            let (status, all) = allocations_of(retrying.clone(), outgoing(fields, extension));
            assert_eq!(
                (status, all),
                (200, capture + copy + extensions),
                "{fields} fields"
            );
        }
    }
}

#[test]
fn w6_a_request_that_cannot_be_repeated_is_not_copied() {
    let layer = RetryMisdirectedLayer::new().repeat_bodies(|_: &Full<Bytes>| None);
    let mut request = outgoing(20, true);
    let capture = counted(|| capture_connection(&mut request));
    let (status, all) = allocations_of(layer.layer(Inner), outgoing(20, true));
    assert_eq!((status, all), (200, capture));
}
