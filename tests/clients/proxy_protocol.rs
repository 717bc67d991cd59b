//! D6: HAProxy and nginx that send PROXY protocol headers, with the settings of the guide. Their clients come from
//! addresses of their own, so that these differ from the proxy's.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::map_request;
use bytes::Bytes;
use h2::client::SendRequest;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio_rustls::client::TlsStream;
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, Peers, PlaintextListener, ProxyProtocol,
    TlsAcceptor, VirtualHosts,
};

use crate::ports::free_addr;
use crate::program::Directory;
use crate::{installed, pki, server, site, wire};

const HOSTS: [&str; 3] = ["one.test", "api.one.test", "two.test"];

/// Where the proxies of the test come from.
fn proxies() -> Peers {
    Peers::new(["127.0.0.1/32"]).unwrap()
}

/// The application: two TLS listeners and one without TLS.
struct Application {
    tls: [SocketAddr; 2],
    plaintext: SocketAddr,
    /// How many requests have come without TLS.
    requests: Arc<AtomicUsize>,
    /// The handshakes that failed.
    failures: Arc<Mutex<Vec<String>>>,
}

/// Says what it sees: the host, the virtual host, the address of the client, and that of the peer.
fn pages() -> Router {
    Router::new().fallback(
        |authority: EffectiveAuthority, connection: ConnectionInfo| async move {
            let virtual_host = connection.virtual_host().map_or("none", |host| host.id());
            let [client, peer] =
                [connection.client_addr(), connection.peer_addr()].map(|addr| addr.unwrap().ip());
            let host = authority.host();
            format!("{host} on {virtual_host} from {client} through {peer}")
        },
    )
}

/// `one.test` and `api.one.test` share their connections, and `two.test` does not.
fn virtual_hosts() -> VirtualHosts {
    let leaf = pki::leaf(&HOSTS);
    let one = Arc::new(leaf.server_config());
    let hosts = VirtualHosts::builder()
        .virtual_host("one", ["one.test"], one.clone())
        .virtual_host("api", ["api.one.test"], one)
        .virtual_host("two", ["two.test"], Arc::new(leaf.server_config()));
    hosts.build().unwrap()
}

impl Application {
    async fn start() -> Self {
        let failures = Arc::<Mutex<Vec<String>>>::default();
        let tls = [Self::tls(&failures).await, Self::tls(&failures).await];

        let requests = Arc::<AtomicUsize>::default();
        let counted = requests.clone();
        let layer = MisdirectedLayer::behind_gateway(proxies(), HOSTS).unwrap();
        let app = pages()
            .layer(layer.json())
            .layer(map_request(move |request: Request| {
                counted.fetch_add(1, Ordering::SeqCst);
                std::future::ready(request)
            }));
        let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
        let proxy_protocol = ProxyProtocol::from_peers(proxies());
        let listener = PlaintextListener::bind((Ipv4Addr::LOCALHOST, 0), proxy_protocol);
        let listener = listener.await.unwrap();
        let plaintext = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self {
            tls,
            plaintext,
            requests,
            failures,
        }
    }

    async fn tls(failures: &Arc<Mutex<Vec<String>>>) -> SocketAddr {
        let failures = failures.clone();
        let acceptor = TlsAcceptor::from(virtual_hosts())
            .proxy_protocol(proxies())
            .on_handshake_failure(move |failure| {
                failures.lock().unwrap().push(format!("{failure:?}"));
            });
        server::tls(pages().layer(MisdirectedLayer::new().json()), acceptor).await
    }

    fn failures(&self) -> Vec<String> {
        std::mem::take(&mut *self.failures.lock().unwrap())
    }
}

/// A running proxy and the application behind it, ended when the test ends.
struct Proxy {
    directory: Directory,
    application: Application,
    /// Where it listens: TLS that is passed through, TLS that it terminates, in three ways,
    /// and TLS connections of its own.
    addrs: [SocketAddr; 5],
    _child: Child,
}

impl Proxy {
    /// Starts HAProxy, unless it is not installed.
    async fn haproxy() -> Option<Self> {
        let program = installed::find(&["haproxy"])?;
        installed::announce("haproxy", Command::new(&program).arg("-v")).await;
        let settings = include_str!("proxy_protocol/haproxy.cfg").to_owned();
        let proxy = Self::start(program, &["-db", "-f"], settings).await;
        // HAProxy listens on everything before it answers.
        proxy.stats().await;
        Some(proxy)
    }

