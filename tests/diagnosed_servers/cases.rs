//! What each server gets wrong on which port, what the tool should say about it, and which mistakes a server cannot
//! make. The configuration files are beside this file, and the servers are started in `servers`.
//!
//! The mistakes, and their ports in all configuration files:
//!
//! 1. 4102: the certificate does not name the host.
//! 2. 4103: a proxy sends no server name to the server behind it, which is at 4110.
//! 3. 4104: a proxy sends the same server name for every host.
//! 4. 4105, 4106: a wildcard certificate covers a host that wants client certificates. The server refuses the crossing,
//!    or does not.
//! 5. 4107: a name that the server does not know gets the default certificate.
//! 6. 4108: browsers reuse a connection for a host that the server does not serve on it.
//! 7. 4109: the server compares names, and an address or a trailing dot is none.
//!
//! Nothing is wrong at 4101. 4111 and 4112 have what the tool says about mistakes 2 and 3, and 7.

use crate::tool::{Expected, Finding};

/// A visit to a server.
#[derive(Clone, Copy)]
pub struct Case {
    /// In the configuration file, which says what is wrong there.
    pub port: u16,
    pub asked: &'static [&'static str],
    /// Whether the tool has a client certificate.
    pub certificate: bool,
    /// Whether hosts have the server's port.
    pub port_in_host: bool,
    pub expected: Expected,
}

pub const AB: &[&str] = &["a.test", "b.test"];
pub const W: &[&str] = &["www.w.test", "admin.w.test"];
/// RFC 6066 §3: a server name is no address and has no trailing dot.
pub const ODD: &[&str] = &["a.test", "a.test.", "127.0.0.1"];

pub const fn visit(port: u16, asked: &'static [&'static str], expected: Expected) -> Case {
    Case {
        port,
        asked,
        certificate: false,
        port_in_host: false,
        expected,
    }
}

pub const fn with_certificate(case: Case) -> Case {
    Case {
        certificate: true,
        ..case
    }
}

pub const fn first(
    id: &'static str,
    hosts: &'static [&'static str],
    settings: &'static [&'static str],
) -> Expected {
    Expected::First(Finding {
        id,
        hosts,
        settings,
    })
}

pub const fn note(
    id: &'static str,
    hosts: &'static [&'static str],
    settings: &'static [&'static str],
) -> Expected {
    Expected::Note(Finding {
        id,
        hosts,
        settings,
    })
}

const fn healthy() -> Case {
    visit(4101, AB, Expected::Well)
}

const fn another_certificate(settings: &'static [&'static str]) -> Case {
    visit(
        4102,
        AB,
        first("certificate-lacks-host", &["b.test"], settings),
    )
}

const fn no_sni(settings: &'static [&'static str]) -> Case {
    visit(4103, AB, first("no-sni", AB, settings))
}

const fn fixed_sni(settings: &'static [&'static str]) -> Case {
    visit(4104, AB, first("fixed-sni", &["b.test"], settings))
}

/// A proxy that does what the tool says about the two before.
const fn cured() -> Case {
    visit(4111, AB, Expected::Well)
}

const fn client_certificates() -> Case {
    let id = "wildcard-over-client-certificates";
    visit(4105, W, note(id, &["admin.w.test"], &[]))
}

const fn bypass(settings: &'static [&'static str]) -> Case {
    visit(4106, W, first("bypass", &["admin.w.test"], settings))
}

const fn default_certificate(settings: &'static [&'static str]) -> Case {
    visit(
        4107,
        AB,
        first("default-certificate", &["b.test"], settings),
    )
}

const fn http2_reuse(settings: &'static [&'static str]) -> Case {
    visit(4108, AB, note("http2-reuse", AB, settings))
}

/// The same server, to clients without a server name.
const fn without_server_name_a_is_served() -> Case {
    visit(4108, AB, note("no-sni", &["b.test"], &[]))
}

/// The server behind a proxy, seen without it. It is as it should be, and nothing there tells which server name a proxy
/// sends.
const fn behind_a_proxy() -> Case {
    visit(4110, AB, note("no-sni", AB, &["server name"]))
}

const fn strict_sni(hosts: &'static [&'static str], settings: &'static [&'static str]) -> Case {
    visit(4109, ODD, first("strict-sni", hosts, settings))
}

/// nginx answers 421 by itself only for hosts with client certificates. Elsewhere, mistakes 6 and 7 need a rule: the `if`
/// that people write.
pub const NGINX: &[Case] = &[
    healthy(),
    another_certificate(&["ssl_certificate"]),
    no_sni(&["proxy_ssl_server_name"]),
    fixed_sni(&["proxy_ssl_name"]),
    cured(),
    client_certificates(),
    with_certificate(client_certificates()),
    // nginx refuses the crossing itself. What it cannot see is a second place where TLS ends.
    bypass(&["ssl_verify_client", "server_name"]),
    with_certificate(bypass(&["ssl_verify_client", "server_name"])),
    default_certificate(&["server_name"]),
    http2_reuse(&["server"]),
    // Two places where TLS ends, which answer 404 for each other's host, and the cure.
    visit(4113, AB, first("http2-reuse", AB, &["return 421"])),
    visit(4114, AB, note("http2-reuse", AB, &[])),
    strict_sni(&["127.0.0.1"], &["$ssl_server_name"]),
    visit(4112, ODD, Expected::Well),
    behind_a_proxy(),
];

