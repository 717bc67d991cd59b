//! C6, C7: what the operator is told, by extension, callback and event, and the report-only mode.

mod log;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode, Version};
use tower::{Layer, ServiceExt, service_fn};
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, EffectiveAuthority, Malformed, MisdirectedLayer,
    Outcome, Rejection, Responder, VirtualHosts,
};
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};

fn connection() -> ConnectionInfo {
    ConnectionInfo::tls()
        .server_name("a.test")
        .certificate_names(CertificateNames::from_sans(["a.test", "b.test"], []))
        .peer_addr("192.0.2.7:50000".parse().unwrap())
        .single_tls_config()
        .build()
}

fn request(host: &str) -> Request<()> {
    let request = Request::post("/").header("host", host);
    request.extension(connection()).body(()).unwrap()
}

/// Answers with the `Host` that it sees.
async fn send<R>(layer: &MisdirectedLayer<R>, request: Request<()>) -> Response<String>
where
    R: Responder<String> + Clone,
{
    let inner = service_fn(|request: Request<()>| async move {
        let host = request
            .headers()
            .get("host")
            .map(|host| host.to_str().unwrap_or("?"));
        Ok::<_, Infallible>(Response::new(host.unwrap_or("-").to_owned()))
    });
    let Ok(response) = layer.layer(inner).oneshot(request).await;
    response
}

fn rejection(response: &Response<String>) -> Option<Rejection> {
    response.extensions().get().copied()
}

#[tokio::test]
async fn c6_the_rejection_is_in_the_extensions_of_a_refusal_alone() {
    let layer = MisdirectedLayer::new();
    let refused = send(&layer, request("c.test")).await;
    assert_eq!(rejection(&refused), Some(Rejection::NotInCertificate));
    let malformed = send(&layer, request("c@test")).await;
    let invalid = Rejection::Malformed(Malformed::InvalidHost);
    assert_eq!(rejection(&malformed), Some(invalid));
    assert_eq!(rejection(&send(&layer, request("b.test")).await), None);
}

#[tokio::test]
async fn c6_the_callback_sees_every_verdict() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let layer = MisdirectedLayer::new().on_verdict(move |verdict| {
        assert_eq!(verdict.method(), http::Method::POST);
        assert_eq!(verdict.protocol_version(), "1.1");
        assert!(!verdict.is_report_only());
        let connection = verdict.connection().and_then(ConnectionInfo::server_name);
        assert_eq!(connection, Some("a.test"));
        let authority = verdict.authority().map(|authority| authority.to_string());
        sink.lock().unwrap().push((verdict.outcome(), authority));
    });
    for host in ["A.test:443", "b.test", "c.test", "c@test"] {
        send(&layer, request(host)).await;
    }
    let text = |text: &str| Some(text.to_owned());
    let malformed = Rejection::Malformed(Malformed::InvalidHost);
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (Outcome::Served, text("a.test:443")),
            (Outcome::Coalesced, text("b.test")),
            (
                Outcome::Refused(Rejection::NotInCertificate),
                text("c.test")
            ),
            (Outcome::Refused(malformed), None),
        ],
    );
}

#[tokio::test]
async fn c6_without_a_server_name_nothing_is_coalesced() {
    let outcome = Arc::new(Mutex::new(None));
    let sink = outcome.clone();
    let layer = MisdirectedLayer::new()
        .on_verdict(move |verdict| *sink.lock().unwrap() = Some(verdict.outcome()));
    let mut nameless = request("a.test");
    let names = CertificateNames::from_sans(["a.test"], []);
    let info = ConnectionInfo::tls()
        .certificate_names(names)
        .single_tls_config()
        .build();
    nameless.extensions_mut().insert(info);
    send(&layer, nameless).await;
    assert_eq!(*outcome.lock().unwrap(), Some(Outcome::Served));
}

