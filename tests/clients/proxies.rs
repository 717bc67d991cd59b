//! HAProxy and nginx before the site: TLS passed through by its server name, and TLS of their own with and
//! without one. What clients do with the answers is not here.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::http::{Response, Version};
use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio_rustls::client::TlsStream;

use crate::observed::assert_settings;
use crate::program::Directory;
use crate::site::{self, Record, Site, Tls};
use crate::{installed, pki, wire};

/// A running proxy, ended when the test ends.
struct Proxy {
    directory: Directory,
    _child: Child,
}

impl Proxy {
    /// Starts HAProxy, unless it is not installed.
    async fn haproxy(site: &Site, other: &Site) -> Option<Self> {
        let program = installed::find(&["haproxy"])?;
        installed::announce("haproxy", Command::new(&program).arg("-v")).await;
        assert_settings("haproxy", include_str!("haproxy.cfg"));
        let mut command = Command::new(&program);
        let configuration = include_str!("haproxy.cfg");
        Some(Self::start(command.args(["-db", "-f"]), configuration, site, other).await)
    }

    /// Starts nginx, unless it is not installed or lacks the module that passes TLS through.
    async fn nginx(site: &Site, other: &Site) -> Option<Self> {
        let program = installed::find(&["nginx"])?;
        installed::announce("nginx", Command::new(&program).arg("-v")).await;
        assert_settings("nginx", include_str!("nginx.conf"));
        let mut configuration = include_str!("nginx.conf").to_owned();
        // Debian has it apart.
        let stream = "/usr/lib/nginx/modules/ngx_stream_module.so";
        if Path::new(stream).exists() {
            configuration.insert_str(0, &format!("load_module {stream};\n"));
        }
        let mut command = Command::new(&program);
        Some(
            Self::start(
                command.args(["-e", "stderr", "-c"]),
                &configuration,
                site,
                other,
            )
            .await,
        )
    }

