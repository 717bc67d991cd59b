//! The cure for each cause, and the setting for it in common servers. The name that the server sends selects the
//! settings to show, but never the cause.

use std::fmt::{self, Display};

use crate::findings::Id;
use crate::software::Software;

/// What to do, and the settings of the servers that are named, or of each.
pub struct Cure {
    pub what: &'static str,
    pub settings: Vec<String>,
}

impl Cure {
    pub fn of(id: Id, named: &[Software]) -> Self {
        Self::new(of(id), named)
    }

    /// The cure where browsers reuse a connection, and get another answer than 421 for a host that is not served on it.
    pub fn of_silent_reuse(named: &[Software]) -> Self {
        Self::new(SILENT_REUSE, named)
    }

    /// The cure where clients of an IP address get no answer, because they send no server name.
    pub fn of_address(named: &[Software]) -> Self {
        Self::new(ADDRESS, named)
    }

    fn new((what, settings): (&'static str, Settings), named: &[Software]) -> Self {
        let shown = match named {
            [] => &Software::ALL,
            named => named,
        };
        let setting = |software: &Software| {
            let (_, setting) = settings.iter().find(|(of, _)| of == software)?;
            Some(format!("{}: {setting}", software.name()))
        };
        Self {
            what,
            settings: shown.iter().filter_map(setting).collect(),
        }
    }
}

impl Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        self.settings
            .iter()
            .try_for_each(|setting| write!(f, " {setting}."))
    }
}

type Settings = &'static [(Software, &'static str)];

const SILENT_REUSE: (&str, Settings) = (
    "Answer 421 for hosts that are served elsewhere, so that browsers repeat the request on a connection of its own. Or \
     give the hosts separate certificates.",
    &[
        (
            Software::Nginx,
            "`return 421` in the `server` block with `default_server`",
        ),
        (
            Software::Httpd,
            "`RewriteRule ^ - [R=421]` in the first `<VirtualHost>`",
        ),
        (Software::Caddy, "`respond 421` in a site `https://`"),
        (
            Software::Haproxy,
            "`http-request return status 421` for the hosts of other frontends",
        ),
        (
            Software::Envoy,
            "`direct_response: { status: 421 }` for the `domains` of other filter chains",
        ),
        (
            Software::TowerMisdirected,
            "`MisdirectedLayer` around all routes, with `allowed_hosts`",
        ),
    ],
);

const ADDRESS: (&str, Settings) = (
    "Let the client use a name. Or serve clients without a server name, under a certificate that has the address.",
    &[(
        Software::TowerMisdirected,
        "an entry of `VirtualHosts` with the address",
    )],
);