#[tokio::test]
async fn c7_report_only_refuses_nothing_and_reports_everything() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let layer = MisdirectedLayer::new()
        .report_only(true)
        .on_verdict(move |verdict| {
            assert!(verdict.is_report_only());
            sink.lock().unwrap().push(verdict.outcome());
        });
    for (host, expected) in [
        ("a.test", None),
        ("c.test", Some(Rejection::NotInCertificate)),
        ("c@test", Some(Rejection::Malformed(Malformed::InvalidHost))),
        ("", Some(Rejection::Malformed(Malformed::InvalidHost))),
    ] {
        let response = send(&layer, request(host)).await;
        assert_eq!(response.status(), StatusCode::OK, "{host}");
        assert_eq!(response.body(), host, "nothing is changed");
        assert_eq!(rejection(&response), expected, "{host}");
    }
    let mut without_info = request("a.test");
    without_info.extensions_mut().clear();
    let response = send(&layer, without_info).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(rejection(&response), Some(Rejection::NoConnectionInfo));
    assert_eq!(seen.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn c7_report_only_still_hands_on_one_name_only() {
    // A2 is no refusal: the handler sees the authority that was judged, in this mode too.
    let layer = MisdirectedLayer::new().report_only(true);
    for (target, rejection) in [
        ("b.test", None),
        ("d.test", Some(Rejection::NotInCertificate)),
    ] {
        let mut confusing = request("c.test");
        *confusing.uri_mut() = format!("https://{target}/").parse().unwrap();
        let response = send(&layer, confusing).await;
        assert_eq!(
            (response.body().as_str(), self::rejection(&response)),
            (target, rejection)
        );
    }
    let layer = layer.default_host("b.test").unwrap();
    let mut nameless = request("a.test");
    *nameless.version_mut() = Version::HTTP_10;
    nameless.headers_mut().clear();
    assert_eq!(send(&layer, nameless).await.body(), "b.test");
}

#[test]
fn the_plain_function_and_the_layer_agree() {
    let mut request = request("a.test");
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = "https://b.test/".parse().unwrap();
    let conflict = Err(Malformed::ConflictingAuthorities);
    assert_eq!(EffectiveAuthority::of(&request), conflict);
    assert_eq!(
        EffectiveAuthority::of_parts(&request.into_parts().0),
        conflict
    );
}

/// Events as `(level, fields)`, the fields as `name=value` in the order of their names.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<(Level, String)>>>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Events {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        fields.0.sort();
        let level = *event.metadata().level();
        self.0.lock().unwrap().push((level, fields.0.join(" ")));
    }
}

struct Fields(Vec<String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push(format!("{}={value:?}", field.name()));
    }
}

/// The events of one request.
async fn events(layer: MisdirectedLayer, request: Request<()>) -> Vec<(Level, String)> {
    answer_and_events(&layer, request).await.1
}

async fn answer_and_events<R>(
    layer: &MisdirectedLayer<R>,
    request: Request<()>,
) -> (Response<String>, Vec<(Level, String)>)
where
    R: Responder<String> + Clone,
{
    let events = Events::default();
    let subscriber = tracing_subscriber::registry().with(events.clone());
    let guard = log::subscribe(subscriber);
    let response = send(layer, request).await;
    drop(guard);
    let events = events.0.lock().unwrap();
    (response, events.clone())
}