    async fn start(command: &mut Command, configuration: &str, site: &Site, other: &Site) -> Self {
        let directory = Directory::new();
        let configuration = configuration
            .replace("/srv/site", directory.path("").trim_end_matches('/'))
            .replace("127.0.0.1:8443", &site.addr.to_string())
            .replace("127.0.0.1:9443", &other.addr.to_string());
        directory.write("configuration", configuration);
        directory.write("ca.pem", site::ca());
        let leaf = pki::leaf(site::NAMES);
        let chain = pki::pem("CERTIFICATE", &leaf.der);
        directory.write("site.pem", chain + &pki::key(&leaf));

        let mut child = command
            .arg(directory.path("configuration"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Neither says when it listens.
        let listens = async {
            while UnixStream::connect(directory.path("no_sni")).await.is_err() {
                assert!(
                    child.try_wait().unwrap().is_none(),
                    "{command:?} ended early"
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let listens = tokio::time::timeout(wire::PATIENCE, listens).await;
        listens.expect("a proxy that listens");
        Self {
            directory,
            _child: child,
        }
    }

    async fn connect(&self, way: &str, server_name: &str) -> TlsStream<UnixStream> {
        let io = UnixStream::connect(self.directory.path(way)).await.unwrap();
        let io = wire::handshake(io, pki::client(&["h2"]), Some(server_name));
        io.await.unwrap()
    }

    async fn open(&self, way: &str, server_name: &str) -> SendRequest<Bytes> {
        wire::http2(self.connect(way, server_name).await).await
    }

    /// What each of these hosts is answered on one connection of a client, opened for the first of them.
    async fn asked_for(&self, way: &str, hosts: &[&str]) -> Vec<u16> {
        let client = self.open(way, hosts[0]).await;
        let mut statuses = Vec::new();
        for host in hosts {
            statuses.push(get(&client, host).await.status().as_u16());
        }
        statuses
    }
}

/// A refusal has to be whole when it has passed a proxy (C1, C2).
async fn get(client: &SendRequest<Bytes>, host: &str) -> Response<String> {
    let answer = wire::send2(client, wire::get2(Some(host), &[])).await;
    if answer.status() == 421 {
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.body(), r#"{"error":"misdirected_request"}"#);
    }
    answer
}

/// The server names that the proxy chose.
fn server_names(records: &[Record]) -> Vec<&str> {
    let names = records.iter().map(|record| record.server_name.as_deref());
    names.map(|name| name.unwrap_or("none")).collect()
}

async fn sites(tls: Tls) -> (Site, Site) {
    (Site::start(tls).await, Site::start(Tls::Shared).await)
}

/// TLS passed through by its server name: the proxy sees nothing of HTTP, so a client that coalesces gets to the
/// wrong site, which says so, and its retry to the right one.
async fn tls_passed_through(proxy: &Proxy, site: &Site, other: &Site) {
    let io = proxy.connect("passed_through", "one.test").await;
    let (_, tls) = io.get_ref();
    assert_eq!(tls.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(tls.peer_certificates().unwrap()[0], site.leaf.der);
    let client = wire::http2(io).await;
    for (host, status) in [("one.test", 200), ("two.test", 421), ("one.test", 200)] {
        assert_eq!(get(&client, host).await.status(), status, "{host}");
    }
    let records = site.take();
    assert_eq!(server_names(&records), ["one.test"; 3]);
    assert!(
        records
            .iter()
            .all(|record| record.version == Version::HTTP_2
                && record.connection == records[0].connection)
    );

    assert_eq!(
        proxy.asked_for("passed_through", &["two.test"]).await,
        [200]
    );
    assert_eq!(server_names(&other.take()), ["two.test"]);
    assert_eq!(site.take().len(), 0);
}

/// TLS of the proxy's own, with the request's host as server name, whether or not connections are kept.
async fn the_host_as_server_name(
    proxy: &Proxy,
    site: &Site,
    way: &str,
    version: Version,
    kept: bool,
) {
    let hosts = ["one.test", "one.test", "two.test"];
    assert_eq!(proxy.asked_for(way, &hosts).await, [200; 3]);
    let records = site.take();
    assert_eq!(server_names(&records), hosts);
    assert!(records.iter().all(|record| record.version == version));
    assert_eq!(records[0].connection == records[1].connection, kept);
}

/// TLS of the proxy's own, without a server name: that is the default virtual host (B9), and those who share
/// its configuration.
async fn no_server_name(start: impl AsyncFn(&Site, &Site) -> Option<Proxy>) {
    for (tls, two) in [(Tls::Apart, 421), (Tls::Shared, 200)] {
        let (site, other) = sites(tls).await;
        let Some(proxy) = start(&site, &other).await else {
            return;
        };
        let statuses = proxy.asked_for("no_sni", &["one.test", "two.test", "one.test"]);
        assert_eq!(statuses.await, [200, two, 200]);
        assert_eq!(server_names(&site.take()), ["none"; 3]);
    }
}

#[tokio::test]
async fn haproxy_passes_tls_through() {
    let (site, other) = sites(Tls::Apart).await;
    if let Some(proxy) = Proxy::haproxy(&site, &other).await {
        tls_passed_through(&proxy, &site, &other).await;
    }
}

#[tokio::test]
async fn nginx_passes_tls_through() {
    let (site, other) = sites(Tls::Apart).await;
    if let Some(proxy) = Proxy::nginx(&site, &other).await {
        tls_passed_through(&proxy, &site, &other).await;
    }
}

#[tokio::test]
async fn haproxy_keeps_connections_by_their_server_name() {
    let (site, other) = sites(Tls::Apart).await;
    let Some(proxy) = Proxy::haproxy(&site, &other).await else {
        return;
    };
    the_host_as_server_name(&proxy, &site, "sni_of_request", Version::HTTP_11, true).await;
    the_host_as_server_name(&proxy, &site, "sni_of_request_http2", Version::HTTP_2, true).await;
}

/// The client's server name is not the request's host where the client has coalesced.
#[tokio::test]
async fn haproxy_with_the_clients_server_name_passes_misdirected_requests_on() {
    let (site, other) = sites(Tls::Apart).await;
    let Some(proxy) = Proxy::haproxy(&site, &other).await else {
        return;
    };
    let hosts = ["one.test", "two.test", "one.test"];
    let statuses = proxy.asked_for("sni_of_client", &hosts);
    assert_eq!(statuses.await, [200, 421, 200]);
    assert_eq!(server_names(&site.take()), ["one.test"; 3]);

    assert_eq!(proxy.asked_for("sni_of_client", &["two.test"]).await, [200]);
    assert_eq!(server_names(&site.take()), ["two.test"]);
}

#[tokio::test]
async fn nginx_with_a_connection_for_each_request_or_a_pool_for_each_host() {
    let (site, other) = sites(Tls::Apart).await;
    let Some(proxy) = Proxy::nginx(&site, &other).await else {
        return;
    };
    for (way, kept) in [("sni_of_request", false), ("pool_for_each_host", true)] {
        the_host_as_server_name(&proxy, &site, way, Version::HTTP_11, kept).await;
    }
}

/// Its pools do not know of server names: the one of the first request serves all that follow.
#[tokio::test]
async fn nginx_with_one_pool_for_hosts_kept_apart_is_refused_now_and_then() {
    let (site, other) = sites(Tls::Apart).await;
    let Some(proxy) = Proxy::nginx(&site, &other).await else {
        return;
    };
    let hosts = ["one.test", "two.test", "two.test", "one.test"];
    let statuses = proxy.asked_for("one_pool", &hosts).await;
    // A refusal closes the connection (C3), so the next request opens one of its own.
    assert_eq!(statuses, [200, 421, 200, 421]);
    let expected = ["one.test", "one.test", "two.test", "two.test"];
    assert_eq!(server_names(&site.take()), expected);
}

#[tokio::test]
async fn b9_haproxy_without_a_server_name() {
    no_server_name(Proxy::haproxy).await;
}

#[tokio::test]
async fn b9_nginx_without_a_server_name() {
    no_server_name(Proxy::nginx).await;
}
