//! nginx, HAProxy, Caddy, Traefik and Envoy as gateways: they terminate TLS, and speak plaintext or TLS of their own
//! with the application. Their settings are those of the guide; TLS that is passed through is in `proxies`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use axum::Router;
use axum::http::Response;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::Child;
use tokio_rustls::client::TlsStream;
use tower_misdirected::{ConnectionInfo, EffectiveAuthority, MisdirectedLayer, Peers, TlsListener};
use tracing::Level;

use crate::launched::{self, Program};
use crate::log::Log;
use crate::ports::free_addr;
use crate::program::Directory;
use crate::{pki, server, site, wire};

/// The page of the guide with the settings.
const GUIDE: &str = include_str!("../../src/guide/proxies.md");

/// What the application serves.
const HOSTS: [&str; 2] = ["one.test", "two.test"];

/// A gateway. The guide has its settings under the name of the program.
struct Kind {
    program: Program,
    settings: &'static str,
    /// Files with more of the settings that the guide tells of.
    also: &'static str,
}

/// The files of a gateway, and its addresses if it has no Unix sockets.
struct Setup {
    directory: Directory,
    terminated: SocketAddr,
    reencrypted: SocketAddr,
    internal: SocketAddr,
}

const NGINX: Kind = Kind {
    program: launched::NGINX,
    settings: include_str!("gateways/nginx.conf"),
    also: concat!(
        include_str!("nginx.conf"),
        include_str!("proxy_protocol/nginx.conf")
    ),
};

const HAPROXY: Kind = Kind {
    program: launched::HAPROXY,
    settings: include_str!("gateways/haproxy.cfg"),
    also: concat!(
        include_str!("haproxy.cfg"),
        include_str!("proxy_protocol/haproxy.cfg")
    ),
};

const CADDY: Kind = Kind {
    program: launched::CADDY,
    settings: include_str!("gateways/Caddyfile"),
    also: "",
};

const TRAEFIK: Kind = Kind {
    program: launched::TRAEFIK,
    settings: include_str!("gateways/traefik.yaml"),
    also: "",
};

const ENVOY: Kind = Kind {
    program: launched::ENVOY,
    settings: include_str!("gateways/envoy.yaml"),
    also: "",
};

impl Setup {
    fn settings(&self) -> String {
        // Envoy goes by the end of the name.
        self.directory.path("settings.yaml")
    }
}

/// A running gateway and the application behind it, ended when the test ends.
struct Gateway {
    setup: Setup,
    _child: Child,
}

impl Gateway {
    /// Starts it, unless it is not installed.
    async fn start(kind: &Kind) -> Option<Self> {
        let setup = Setup {
            directory: Directory::new(),
            terminated: free_addr(),
            reencrypted: free_addr(),
            internal: free_addr(),
        };
        let mut command = kind.program.command(&setup.settings()).await?;
        assert_settings(kind);

        let plaintext = server::plaintext(plaintext_application()).await;
        let tls = tls_application().await;
        let internal = internal_application().await;
        let settings = kind
            .settings
            .replace("/srv/site", setup.directory.path("").trim_end_matches('/'))
            .replace("127.0.0.1:8080", &plaintext.to_string())
            .replace("127.0.0.1:8443", &tls.to_string())
            .replace("127.0.0.1:9443", &internal.to_string())
            .replace(
                "port_value: 8080",
                &format!("port_value: {}", plaintext.port()),
            )
            .replace("port_value: 8443", &format!("port_value: {}", tls.port()))
            .replace(
                "port_value: 9443",
                &format!("port_value: {}", internal.port()),
            );
        setup.directory.write("settings.yaml", settings);
        setup.directory.write("ca.pem", site::ca());
        let leaf = pki::leaf(site::NAMES);
        let key = pki::key(&leaf);
        let chain = pki::pem("CERTIFICATE", &leaf.der);
        setup.directory.write("site.pem", chain + &key);
        setup.directory.write("key.pem", key);

        command.env("HOME", setup.directory.path(""));
        if kind.program.name == "traefik" {
            for (name, addr) in [
                ("terminated", setup.terminated),
                ("reencrypted", setup.reencrypted),
                ("internal", setup.internal),
            ] {
                command.arg(format!("--entrypoints.{name}.address={addr}"));
            }
        }
        // Traefik listens before it has its routes.
        let serves = async || Self::serves(&setup).await;
        let child = kind.program.start(&mut command, serves).await;
        Some(Self {
            setup,
            _child: child,
        })
    }