    /// Starts nginx, unless it is not installed or lacks the module that passes TLS through.
    async fn nginx() -> Option<Self> {
        let program = installed::find(&["nginx"])?;
        installed::announce("nginx", Command::new(&program).arg("-v")).await;
        let mut settings = include_str!("proxy_protocol/nginx.conf").to_owned();
        // Debian has it apart.
        let stream = "/usr/lib/nginx/modules/ngx_stream_module.so";
        if Path::new(stream).exists() {
            settings.insert_str(0, &format!("load_module {stream};\n"));
        }
        Some(Self::start(program, &["-e", "stderr", "-c"], settings).await)
    }

    async fn start(program: PathBuf, arguments: &[&str], settings: String) -> Self {
        let application = Application::start().await;
        let directory = Directory::new();
        let mut settings = settings;
        let mut addrs = Vec::new();
        for port in 443..=447 {
            let addr = free_addr();
            addrs.push(addr);
            // An address stands before other words, or at the end.
            for end in [" ", "\n", ";"] {
                let known = format!("127.0.0.1:{port}{end}");
                settings = settings.replace(&known, &format!("{addr}{end}"));
            }
        }
        let [one, two] = application.tls;
        let settings = settings
            .replace("/srv/site", directory.path("").trim_end_matches('/'))
            .replace("127.0.0.1:8443", &one.to_string())
            .replace("127.0.0.1:9443", &two.to_string())
            .replace("127.0.0.1:8080", &application.plaintext.to_string());
        directory.write("settings", settings);
        directory.write("ca.pem", site::ca());
        let leaf = pki::leaf(&HOSTS);
        let chain = pki::pem("CERTIFICATE", &leaf.der);
        let key = pki::key(&leaf);
        directory.write("site.pem", chain + &key);

        let mut child = Command::new(program)
            .args(arguments)
            .arg(directory.path("settings"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Neither says when it listens.
        let listens = async {
            while UnixStream::connect(directory.path("ready")).await.is_err() {
                assert!(child.try_wait().unwrap().is_none(), "it ended early");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let listens = tokio::time::timeout(wire::PATIENCE, listens).await;
        listens.expect("a proxy that listens");
        Self {
            directory,
            application,
            addrs: addrs.try_into().unwrap(),
            _child: child,
        }
    }

    /// A client's TLS connection from this address.
    async fn connect(
        &self,
        way: usize,
        from: [u8; 4],
        config: ClientConfig,
        server_name: &str,
    ) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let tcp = socket.connect(self.addrs[way]).await.unwrap();
        let handshake = wire::handshake(tcp, config, Some(server_name));
        let handshake = tokio::time::timeout(wire::PATIENCE, handshake).await;
        handshake.expect("a handshake in time").unwrap()
    }

    async fn open(&self, way: usize, from: [u8; 4], server_name: &str) -> SendRequest<Bytes> {
        let config = pki::client(&["h2"]);
        wire::http2(self.connect(way, from, config, server_name).await).await
    }

    /// What HAProxy says about its servers: name, status, and status of the last check.
    async fn stats(&self) -> Vec<[String; 3]> {
        let mut io = UnixStream::connect(self.directory.path("ready"))
            .await
            .unwrap();
        io.write_all(b"show stat -1 4 -1\n").await.unwrap();
        let mut text = String::new();
        let read = tokio::time::timeout(wire::PATIENCE, io.read_to_string(&mut text));
        read.await.expect("an answer in time").unwrap();
        let rows = text
            .lines()
            .map(|line| line.trim_start_matches("# ").split(','));
        let mut rows = rows.map(|row| row.collect::<Vec<_>>());
        let names = rows.next().unwrap();
        let columns = ["svname", "status", "check_status"]
            .map(|name| names.iter().position(|column| *column == name).unwrap());
        let rows = rows.filter(|row| row.len() == names.len());
        rows.map(|row| columns.map(|column| row[column].to_owned()))
            .collect()
    }
}

/// Status and body of what is answered for a host.
async fn get(client: &SendRequest<Bytes>, host: &str) -> (u16, String) {
    let answer = wire::send2(client, wire::get2(Some(host), &[])).await;
    (answer.status().as_u16(), answer.into_body())
}

fn refused() -> (u16, String) {
    (421, r#"{"error":"misdirected_request"}"#.to_owned())
}

fn served(host: &str, virtual_host: &str, client: &str) -> (u16, String) {
    let page = format!("{host} on {virtual_host} from {client} through 127.0.0.1");
    (200, page)
}

/// The application sees each client's address and its own TLS connection. It refuses what the client coalesced wrongly,
/// and serves it on a connection of its own.
async fn passed_through(proxy: &Proxy) {
    for (from, client) in [([127, 0, 0, 2], "127.0.0.2"), ([127, 0, 0, 3], "127.0.0.3")] {
        let one = proxy.open(0, from, "one.test").await;
        assert_eq!(
            get(&one, "one.test").await,
            served("one.test", "one", client)
        );
        assert_eq!(
            get(&one, "api.one.test").await,
            served("api.one.test", "one", client)
        );
        assert_eq!(get(&one, "two.test").await, refused());
        assert_eq!(get(&one, "one.test").await.0, 200);

        let two = proxy.open(0, from, "two.test").await;
        assert_eq!(
            get(&two, "two.test").await,
            served("two.test", "two", client)
        );
        assert_eq!(get(&two, "one.test").await, refused());
    }
    assert_eq!(proxy.application.failures(), [""; 0]);
}

#[tokio::test]
async fn d6_haproxy_passes_tls_through_with_a_header() {
    if let Some(proxy) = Proxy::haproxy().await {
        passed_through(&proxy).await;
    }
}

#[tokio::test]
async fn d6_nginx_passes_tls_through_with_a_header() {
    if let Some(proxy) = Proxy::nginx().await {
        passed_through(&proxy).await;
    }
}

/// The checks of HAProxy open connections of its own and close them behind the header.
#[tokio::test]
async fn d6_haproxys_health_checks_succeed_and_are_no_failed_handshakes() {
    let Some(proxy) = Proxy::haproxy().await else {
        return;
    };
    let expected = [
        ["one", "UP", "L4OK"],
        ["two", "UP", "L4OK"],
        ["app", "UP", "L7OK"],
        ["app", "no check", ""],
        ["app", "UP", "L4OK"],
        ["app", "no check", ""],
    ];
    let checked = async {
        // All servers are checked equally often.
        while proxy.application.requests.load(Ordering::SeqCst) < 5
            || proxy.stats().await != expected
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let checked = tokio::time::timeout(wire::PATIENCE, checked).await;
    checked.expect("successful checks in time");
    passed_through(&proxy).await;
}

#[tokio::test]
async fn d6_haproxy_terminates_tls_and_says_who_the_client_is() {
    let Some(proxy) = Proxy::haproxy().await else {
        return;
    };
    for way in [1, 2, 3] {
        let alice = pki::common_name_only("alice");
        for config in [
            pki::client(&["h2"]),
            // The certificate and its name are in the header of the third.
            pki::client_with_certificate(&["h2"], &alice),
        ] {
            by_turns(&proxy, way, &config).await;
        }
        let config = pki::client(&["http/1.1"]);
        let mut io = proxy.connect(way, [127, 0, 0, 4], config, "one.test").await;
        let request = "GET / HTTP/1.1\nHost: one.test\nX-Forwarded-For: 127.0.0.9\n\n";
        let answer = wire::exchange(&mut io, request).await;
        let expected = served("one.test", "none", "127.0.0.4");
        assert_eq!((answer.status, answer.body), expected);
    }
}

/// The header comes before the proxy's own TLS connection.
#[tokio::test]
async fn d6_haproxy_opens_tls_connections_of_its_own_with_a_header() {
    let Some(proxy) = Proxy::haproxy().await else {
        return;
    };
    let config = pki::client(&["h2"]);
    for (from, addr) in [([127, 0, 0, 2], "127.0.0.2"), ([127, 0, 0, 3], "127.0.0.3")] {
        let io = proxy.connect(4, from, config.clone(), "one.test").await;
        let client = wire::http2(io).await;
        for (host, virtual_host) in [
            ("one.test", "one"),
            ("two.test", "two"),
            ("one.test", "one"),
        ] {
            let expected = served(host, virtual_host, addr);
            assert_eq!(get(&client, host).await, expected);
        }
    }
}

/// Two clients by turns, so that a connection to the application could be used for the wrong one.
async fn by_turns(proxy: &Proxy, way: usize, config: &ClientConfig) {
    let open = async |from| {
        let io = proxy.connect(way, from, config.clone(), "one.test").await;
        wire::http2(io).await
    };
    let second = open([127, 0, 0, 2]).await;
    let third = open([127, 0, 0, 3]).await;
    for host in ["one.test", "two.test", "one.test"] {
        for (client, addr) in [(&second, "127.0.0.2"), (&third, "127.0.0.3")] {
            assert_eq!(get(client, host).await, served(host, "none", addr));
        }
    }
    assert_eq!(get(&second, "evil.test").await, refused());
    assert_eq!(get(&third, "one.test").await.0, 200);
}
