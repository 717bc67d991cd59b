//! Servers that leave the certificate out of the verdict: a gateway as the Gateway API prescribes it, and an origin
//! behind a proxy that opens TLS connections of its own. All connections are real.

mod pki;
mod server;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rustls::ServerConfig;
use tower_misdirected::{
    Coalescing, EffectiveAuthority, MisdirectedLayer, Refusal, Rejection, VirtualHosts,
    VirtualHostsBuilder,
};

use crate::server::Calls;

/// Routes that are bound to listeners: a listener, a host of its route, and the body of the answer.
const ROUTES: [(&str, &str, &str); 5] = [
    ("any", "first.test", "backend 1"),
    ("second.test", "second.test", "backend 2"),
    ("**.wild.test", "third.wild.test", "backend 3"),
    ("**.wild.test", "fifth.wild.test", "backend 3"),
    ("**.wild.test", "a.b.wild.test", "backend 3"),
];

/// Answers 404 if no route of the listener is for the host.
async fn route(State(hosts): State<VirtualHosts>, authority: EffectiveAuthority) -> Response {
    let listener = hosts.get(authority.host());
    let listener = listener.as_ref().map(|listener| listener.id());
    let route = ROUTES
        .iter()
        .find(|(of, host, _)| listener == Some(of) && authority.host() == host);
    match route {
        Some((_, _, body)) => body.into_response(),
        None if listener == Some("fourth.wild.test") => "backend 4".into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The responder of the guide: clients need not try again for a host that nobody serves.
fn not_found_if_unknown(refusal: &Refusal<'_>) -> Response {
    match refusal.rejection() {
        Rejection::UnknownHost => StatusCode::NOT_FOUND.into_response(),
        _ => refusal.status().into_response(),
    }
}

async fn gateway(listeners: VirtualHostsBuilder) -> std::net::SocketAddr {
    let hosts = listeners.build().unwrap();
    let layer = MisdirectedLayer::new()
        .coalescing(Coalescing::SameVirtualHost)
        .check_certificate(false)
        .responder(not_found_if_unknown);
    let app = Router::new()
        .fallback(route)
        .with_state(hosts.clone())
        .layer(layer);
    server::tls(app, hosts).await
}

/// Sends each request on an HTTP/2 connection of its own.
async fn check(addr: std::net::SocketAddr, rows: &[(&str, &str, u16, &str)]) {
    for (sni, host, status, body) in rows {
        let io = wire::connect(addr, pki::client(&["h2"]), Some(sni)).await;
        let client = wire::http2(io).await;
        let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), *status, "{sni} -> {host}");
        assert_eq!(answer.body(), body, "{sni} -> {host}");
    }
}

/// Listeners without a name, with a name, with a wildcard, and with a name under that wildcard. A wildcard of the
/// Gateway API stands for one or more labels.
fn listeners(config: impl Fn() -> Arc<ServerConfig>) -> VirtualHostsBuilder {
    VirtualHosts::builder()
        .host("second.test", config())
        .host("**.wild.test", config())
        .host("fourth.wild.test", config())
}

/// The certificate of all listeners. No client matches its first name, and the second one does not cover
/// `third.wild.test`.
fn certificate() -> ServerConfig {
    pki::leaf(&["*", "*.test"]).server_config()
}