    async fn serves(setup: &Setup) -> bool {
        for way in ["terminated", "reencrypted", "internal"] {
            let Ok(mut io) = connect(setup, way, "http/1.1").await else {
                return false;
            };
            let request = "GET / HTTP/1.1\nHost: one.test\nConnection: close\n\n";
            match wire::try_exchange(&mut io, request).await {
                Ok(answer) if ![404, 502, 503].contains(&answer.status) => {}
                _ => return false,
            }
        }
        true
    }

    /// What is answered for this host, over HTTP/1.1 and over HTTP/2, on connections for `one.test`.
    async fn ask(&self, way: &str, host: &str) -> [Response<String>; 2] {
        let mut io = connect(&self.setup, way, "http/1.1").await.unwrap();
        let http1 = http1(&mut io, host).await;
        let client = wire::http2(connect(&self.setup, way, "h2").await.unwrap()).await;
        let mut request = wire::get2(Some(host), &[]);
        let forwarded = request.headers_mut();
        forwarded.insert("x-forwarded-host", "one.test".parse().unwrap());
        forwarded.insert("forwarded", "host=one.test;proto=https".parse().unwrap());
        [http1, wire::send2(&client, request).await]
    }
}

/// Every request claims to be for `one.test`, in fields that nobody may believe.
async fn http1<IO: AsyncRead + AsyncWrite + Unpin>(io: &mut IO, host: &str) -> Response<String> {
    let request = format!(
        "GET / HTTP/1.1\nHost: {host}\nX-Forwarded-Host: one.test\n\
         Forwarded: host=one.test;proto=https\nConnection: close\n\n"
    );
    let answer = wire::exchange(io, &request).await;
    let mut response = Response::builder().status(answer.status);
    if let Some(value) = answer.header("cache-control") {
        response = response.header("cache-control", value);
    }
    response.body(answer.body).unwrap()
}

