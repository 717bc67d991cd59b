//! What each server gets wrong on which port, what the tool should say about it, and which mistakes a server cannot
//! make. The configuration files are beside this file, and the servers are started in `servers`.

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
const ODD: &[&str] = &["a.test", "a.test.", "127.0.0.1"];

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

/// The server behind a proxy, seen without it.
const fn behind_a_proxy() -> Case {
    visit(4110, AB, note("no-sni", AB, &["server name"]))
}

const fn strict_sni(hosts: &'static [&'static str], settings: &'static [&'static str]) -> Case {
    visit(4109, ODD, first("strict-sni", hosts, settings))
}

/// nginx by itself answers 421 only for hosts with client certificates. For the other cases it has the `if` that
/// people write.
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
    strict_sni(&["127.0.0.1"], &["$ssl_server_name"]),
    visit(4112, ODD, Expected::Well),
    behind_a_proxy(),
];

/// Apache httpd cannot make three mistakes:
///
/// - As a proxy it sends the same name as `Host` and as the server name, with `ProxyPreserveHost` and without. So it
///   sends neither none nor a fixed one with another host.
/// - It asks for a client certificate at the request, too, if the handshake did not. So no policy makes a bypass.
/// - Its policies compare virtual hosts and not names, so only a rule of one's own refuses an address.
pub const HTTPD: &[Case] = &[
    healthy(),
    another_certificate(&["SSLCertificateFile"]),
    visit(4103, AB, Expected::Well),
    client_certificates(),
    with_certificate(client_certificates()),
    default_certificate(&["ServerName", "ServerAlias"]),
    http2_reuse(&["`SSL`"]),
    without_server_name_a_is_served(),
    strict_sni(&["a.test.", "127.0.0.1"], &["Rewrite"]),
    behind_a_proxy(),
];

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

/// Traefik looks for a certificate that names the host, so it never presents one that names another host. Where there
/// is none, it makes one. Its check cannot be turned off, so there is no bypass.
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
    // The address is not compared with anything: without a server name, it has other options than its router wants.
    visit(4109, ODD, first("no-sni", &["127.0.0.1"], &[])),
    behind_a_proxy(),
];

/// This crate ignores a trailing dot, and without a server name it serves an address that the certificate names, at
/// every level. So it is not too strict.
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

/// Envoy compares nothing by itself. The answer 421 is a route that people write.
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
