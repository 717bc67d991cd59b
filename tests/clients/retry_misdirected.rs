//! W6: clients with [`RetryMisdirectedLayer`] repeat what nginx and HAProxy refuse. Servers of this crate are in
//! `tests/retry_misdirected`.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, Response, Version};
use http_body_util::Full;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tower::util::MapResponseLayer;
use tower::{Layer, Service};
use tower_misdirected::client::RetryMisdirectedLayer;

use crate::ports::free_addr;
use crate::program::Directory;
use crate::visitor::{VERSIONS, plain, send};
use crate::{installed, pki, site, wire};

/// A running server, ended when the test ends.
struct Server {
    addr: SocketAddr,
    _directory: Directory,
    _child: Child,
}

impl Server {
    /// Starts nginx, unless it is not installed.
    async fn nginx() -> Option<Self> {
        let settings = include_str!("retry_misdirected/nginx.conf");
        Self::start("nginx", &["-e", "stderr", "-c"], settings).await
    }

    /// Starts HAProxy, unless it is not installed.
    async fn haproxy() -> Option<Self> {
        let settings = include_str!("retry_misdirected/haproxy.cfg");
        Self::start("haproxy", &["-db", "-f"], settings).await
    }

    async fn start(name: &str, arguments: &[&str], settings: &str) -> Option<Self> {
        let program = installed::find(&[name])?;
        installed::announce(name, Command::new(&program).arg("-v")).await;
        let addr = free_addr();
        let directory = Directory::new();
        let settings = settings
            .replace("/srv/site", directory.path("").trim_end_matches('/'))
            .replace("127.0.0.1:443", &addr.to_string());
        directory.write("settings", settings);
        let leaf = pki::leaf(site::NAMES);
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
            while TcpStream::connect(addr).await.is_err() {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{name} ended early");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let listens = tokio::time::timeout(wire::PATIENCE, listens).await;
        listens.expect("a server that listens");
        Some(Self {
            addr,
            _directory: directory,
            _child: child,
        })
    }

    fn request(&self, method: Method, path: &str) -> Request<Full<Bytes>> {
        let body = match method {
            Method::GET => Full::default(),
            _ => Full::from("body"),
        };
        let uri = format!("https://one.test:{}{path}", self.addr.port());
        let request = Request::builder().method(method).uri(uri);
        request.body(body).unwrap()
    }
}

/// The status of every response before the layer sees it, and the connection that it came on.
#[derive(Clone, Default)]
struct Attempts(Arc<Mutex<Vec<(u16, String)>>>);

impl Attempts {
    fn note<B>(&self, response: Response<B>) -> Response<B> {
        let connection = response.headers()["x-connection"].to_str().unwrap();
        let attempt = (response.status().as_u16(), connection.to_owned());
        self.0.lock().unwrap().push(attempt);
        response
    }

    /// The statuses since the last time. Each attempt after a refusal must have another connection.
    fn take(&self) -> Vec<u16> {
        let attempts = std::mem::take(&mut *self.0.lock().unwrap());
        for pair in attempts.windows(2) {
            assert!(pair[0].0 != 421 || pair[0].1 != pair[1].1, "{attempts:?}");
        }
        attempts.into_iter().map(|(status, _)| status).collect()
    }
}

fn client(
    version: Version,
    attempts: &Attempts,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<hyper::body::Incoming>,
    Error = hyper_util::client::legacy::Error,
> + Clone {
    let attempts = attempts.clone();
    let note = MapResponseLayer::new(move |response| attempts.note(response));
    RetryMisdirectedLayer::new().layer(note.layer(plain(version)))
}

/// Each connection serves one request. The program sees nothing of it.
async fn recovers(server: &Server) {
    for version in VERSIONS {
        for method in [Method::GET, Method::POST] {
            let attempts = Attempts::default();
            let client = client(version, &attempts);
            let request = || server.request(method.clone(), "/once");
            assert_eq!(send(&client, request()).await.body(), "served");
            assert_eq!(attempts.take(), [200]);
            for _ in 0..5 {
                let answer = send(&client, request()).await;
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.body(), "served");
                assert_eq!(answer.version(), version);
                assert_eq!(attempts.take(), [421, 200], "{method} {version:?}");
            }
        }
    }
}

/// No connection serves the request.
async fn never_recovers(server: &Server) {
    for version in VERSIONS {
        let attempts = Attempts::default();
        let client = client(version, &attempts);
        for _ in 0..3 {
            let request = server.request(Method::POST, "/never");
            assert_eq!(send(&client, request).await.status(), 421);
            assert_eq!(attempts.take(), [421, 421], "{version:?}");
        }
        // Other requests are served meanwhile.
        let request = server.request(Method::POST, "/");
        assert_eq!(send(&client, request).await.status(), 200);
        assert_eq!(attempts.take(), [200]);
    }

    // The host is not that of the server name, which follows the URI.
    let attempts = Attempts::default();
    let client = client(Version::HTTP_11, &attempts);
    let mut request = server.request(Method::GET, "/");
    let fields = request.headers_mut();
    fields.insert("host", "two.test".parse().unwrap());
    assert_eq!(send(&client, request).await.status(), 421);
    assert_eq!(attempts.take(), [421, 421]);
}

#[tokio::test]
async fn w6_what_nginx_refuses_on_a_stale_connection_is_served_on_another() {
    if let Some(server) = Server::nginx().await {
        recovers(&server).await;
    }
}

#[tokio::test]
async fn w6_what_nginx_refuses_on_every_connection_is_sent_twice() {
    if let Some(server) = Server::nginx().await {
        never_recovers(&server).await;
    }
}

#[tokio::test]
async fn w6_what_haproxy_refuses_on_a_stale_connection_is_served_on_another() {
    if let Some(server) = Server::haproxy().await {
        recovers(&server).await;
    }
}

#[tokio::test]
async fn w6_what_haproxy_refuses_on_every_connection_is_sent_twice() {
    if let Some(server) = Server::haproxy().await {
        never_recovers(&server).await;
    }
}