async fn connect(setup: &Setup, way: &str, alpn: &str) -> io::Result<TlsStream<Box<dyn Io>>> {
    let path = setup.directory.path(way);
    let io: Box<dyn Io> = match (Path::new(&path).exists(), way) {
        (true, _) => Box::new(UnixStream::connect(path).await?),
        (false, "terminated") => Box::new(TcpStream::connect(setup.terminated).await?),
        (false, "internal") => Box::new(TcpStream::connect(setup.internal).await?),
        (false, _) => Box::new(TcpStream::connect(setup.reencrypted).await?),
    };
    wire::handshake(io, pki::client(&[alpn]), Some("one.test")).await
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Io for IO {}

/// Says what it sees of the host and of the server name.
fn pages() -> Router {
    Router::new().fallback(
        |authority: EffectiveAuthority, connection: ConnectionInfo| async move {
            let server_name = connection.server_name().unwrap_or("none");
            format!("{} by {server_name}", authority.host())
        },
    )
}

/// As in the guide.
fn plaintext_application() -> Router {
    pages().layer(MisdirectedLayer::behind_gateway(Peers::any(), HOSTS).unwrap())
}

/// Its certificate covers a host that it does not serve, because gateways check the certificate too.
async fn tls_application() -> SocketAddr {
    let layer = MisdirectedLayer::new().allowed_hosts(HOSTS).unwrap();
    application(layer, &["one.test", "two.test", "evil.test"]).await
}

/// As in the guide. Its certificate covers none of the hosts.
async fn internal_application() -> SocketAddr {
    let layer = MisdirectedLayer::new().check_certificate(false);
    application(layer.allowed_hosts(HOSTS).unwrap(), &["internal.lan"]).await
}

async fn application(layer: MisdirectedLayer, names: &[&str]) -> SocketAddr {
    let app = pages().layer(layer);
    let listener = TlsListener::bind((Ipv4Addr::LOCALHOST, 0), pki::server(names));
    let listener = listener.await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    addr
}

/// Holds the settings in the guide to those that the tests use.
fn assert_settings(kind: &Kind) {
    let blocks = GUIDE.split("```").skip(1).step_by(2);
    let blocks =
        blocks.filter_map(|block| block.strip_prefix(kind.program.name)?.strip_prefix('\n'));
    let lines = kind.settings.lines().chain(kind.also.lines());
    let used: Vec<_> = lines.map(str::trim).collect();
    let told: Vec<_> = blocks.flat_map(str::lines).map(str::trim).collect();
    assert!(!told.is_empty(), "no settings for {}", kind.program.name);
    for line in told.into_iter().filter(|line| !line.is_empty()) {
        assert!(used.contains(&line), "not tested: {line}");
    }
}

/// The server names that a gateway sends over TLS: the host where there is none.
struct ServerNames {
    reencrypted: Option<&'static str>,
    internal: Option<&'static str>,
}

/// B1, B3, B5: with the settings of the guide, the application sees the client's host, whatever other fields say. Over
/// TLS, the gateway sends the host as the server name, or always the same one, and checks the certificate of the
/// application, be it for the hosts or internal.
async fn serves_listed_hosts_only(kind: &Kind, server_names: ServerNames) {
    let Some(gateway) = Gateway::start(kind).await else {
        return;
    };
    for way in ["terminated", "reencrypted", "internal"] {
        for host in HOSTS {
            let named = match way {
                "terminated" => "none",
                "internal" => server_names.internal.unwrap_or(host),
                _ => server_names.reencrypted.unwrap_or(host),
            };
            for answer in gateway.ask(way, host).await {
                assert_eq!(answer.status(), 200, "{way} {host}: {answer:?}");
                assert_eq!(*answer.body(), format!("{host} by {named}"), "{way}");
            }
        }
        for answer in gateway.ask(way, "evil.test").await {
            assert_eq!(answer.status(), 421, "{way}");
            assert_eq!(answer.headers()["cache-control"], "no-store");
        }
    }
}

#[tokio::test]
async fn b3_nginx_with_the_settings_of_the_guide() {
    let server_names = ServerNames {
        reencrypted: None,
        internal: Some("internal.lan"),
    };
    serves_listed_hosts_only(&NGINX, server_names).await;
}

#[tokio::test]
async fn b3_haproxy_with_the_settings_of_the_guide() {
    let server_names = ServerNames {
        reencrypted: None,
        internal: Some("internal.lan"),
    };
    serves_listed_hosts_only(&HAPROXY, server_names).await;
}

#[tokio::test]
async fn b3_caddy_with_the_settings_of_the_guide() {
    let server_names = ServerNames {
        reencrypted: None,
        internal: Some("internal.lan"),
    };
    serves_listed_hosts_only(&CADDY, server_names).await;
}

#[tokio::test]
async fn b3_traefik_with_the_settings_of_the_guide() {
    let server_names = ServerNames {
        reencrypted: Some("one.test"),
        internal: Some("internal.lan"),
    };
    serves_listed_hosts_only(&TRAEFIK, server_names).await;
}

#[tokio::test]
async fn b3_envoy_with_the_settings_of_the_guide() {
    let server_names = ServerNames {
        reencrypted: None,
        internal: None,
    };
    serves_listed_hosts_only(&ENVOY, server_names).await;
}

/// nginx sends the name in `proxy_pass` by default. Nothing is served, and the log says what came.
#[tokio::test]
async fn b1_nginx_without_the_host_is_refused_and_the_log_says_which_host_came() {
    // The application runs in this test's thread.
    let log = Log::start(Level::INFO);
    let Some(gateway) = Gateway::start(&NGINX).await else {
        return;
    };
    for host in HOSTS {
        for answer in gateway.ask("bare", host).await {
            assert_eq!(answer.status(), 421, "{host}");
        }
    }
    let text = log.text();
    let events = log.lines("unknown_host");
    assert_eq!(events.len(), 4, "{text}");
    let named = |event: &String| event.contains("server.address=application ");
    assert!(events.iter().all(named), "{text}");
}