fn of(id: Id) -> (&'static str, Settings) {
    use Software::{Caddy, Envoy, Haproxy, Httpd, Nginx, TowerMisdirected, Traefik};
    match id {
        Id::Bypass => (
            "Refuse requests whose host has other TLS requirements than the connection, also over HTTP/2 and without a \
             server name.",
            &[
                (
                    Nginx,
                    "verify client certificates in the `server` block of the host with `ssl_verify_client on`",
                ),
                (
                    Httpd,
                    "`SSLVHostSNIPolicy secure`, the default, or `strict`",
                ),
                (Caddy, "`strict_sni_host on` in the `servers` options"),
                (
                    Haproxy,
                    "`http-request return status 421 if { ... }` with a rule that compares `ssl_fc_sni` and \
                     `req.hdr(host),host_only`, and no session resumption between the hosts",
                ),
                (
                    Traefik,
                    "set `tls.options` on every router of the host, and use a current version",
                ),
                (
                    Envoy,
                    "a route table for each filter chain, with the hosts of that chain alone",
                ),
                (
                    TowerMisdirected,
                    "put `MisdirectedLayer` in front, at `Coalescing::SameTlsConfig` or stricter",
                ),
            ],
        ),
        Id::StrictSni => (
            "Compare names without the port and the trailing dot, make an exception for IP addresses, and better still \
             compare what the hosts require of TLS.",
            &[
                (
                    Nginx,
                    "in place of `if ($ssl_server_name != $host)`, `map $ssl_server_name $expected { \"\" ADDRESS; default \
                     $ssl_server_name; }` and `if ($expected != $host)`",
                ),
                (
                    Httpd,
                    "the `RewriteCond` or `<If>` that compares `SSL_TLS_SNI`; `SSLVHostSNIPolicy` does better",
                ),
                (
                    Caddy,
                    "`strict_sni_host insecure_off`, if no host asks for client certificates",
                ),
                (
                    Haproxy,
                    "compare `ssl_fc_sni` with `req.hdr(host),host_only,lower,'regsub(\"\\.$\",\"\")'`, and allow ADDRESS alone if \
                     `ssl_fc_has_sni` is false",
                ),
                (Envoy, "`strip_any_host_port` and `strip_trailing_host_dot`"),
                (
                    TowerMisdirected,
                    "`Coalescing::SameTlsConfig` in place of `Never`, and the port in `ports` if that is set",
                ),
            ],
        ),
        Id::CertificateLacksHost => (
            "Get a certificate that covers the host, or lead the host's DNS entry elsewhere.",
            &[
                (Nginx, "`ssl_certificate` in the `server` block of the host"),
                (
                    Httpd,
                    "`SSLCertificateFile` in the `<VirtualHost>` of the host",
                ),
                (
                    Caddy,
                    "name the host as a site address, or correct `tls CERT KEY`",
                ),
                (Haproxy, "the certificate in `crt` or `crt-list`"),
                (
                    Traefik,
                    "the certificate in `tls.certificates`, or the router's `certResolver`",
                ),
                (Envoy, "`tls_certificates` of the host's filter chain"),
                (
                    TowerMisdirected,
                    "the certificate in the `ServerConfig` or the PEM files of the host",
                ),
            ],
        ),
        Id::DefaultCertificate => (
            "Add the host, with a certificate that covers it, or let the server refuse names that it does not know.",
            &[
                (
                    Nginx,
                    "a `server` block with `server_name` and `ssl_certificate`; `ssl_reject_handshake on` in the default one",
                ),
                (
                    Httpd,
                    "a `<VirtualHost>` with `ServerName` and `SSLCertificateFile`",
                ),
                (Caddy, "the host as a site address; no `default_sni`"),
                (
                    Haproxy,
                    "the certificate in `crt` or `crt-list`; `strict-sni` to refuse others",
                ),
                (
                    Traefik,
                    "the certificate in `tls.certificates`, or `certResolver`; `sniStrict` to refuse others",
                ),
                (Envoy, "a filter chain with the host in `server_names`"),
                (
                    TowerMisdirected,
                    "the host in `VirtualHosts`; without `default_to`, others are refused",
                ),
            ],
        ),
        Id::UnknownHost => (
            "Add the host to the server, or lead its DNS entry elsewhere.",
            &[
                (Nginx, "`server_name`"),
                (Httpd, "`ServerName` or `ServerAlias`"),
                (Caddy, "the host as a site address"),
                (
                    Haproxy,
                    "a certificate in `crt` or `crt-list`, and a rule of the frontend",
                ),
                (Traefik, "a router with `Host(...)`"),
                (Envoy, "`server_names` and `domains`"),
                (
                    TowerMisdirected,
                    "the host in `VirtualHosts` and `allowed_hosts`",
                ),
            ],
        ),
        Id::FixedSni | Id::NoSni => (
            "Let the proxy send the host of each request as the server name.",
            &[
                // Kept connections and resumed sessions have the server name of another host.
                (
                    Nginx,
                    "`proxy_ssl_server_name on; proxy_ssl_name $host; proxy_ssl_session_reuse off;`, and no `keepalive` \
                     in an `upstream` that several hosts share",
                ),
                (Httpd, "`ProxyPreserveHost On`"),
                (
                    Caddy,
                    "`tls_server_name {http.request.host}` and `keepalive off` in `transport http`",
                ),
                (
                    Haproxy,
                    "`sni req.hdr(host),host_only` on the `server` line",
                ),
                (
                    Traefik,
                    "a `serversTransport` with `serverName` for each host",
                ),
                (
                    Envoy,
                    "`auto_sni` in the cluster's `upstream_http_protocol_options`",
                ),
                (
                    TowerMisdirected,
                    "`default_to` for clients without a server name, or one `ServerConfig` for all hosts of the proxy",
                ),
            ],
        ),
        Id::Always421 => (
            "See the server's log for its reason, or its configuration if the log has none, and correct what it knows \
             of the host.",
            &[
                (
                    Nginx,
                    "`server_name`, as other hosts get the block with `default_server`; as the proxy in front, \
                     `proxy_set_header Host $host`",
                ),
                (Httpd, "as the proxy in front, `ProxyPreserveHost On`"),
                (Haproxy, "the condition of the rule that returns 421"),
                (
                    TowerMisdirected,
                    "`allowed_hosts`, `ports`, and `gateway` behind a proxy that terminates TLS",
                ),
            ],
        ),
        Id::UnverifiableCertificate => (
            "Get a certificate from an authority that clients trust, and send its whole chain. If the authority is your \
             own, run this again with --ca.",
            &[],
        ),
        Id::WildcardOverClientCertificates => (
            "Nothing has to be done. To save the detour, give the host that asks for client certificates a certificate \
             of its own, and leave that name out of the others.",
            &[
                (
                    Nginx,
                    "`ssl_certificate` in the `server` block with `ssl_verify_client`",
                ),
                (
                    Httpd,
                    "`SSLCertificateFile` in the `<VirtualHost>` with `SSLVerifyClient`",
                ),
                (Caddy, "`tls CERT KEY` beside `client_auth`"),
                (
                    Haproxy,
                    "a line of its own in `crt-list`, with `verify required`",
                ),
                (
                    Traefik,
                    "a certificate of its own beside `clientAuth` in `tls.options`",
                ),
                (
                    Envoy,
                    "`tls_certificates` beside `require_client_certificate`",
                ),
                (
                    TowerMisdirected,
                    "another certificate in the `ServerConfig` with the client verifier",
                ),
            ],
        ),
        Id::Http2Reuse => (
            "Nothing has to be done. To save the detour, let the hosts share one TLS configuration, or give them separate \
             certificates.",
            &[
                (Nginx, "the same `ssl_` directives in both `server` blocks"),
                (Httpd, "the same `SSL` directives in both `<VirtualHost>`s"),
                (
                    Caddy,
                    "`strict_sni_host insecure_off`, if no host asks for client certificates",
                ),
                (
                    Haproxy,
                    "a rule that lets hosts of one certificate share connections, in place of one that compares `ssl_fc_sni`",
                ),
                (Traefik, "the same `tls.options` on both routers"),
                (Envoy, "both hosts in `server_names` of one filter chain"),
                (
                    TowerMisdirected,
                    "clones of one `Arc<ServerConfig>` for both hosts, and `Coalescing::SameTlsConfig`",
                ),
            ],
        ),
        Id::Cacheable421 => (
            "Add `Cache-Control: no-store` to every 421.",
            &[
                (
                    Nginx,
                    "`add_header Cache-Control no-store always` in the location of `error_page 421`",
                ),
                (
                    Httpd,
                    "`Header always set Cache-Control no-store \"expr=%{REQUEST_STATUS} == 421\"`",
                ),
                (Caddy, "`header Cache-Control no-store` in `handle_errors`"),
                (
                    Haproxy,
                    "`hdr Cache-Control no-store` in the rule that returns 421",
                ),
                (Envoy, "`response_headers_to_add` in `local_reply_config`"),
            ],
        ),
        Id::ConnectionEnded => (
            "Nothing has to be done over HTTP/1.1. Over HTTP/2 and HTTP/3, a 421 should leave the connection open, because \
             it serves other hosts.",
            &[(
                TowerMisdirected,
                "`close_http1(false)` keeps connections of HTTP/1.1 open",
            )],
        ),
    }
}