#[tokio::test]
async fn b7_a_gateway_answers_as_gep_3567_says() {
    let shared = Arc::new(certificate());
    let one_config = listeners(|| shared.clone()).virtual_host("any", [""; 0], shared.clone());
    let own_configs = listeners(|| Arc::new(certificate()));
    let own_configs = own_configs.virtual_host("any", [""; 0], Arc::new(certificate()));
    for listeners in [one_config, own_configs] {
        let addr = gateway(listeners.default_to("any")).await;
        let rows = [
            ("first.test", "first.test", 200, "backend 1"),
            ("first.test", "second.test", 421, ""),
            // The listener is the right one, and none of its routes is for the host.
            ("first.test", "unknown.test", 404, ""),
            ("second.test", "second.test", 200, "backend 2"),
            ("second.test", "first.test", 421, ""),
            ("second.test", "unknown.test", 421, ""),
            ("third.wild.test", "third.wild.test", 200, "backend 3"),
            ("third.wild.test", "fifth.wild.test", 200, "backend 3"),
            ("third.wild.test", "a.b.wild.test", 200, "backend 3"),
            ("third.wild.test", "fourth.wild.test", 421, ""),
            ("third.wild.test", "second.test", 421, ""),
            ("third.wild.test", "unknown.test", 421, ""),
            ("fourth.wild.test", "fourth.wild.test", 200, "backend 4"),
            ("fourth.wild.test", "fifth.wild.test", 421, ""),
            ("unknown.test", "first.test", 200, "backend 1"),
            ("unknown.test", "unknown.test", 404, ""),
        ];
        check(addr, &rows).await;
    }
}

/// GEP-3567 asks for 404 if no listener matches the host.
#[tokio::test]
async fn b1_a_gateway_without_a_listener_for_the_host_answers_404_by_a_responder() {
    let shared = Arc::new(certificate());
    let addr = gateway(listeners(|| shared.clone())).await;
    let rows = [
        ("second.test", "second.test", 200, "backend 2"),
        ("second.test", "unknown.test", 404, ""),
        ("second.test", "third.wild.test", 421, ""),
        ("third.wild.test", "wild.test", 404, ""),
        ("third.wild.test", "fourth.wild.test", 421, ""),
        ("third.wild.test", "192.0.2.1", 404, ""),
    ];
    check(addr, &rows).await;
}

/// A proxy in front re-encrypts and sends no server name. The certificate of the origin is an internal one.
#[tokio::test]
async fn b6_an_internal_certificate_serves_the_default_and_no_client_certificate_host() {
    let leaf = pki::leaf(&["origin.internal"]);
    let open = Arc::new(leaf.server_config());
    let mut mutual_tls = leaf.mutual_tls_config();
    mutual_tls.alpn_protocols = open.alpn_protocols.clone();
    let hosts = VirtualHosts::builder()
        .host("www.test", open.clone())
        .host("shop.test", open)
        .host("admin.test", Arc::new(mutual_tls))
        .default_to("www.test");
    let hosts = hosts.build().unwrap();
    let calls = Calls::default();
    let serve = async |check_certificate| {
        let layer = MisdirectedLayer::new()
            .check_certificate(check_certificate)
            .close_http1(false);
        server::tls(server::echo(&calls).layer(layer), hosts.clone()).await
    };
    let (unchecked, checked) = (serve(false).await, serve(true).await);
    for (host, without_check, with_check) in [
        ("www.test", 200, 421),
        ("WWW.test.:8443", 200, 421),
        ("shop.test", 200, 421),
        ("other.test", 200, 421),
        ("192.0.2.1", 200, 421),
        ("origin.internal", 200, 200),
        ("admin.test", 421, 421),
        ("Admin.Test.:443", 421, 421),
    ] {
        for (addr, status) in [(unchecked, without_check), (checked, with_check)] {
            let mut io = wire::connect(addr, pki::client(&["http/1.1"]), None).await;
            let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
            let answer = wire::exchange(&mut io, &request).await;
            assert_eq!(answer.status, status, "HTTP/1.1, {host}");
            let io = wire::connect(addr, pki::client(&["h2"]), None).await;
            let client = wire::http2(io).await;
            let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
            assert_eq!(answer.status(), status, "HTTP/2, {host}");
        }
    }
    assert_eq!(calls.count(), 14);

    // With the server name and a client certificate, the host is served.
    let client = pki::leaf(&["client.test"]);
    let config = pki::client_with_certificate(&["h2"], &client);
    let io = wire::connect(unchecked, config, Some("admin.test")).await;
    let client = wire::http2(io).await;
    for (host, status) in [("admin.test", 200), ("www.test", 421)] {
        let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), status, "{host}");
    }
}