/// Apache httpd cannot make three mistakes:
///
/// - As a proxy it sends the same name as `Host` and as the server name, with `ProxyPreserveHost` and without. So a
///   fixed server name comes with its own host, and nobody answers 421.
/// - It asks for a client certificate at the request, too, if the handshake did not. So no policy makes a bypass.
/// - Its policies compare virtual hosts and not names, so only a rule of one's own refuses an address.
pub const HTTPD: &[Case] = &[
    healthy(),
    another_certificate(&["SSLCertificateFile"]),
    no_sni(&["ProxyPreserveHost On"]),
    cured(),
    client_certificates(),
    with_certificate(client_certificates()),
    default_certificate(&["ServerName", "ServerAlias"]),
    http2_reuse(&["`SSL`"]),
    without_server_name_a_is_served(),
    strict_sni(&["a.test.", "127.0.0.1"], &["Rewrite"]),
    behind_a_proxy(),
];

/// Caddy can make every mistake.
pub const CADDY: &[Case] = &[
    healthy(),
    another_certificate(&["tls "]),
    no_sni(&["tls_server_name"]),
    fixed_sni(&["tls_server_name"]),
    cured(),
    client_certificates(),
    with_certificate(client_certificates()),
    bypass(&["strict_sni_host"]),
    with_certificate(bypass(&["strict_sni_host"])),
    default_certificate(&["site"]),
    http2_reuse(&["strict_sni_host"]),
    strict_sni(&["a.test.", "127.0.0.1"], &["strict_sni_host"]),
    // Without the check.
    visit(4101, ODD, Expected::Well),
    behind_a_proxy(),
];

/// HAProxy can make every mistake, because it compares nothing by itself.
pub const HAPROXY: &[Case] = &[
    healthy(),
    another_certificate(&["crt"]),
    no_sni(&["sni "]),
    fixed_sni(&["sni "]),
    cured(),
    client_certificates(),
    with_certificate(client_certificates()),
    bypass(&["ssl_fc_sni"]),
    with_certificate(bypass(&["ssl_fc_sni"])),
    default_certificate(&["crt"]),
    http2_reuse(&["ssl_fc_sni"]),
    strict_sni(&["a.test.", "127.0.0.1"], &["ssl_fc_sni"]),
    visit(4112, ODD, Expected::Well),
    behind_a_proxy(),
];

/// Traefik looks for a certificate that names the host. If there is none, it presents one of its own making, so mistake 1
/// looks like mistake 5 except for the answer. Its check cannot be turned off, so there is no bypass.
pub const TRAEFIK: &[Case] = &[
    healthy(),
    visit(
        4102,
        &["a.test", "d.test"],
        first("certificate-lacks-host", &["d.test"], &["certificates"]),
    ),
    no_sni(&["serverName"]),
    fixed_sni(&["serverName"]),
    cured(),
    client_certificates(),
    with_certificate(client_certificates()),
    visit(
        4107,
        &["a.test", "d.test"],
        first("default-certificate", &["d.test"], &["certificates"]),
    ),
    http2_reuse(&["options"]),
    without_server_name_a_is_served(),
    // Traefik compares TLS options, not names. Without a server name, the address does not get the options of its router.
    visit(4109, ODD, first("no-sni", &["127.0.0.1"], &[])),
    behind_a_proxy(),
];

/// This crate is no proxy. It ignores a trailing dot, and it serves an address that the certificate names without a server
/// name, at every level. So it cannot make mistakes 2, 3 and 7.
pub const OURS: &[Case] = &[
    healthy(),
    another_certificate(&["certificate"]),
    client_certificates(),
    with_certificate(client_certificates()),
    bypass(&["Coalescing"]),
    with_certificate(bypass(&["Coalescing"])),
    default_certificate(&["VirtualHosts"]),
    http2_reuse(&["ServerConfig"]),
    visit(4109, ODD, Expected::Well),
    behind_a_proxy(),
];

/// Envoy compares nothing by itself, so it makes mistakes 6 and 7 only if a route says so. The answer 421 is such a route.
pub const ENVOY: &[Case] = &[
    healthy(),
    no_sni(&["auto_sni"]),
    fixed_sni(&["auto_sni"]),
    cured(),
    client_certificates(),
    with_certificate(client_certificates()),
    bypass(&["route"]),
    with_certificate(bypass(&["route"])),
];

/// A proxy that sends no server name, or a fixed one, in front of any of the servers. nginx is the proxy.
pub const PROXIES: &[Case] = &[
    no_sni(&["proxy_ssl_server_name"]),
    fixed_sni(&["proxy_ssl_name"]),
    cured(),
];