#[tokio::test]
async fn c6_a_refusal_is_one_event_with_standard_names() {
    let events = events(MisdirectedLayer::new(), request("C.Test.:8443")).await;
    let [(level, fields)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(*level, Level::INFO);
    for field in [
        "error.type=\"not_in_certificate\"",
        "http.request.method=\"POST\"",
        "http.response.status_code=421",
        "server.address=c.test",
        "server.port=8443",
        "tls.client.server_name=\"a.test\"",
        "network.peer.address=192.0.2.7",
        "network.peer.port=50000",
        "client.address=192.0.2.7",
        "client.port=50000",
        "certificate.names=a.test, b.test",
        "network.protocol.version=\"1.1\"",
        "report_only=false",
        "retry_can_help=true",
        "message=request refused: the certificate",
    ] {
        assert!(fields.contains(field), "{field} in {fields}");
    }
}

/// The fields of the only event of a request.
async fn fields_of(layer: MisdirectedLayer, request: Request<()>) -> String {
    let events = events(layer, request).await;
    let [(_, fields)] = &events[..] else {
        panic!("{events:?}");
    };
    fields.clone()
}

fn request_on(connection: ConnectionInfo) -> Request<()> {
    let request = Request::get("/").header("host", "c.test");
    request.extension(connection).body(()).unwrap()
}

#[tokio::test]
async fn c6_the_event_names_the_version_of_http() {
    for (version, name) in [
        (Version::HTTP_10, "1.0"),
        (Version::HTTP_11, "1.1"),
        (Version::HTTP_2, "2"),
        (Version::HTTP_3, "3"),
        (Version::HTTP_09, "_OTHER"),
    ] {
        let mut request = request("c.test");
        *request.version_mut() = version;
        let fields = fields_of(MisdirectedLayer::new(), request).await;
        let field = format!("network.protocol.version=\"{name}\"");
        assert!(fields.contains(&field), "{field} in {fields}");
    }
}

#[tokio::test]
async fn c6_the_event_shows_that_a_handshake_had_no_server_name() {
    let names = || CertificateNames::from_sans(["a.test"], []);
    let tls = ConnectionInfo::tls().certificate_names(names()).build();
    let fields = fields_of(MisdirectedLayer::new(), request_on(tls)).await;
    assert!(
        fields.contains("tls.client.server_name=\"(none)\""),
        "{fields}"
    );
    // Without TLS there is no handshake that could have one.
    let plaintext = request_on(ConnectionInfo::plaintext().build());
    let fields = fields_of(MisdirectedLayer::new().require_tls(true), plaintext).await;
    assert!(!fields.contains("server_name"), "{fields}");
}

#[tokio::test]
async fn c6_the_event_lists_a_few_names_of_the_certificate() {
    let many = (0..5000).map(|n| format!("h{n}.test"));
    for (names, text) in [
        (
            CertificateNames::from_sans(["b.test", "a.test"], []),
            "a.test, b.test",
        ),
        (
            CertificateNames::from_sans(["*.b.test", "a.test"], ["192.0.2.1".parse().unwrap()]),
            "a.test, *.b.test, 192.0.2.1",
        ),
        (
            CertificateNames::from_sans(many, []),
            "….test and 4997 more",
        ),
        (
            CertificateNames::from_sans(["*"], []),
            "none that a client would match",
        ),
        (CertificateNames::unknown(), "unknown"),
    ] {
        let connection = ConnectionInfo::tls()
            .server_name("x.test")
            .certificate_names(names);
        let fields = fields_of(MisdirectedLayer::new(), request_on(connection.build())).await;
        let listed = match text.strip_prefix("…") {
            Some(end) => {
                fields.contains("certificate.names=h") && fields.contains(&format!("{end} "))
            }
            None => fields.contains(&format!("certificate.names={text} ")),
        };
        assert!(listed && fields.len() < 1000, "{text} in {fields}");
    }
    // They explain nothing about another reason.
    let unknown = MisdirectedLayer::new().allowed_hosts(["a.test"]).unwrap();
    let fields = fields_of(unknown, request("c.test")).await;
    assert!(!fields.contains("certificate.names"), "{fields}");
}

#[tokio::test]
async fn c6_the_event_names_the_virtual_hosts_of_the_handshake_and_of_the_host() {
    let entries = |admin: &Arc<u8>| {
        let builder = VirtualHosts::builder().host("a.test", Arc::new(1));
        builder.host("c.test", admin.clone())
    };
    let admin = Arc::new(2);
    let hosts = entries(&admin).build().unwrap();
    let names = || CertificateNames::from_sans(["a.test", "c.test", "d.test"], []);
    let connection = |name| {
        let selection = hosts.select(Some(name)).unwrap();
        let info = ConnectionInfo::tls().selection(selection);
        info.certificate_names(names()).build()
    };
    let first = connection("a.test");
    let own = connection("c.test");
    let fields = fields_of(MisdirectedLayer::new(), request_on(first.clone())).await;
    for field in [
        "error.type=\"different_tls_config\"",
        "connection.virtual_host=\"a.test\"",
        "connection.outdated=false",
        "request.virtual_host=\"c.test\"",
    ] {
        assert!(fields.contains(field), "{field} in {fields}");
    }
    // The same name twice would be a riddle, if nothing said that the configuration has been replaced.
    hosts.replace(entries(&Arc::new(3))).unwrap();
    let fields = fields_of(MisdirectedLayer::new(), request_on(own)).await;
    for field in [
        "connection.virtual_host=\"c.test\"",
        "connection.outdated=true",
        "request.virtual_host=\"c.test\"",
    ] {
        assert!(fields.contains(field), "{field} in {fields}");
    }
    // A host that nobody has is another reason.
    hosts
        .replace(VirtualHosts::builder().host("a.test", Arc::new(1)))
        .unwrap();
    let fields = fields_of(MisdirectedLayer::new(), request_on(first)).await;
    assert!(fields.contains("error.type=\"unknown_host\""), "{fields}");
    assert!(
        fields.contains("connection.virtual_host=\"a.test\""),
        "{fields}"
    );
    assert!(!fields.contains("request.virtual_host"), "{fields}");
}

#[tokio::test]
async fn c6_the_event_names_the_client_behind_a_gateway_and_the_gateway() {
    let connection = ConnectionInfo::tls()
        .server_name("a.test")
        .peer_addr("10.0.0.1:50000".parse().unwrap())
        .client_addr("192.0.2.7:40000".parse().unwrap());
    let fields = fields_of(MisdirectedLayer::new(), request_on(connection.build())).await;
    for field in [
        "client.address=192.0.2.7",
        "client.port=40000",
        "network.peer.address=10.0.0.1",
        "network.peer.port=50000",
    ] {
        assert!(fields.contains(field), "{field} in {fields}");
    }
}

#[tokio::test]
async fn w1_the_event_says_whether_another_connection_can_help() {
    let listed = MisdirectedLayer::new().allowed_hosts(["a.test"]).unwrap();
    let malformed = MisdirectedLayer::new();
    for (layer, host, field) in [
        (MisdirectedLayer::new(), "c.test", "retry_can_help=true"),
        (listed, "c.test", "retry_can_help=false"),
        (malformed, "c d", "retry_can_help=false"),
    ] {
        let events = events(layer, request(host)).await;
        let [(_, fields)] = &events[..] else {
            panic!("{events:?}");
        };
        assert!(fields.contains(field), "{field} in {fields}");
    }
}

/// Asserts that a refusal is one event, and that the event has the status of the response.
async fn assert_logged<R>(layer: &MisdirectedLayer<R>, request: Request<()>, status: u16)
where
    R: Responder<String> + Clone,
{
    let (response, events) = answer_and_events(layer, request).await;
    assert_eq!(response.status(), status);
    let [(_, fields)] = &events[..] else {
        panic!("{events:?}");
    };
    let field = format!("http.response.status_code={status} ");
    assert!(fields.contains(&field), "{field} in {fields}");
}

#[tokio::test]
async fn c6_the_logged_status_is_the_one_that_the_client_got() {
    let layer = MisdirectedLayer::new()
        .allowed_hosts(["a.test", "c.test"])
        .unwrap();
    let not_found = layer.clone().responder(|refusal| {
        let mut response = Response::new(String::new());
        *response.status_mut() = match refusal.rejection() {
            Rejection::UnknownHost => StatusCode::NOT_FOUND,
            _ => StatusCode::IM_A_TEAPOT,
        };
        response
    });
    let forgetful = layer
        .clone()
        .responder(|_| Response::new(String::from("refused")));
    let no_info = || {
        let mut request = request("a.test");
        request.extensions_mut().clear();
        request
    };
    let head = |mut request: Request<()>| {
        *request.method_mut() = Method::HEAD;
        request
    };
    for with in [&|request| request, &head as &dyn Fn(_) -> _] {
        for (request, status) in [
            (&(|| request("b.test")) as &dyn Fn() -> _, 421),
            (&|| request("c.test"), 421),
            (&|| request("c@test"), 400),
            (&no_info, 500),
        ] {
            assert_logged(&layer, with(request()), status).await;
            // The layer replaces the 200 of a responder that sets no status.
            assert_logged(&forgetful, with(request()), status).await;
        }
        assert_logged(&not_found, with(request("b.test")), 404).await;
        assert_logged(&not_found, with(request("c.test")), 418).await;
        assert_logged(&not_found, with(request("c@test")), 418).await;
        assert_logged(&not_found, with(no_info()), 418).await;
    }
}

#[tokio::test]
async fn c7_a_report_comes_once_and_has_no_status() {
    let events = Events::default();
    let subscriber = tracing_subscriber::registry().with(events.clone());
    let _guard = log::subscribe(subscriber);
    let inner = service_fn(|_: Request<()>| async {
        tracing::info!("the inner service runs");
        Ok::<_, Infallible>(Response::builder().status(418).body(String::new()).unwrap())
    });
    let layer = MisdirectedLayer::new().report_only(true);

    // The handler is not done when the client goes away.
    let hung = service_fn(|_: Request<()>| std::future::pending::<Result<Response<String>, ()>>());
    let waiting = layer.layer(hung).oneshot(request("c.test"));
    let timeout = tokio::time::timeout(std::time::Duration::from_millis(1), waiting);
    assert!(timeout.await.is_err());
    let [(_, fields)] = &std::mem::take(&mut *events.0.lock().unwrap())[..] else {
        panic!("no report, or several");
    };
    assert!(fields.contains("not_in_certificate"), "{fields}");

    let Ok(response) = layer.layer(inner).oneshot(request("c.test")).await;
    assert_eq!(response.status(), 418);
    let [(_, report), (_, run)] = &std::mem::take(&mut *events.0.lock().unwrap())[..] else {
        panic!("no report, or several");
    };
    assert!(report.contains("request would be refused"), "{report}");
    assert!(!report.contains("http.response.status_code"), "{report}");
    assert!(run.contains("the inner service runs"), "{run}");
}

#[tokio::test]
async fn c6_the_callback_runs_first() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what| {
        let order = order.clone();
        move || order.lock().unwrap().push(what)
    };
    let (verdict, answer, run) = (note("verdict"), note("answer"), note("inner"));
    let layer = MisdirectedLayer::new()
        .on_verdict(move |_| verdict())
        .responder(move |_| {
            answer();
            Response::new(String::new())
        });
    let inner = service_fn(move |_: Request<()>| {
        run();
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    for host in ["a.test", "c.test"] {
        let Ok(_) = layer
            .clone()
            .layer(inner.clone())
            .oneshot(request(host))
            .await;
    }
    assert_eq!(
        *order.lock().unwrap(),
        ["verdict", "inner", "verdict", "answer"]
    );
}

#[tokio::test]
async fn c7_a_report_leaves_the_rejection_of_an_inner_layer() {
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let certificate = MisdirectedLayer::new();
    let list = MisdirectedLayer::new().allowed_hosts(["a.test"]).unwrap();
    let report = |layer: &MisdirectedLayer| layer.clone().report_only(true);
    for (outer, inner_layer, status, expected) in [
        // Only the inner layer refuses, so its reason explains the status.
        (
            report(&certificate),
            list.clone(),
            421,
            Rejection::UnknownHost,
        ),
        (
            report(&list),
            certificate.clone(),
            421,
            Rejection::NotInCertificate,
        ),
        // The outer layer refuses, and the inner one is not called.
        (
            certificate.clone(),
            report(&list),
            421,
            Rejection::NotInCertificate,
        ),
        (
            list.clone(),
            report(&certificate),
            421,
            Rejection::UnknownHost,
        ),
        // Nobody refuses.
        (
            report(&certificate),
            report(&list),
            200,
            Rejection::UnknownHost,
        ),
    ] {
        let service = outer.layer(inner_layer.layer(inner));
        let Ok(response) = service.oneshot(request("c.test")).await;
        assert_eq!(response.status(), status, "{outer:?} {inner_layer:?}");
        assert_eq!(
            rejection(&response),
            Some(expected),
            "{outer:?} {inner_layer:?}"
        );
    }
}

#[tokio::test]
async fn c6_served_requests_are_no_events() {
    assert_eq!(events(MisdirectedLayer::new(), request("a.test")).await, []);
    assert_eq!(events(MisdirectedLayer::new(), request("b.test")).await, []);
}

#[tokio::test]
async fn c6_nothing_of_a_malformed_request_is_logged() {
    let mut hostile = Request::get("/").extension(connection()).body(()).unwrap();
    let value = http::HeaderValue::from_bytes(b"evil\ttest \xff\x1b").ok();
    let value = value.unwrap_or_else(|| http::HeaderValue::from_bytes(b"evil\ttest\xff").unwrap());
    hostile.headers_mut().insert("host", value);
    let events = events(MisdirectedLayer::new(), hostile).await;
    let [(Level::INFO, fields)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(fields.contains("error.type=\"invalid_host\""), "{fields}");
    assert!(fields.contains("http.response.status_code=400"), "{fields}");
    assert!(
        !fields.contains("evil") && !fields.contains("server.address"),
        "{fields}"
    );
}

#[tokio::test]
async fn c7_a_report_is_an_event_that_says_so() {
    let events = events(MisdirectedLayer::new().report_only(true), request("c.test")).await;
    let [(Level::INFO, fields)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(fields.contains("report_only=true"), "{fields}");
}

#[tokio::test]
async fn b2_missing_connection_info_is_one_error_event_that_says_what_to_install() {
    let mut bare = request("a.test");
    bare.extensions_mut().clear();
    let events = events(MisdirectedLayer::new(), bare).await;
    let [(Level::ERROR, fields)] = &events[..] else {
        panic!("{events:?}");
    };
    for help in [
        "TlsListener",
        "TlsAcceptor",
        "into_make_service_with_connect_info",
    ] {
        assert!(fields.contains(help), "{help} in {fields}");
    }
    // Where none is needed, none is missed.
    let mut bare = request("a.test");
    bare.extensions_mut().clear();
    let unchecked = MisdirectedLayer::new().coalescing(Coalescing::Unchecked);
    assert_eq!(self::events(unchecked, bare).await, []);
}
