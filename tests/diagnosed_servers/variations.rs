//! The mistakes on servers that look different: other names, another order, other versions of TLS and HTTP, and
//! configurations that nobody wrote for the tool.

use crate::cases::{self, AB, Case, ODD, W, first, note, visit, with_certificate};
use crate::names_each_mistake;
use crate::servers::{self, Server};
use crate::tool::Expected;

const NAMES: &[(&str, &str)] = &[
    ("a.test", "www.shop.example"),
    ("b.test", "api.shop.example"),
    ("w.test", "intra.corp.example"),
];

/// nginx, with what is said in `strange_nginx.conf`.
const STRANGE_NGINX: &[Case] = &[
    visit(
        4101,
        &["a.test", "b.test", "c.test", "d.test", "e.test"],
        Expected::Well,
    ),
    visit(4121, AB, first("certificate-lacks-host", &["b.test"], &[])),
    optional(),
    with_certificate(optional()),
    visit(4123, AB, Expected::Well),
    visit(
        4124,
        AB,
        first("unknown-host", &["b.test"], &["server_name"]),
    ),
    visit(4125, AB, first("default-certificate", &["b.test"], &[])),
    visit(
        4126,
        &["www.w.test", "a.www.w.test"],
        first("certificate-lacks-host", &["a.www.w.test"], &[]),
    ),
    visit(
        4127,
        &["a.test", "b.test", "c.test"],
        first("fixed-sni", &["a.test", "c.test"], &["proxy_ssl_name"]),
    ),
    visit(
        4129,
        &["a.test", "b.test", "c.test"],
        first("always-421", &["c.test"], &[]),
    ),
    // Or a proxy sends one server name for both: with two hosts, nothing tells the two apart.
    visit(4130, AB, first("fixed-sni", &["b.test"], &[])),
];

/// A host whose application asks for the client certificate.
const fn optional() -> Case {
    let id = "wildcard-over-client-certificates";
    visit(4122, W, note(id, &["admin.w.test"], &[]))
}

/// HAProxy, with what is said in `strange_haproxy.cfg`.
const STRANGE_HAPROXY: &[Case] = &[
    visit(4101, AB, Expected::Well),
    visit(4141, W, first("bypass", &["admin.w.test"], &[])),
    visit(
        4142,
        &["www.w.test", "admin.w.test", "admin.w.test."],
        first("bypass", &["admin.w.test."], &[]),
    ),
    visit(
        4143,
        &["a.test", "a.test:8443"],
        first("strict-sni", &["a.test:8443"], &["host_only"]),
    ),
    // To tell these from a proxy without a server name, the tool needs the host without its port.
    visit(
        4143,
        &["a.test:8443", "b.test:8443"],
        first("no-sni", &["a.test:8443", "b.test:8443"], &[]),
    ),
    visit(4145, W, note("bypass", &["admin.w.test"], &[])),
    with_certificate(visit(4145, W, note("bypass", &["admin.w.test"], &[]))),
    visit(4146, AB, first("unknown-host", &["b.test"], &["crt"])),
    visit(4144, W, Expected::Well),
    with_certificate(visit(4144, W, Expected::Well)),
];

#[tokio::test]
async fn the_cause_is_found_where_nginx_is_set_up_in_other_ways() {
    names_each_mistake(&servers::STRANGE_NGINX, STRANGE_NGINX, &[]).await;
}

#[tokio::test]
async fn the_cause_is_found_where_haproxy_is_set_up_in_other_ways() {
    names_each_mistake(&servers::STRANGE_HAPROXY, STRANGE_HAPROXY, &[]).await;
}

/// httpd asks for a client certificate at the request, too, and its policies compare virtual hosts, not names.
#[tokio::test]
async fn no_policy_of_httpd_is_a_bypass_or_compares_names() {
    let line = "Protocols h2 http/1.1\n";
    let cases = [
        visit(4105, W, Expected::Well),
        with_certificate(visit(4105, W, Expected::Well)),
        visit(4101, ODD, Expected::Well),
    ];
    for policy in [
        "Protocols h2 http/1.1\nSSLVHostSNIPolicy insecure\n",
        "Protocols h2 http/1.1\nSSLVHostSNIPolicy strict\n",
    ] {
        names_each_mistake(&servers::HTTPD, &cases, &[(line, policy)]).await;
    }
}

#[tokio::test]
async fn the_cause_is_found_under_other_names_over_tls_1_2() {
    let tls = ("access_log off;", "access_log off; ssl_protocols TLSv1.2;");
    let changes = [NAMES, &[tls]].concat();
    names_each_mistake(&servers::NGINX, cases::NGINX, &changes).await;
}

/// Where nobody speaks HTTP/2, browsers reuse no connection.
#[tokio::test]
async fn the_cause_is_found_in_another_order_over_http_1_1() {
    let changes = [("alpn h2,http/1.1", "alpn http/1.1")];
    let cases = cases::HAPROXY.iter().filter(|case| case.port != 4108);
    let cases: Vec<_> = cases
        .map(|case| {
            let mut asked = case.asked.to_vec();
            asked.reverse();
            Case {
                asked: asked.leak(),
                ..*case
            }
        })
        .collect();
    names_each_mistake(&servers::HAPROXY, &cases, &changes).await;
}

/// Clients send the port with the host where it is not 443.
#[tokio::test]
async fn the_cause_is_found_for_hosts_with_a_port() {
    let cases = cases::HAPROXY.iter().filter(|case| case.port != 4109);
    let cases: Vec<_> = cases
        .map(|case| Case {
            port_in_host: true,
            ..*case
        })
        .collect();
    names_each_mistake(&servers::HAPROXY, &cases, &[]).await;
}

#[tokio::test]
async fn the_cause_is_found_under_other_names_of_this_crate() {
    let wrong = Server::ours(NAMES).await.wrong(cases::OURS).await;
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// The example has no default here, so a proxy that sends no server name gets no connection, and nobody sees a 421.
#[tokio::test]
async fn a_proxy_that_gets_no_connection_is_told_to_send_a_server_name() {
    let server = Server::ours(&[]).await;
    let cases = [visit(
        4103,
        AB,
        first("no-sni", AB, &["proxy_ssl_server_name"]),
    )];
    if let Some(proxy) = Server::start(&servers::NGINX, &[], server.addr(4108)).await {
        let wrong = proxy.wrong(&cases).await;
        assert!(wrong.is_empty(), "{}", wrong.concat());
    }
}
