//! Unix sockets under `axum::serve`: TLS with all that it has over TCP, and plaintext.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use axum::serve::ListenerExt;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio_rustls::client::TlsStream;
use tower_misdirected::{
    ConnectionInfo, MisdirectedLayer, TlsAcceptor, TlsListener, VirtualHosts, VirtualHostsBuilder,
};

use crate::pki;
use crate::program::Directory;
use crate::wire::frames::{Frame, GOAWAY, Raw};
use crate::wire::{self, PATIENCE};

const GET: &str = "GET / HTTP/1.1\nHost: a.test\n\n";

fn config() -> Arc<ServerConfig> {
    pki::server(&["a.test", "b.test", "admin.test"])
}

fn hosts(public: &Arc<ServerConfig>, admin: &Arc<ServerConfig>) -> VirtualHostsBuilder {
    VirtualHosts::builder()
        .host("a.test", public.clone())
        .host("b.test", public.clone())
        .host("admin.test", admin.clone())
}

/// Answers with what a handler sees of the connection.
fn app() -> Router {
    let seen = |info: ConnectionInfo| async move {
        let name = info.server_name().unwrap_or("-");
        format!("{name} {:?} {:?}", info.peer_addr(), info.local_addr())
    };
    Router::new()
        .fallback(any(seen))
        .layer(MisdirectedLayer::new().json())
}

struct Site {
    directory: Directory,
}

impl Site {
    fn bind() -> (Self, UnixListener) {
        let directory = Directory::new();
        let listener = UnixListener::bind(directory.path("socket")).unwrap();
        (Self { directory }, listener)
    }

    fn serve(acceptor: impl Into<TlsAcceptor>) -> Self {
        let (site, listener) = Self::bind();
        let listener = TlsListener::over(listener, acceptor);
        let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        site
    }

    async fn open(&self) -> UnixStream {
        let path = self.directory.path("socket");
        UnixStream::connect(path).await.unwrap()
    }

    async fn connect(&self, alpn: &str, sni: &str) -> TlsStream<UnixStream> {
        let io = self.open().await;
        let handshake = wire::handshake(io, pki::client(&[alpn]), Some(sni));
        let client = tokio::time::timeout(PATIENCE, handshake).await;
        client.expect("a handshake in time").unwrap()
    }
}

#[tokio::test]
async fn d5_virtual_hosts_are_judged_over_a_unix_socket() {
    let site = Site::serve(hosts(&config(), &config()).build().unwrap());
    let client = wire::http2(site.connect("h2", "a.test").await).await;
    for (host, status) in [("a.test", 200), ("b.test", 200), ("admin.test", 421)] {
        let answer = wire::send2(&client, wire::get2(Some(host), &[])).await;
        assert_eq!(answer.status(), status, "{host}");
        if status == 200 {
            // The peer of a Unix socket has no IP address.
            assert_eq!(answer.body(), "a.test None None");
        }
    }
    let mut io = site.connect("http/1.1", "admin.test").await;
    let get = |host| format!("GET / HTTP/1.1\nHost: {host}\n\n");
    assert_eq!(
        wire::exchange(&mut io, &get("admin.test")).await.status,
        200
    );
    assert_eq!(wire::exchange(&mut io, &get("a.test")).await.status, 421);
}

#[tokio::test]
async fn d5_w2_an_outdated_connection_over_a_unix_socket_gets_a_goaway() {
    let admin = config();
    let hosts_now = hosts(&config(), &admin).build().unwrap();
    let acceptor = TlsAcceptor::from(hosts_now.clone()).drain(Duration::ZERO);
    let site = Site::serve(acceptor);
    let mut outdated = Raw::begin(site.connect("h2", "a.test").await).await;
    let mut other = Raw::begin(site.connect("h2", "admin.test").await).await;
    assert!(outdated.get("a.test", "/").await.0);
    assert!(other.get("admin.test", "/").await.0);
    hosts_now.replace(hosts(&config(), &admin)).unwrap();
    assert_eq!(outdated.until(GOAWAY).await, Frame::graceful_goaway());
    assert!(other.get("admin.test", "/").await.0);
    assert_eq!(other.goaways(), 0);
}

#[tokio::test]
async fn d5_w5_the_answer_to_a_refused_upload_arrives_over_a_unix_socket() {
    // More than the buffers of a Unix socket hold.
    const LENGTH: usize = 8 << 20;
    let site = Site::serve(hosts(&config(), &config()).build().unwrap());
    let mut io = site.connect("http/1.1", "a.test").await;
    let head = format!("POST / HTTP/1.1\r\nHost: admin.test\r\nContent-Length: {LENGTH}\r\n\r\n");
    let upload = async {
        io.write_all(head.as_bytes()).await?;
        // The client writes everything before it reads.
        io.write_all(&vec![b'x'; LENGTH]).await?;
        io.flush().await
    };
    let written = tokio::time::timeout(PATIENCE, upload).await;
    written.expect("an end in time").expect("no broken pipe");
    assert_eq!(wire::read_answer(&mut io, false).await.status, 421);
}

#[tokio::test]
async fn d5_graceful_shutdown_works_over_a_unix_socket() {
    let (site, listener) = Site::bind();
    let listener = TlsListener::over(listener, config());
    let path = site.directory.path("socket");
    let bound = listener.local_addr().unwrap();
    assert_eq!(bound.as_pathname().unwrap().to_str(), Some(&*path));

    let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server =
        axum::serve(listener, app).with_graceful_shutdown(async { stopped.await.unwrap() });
    let server = tokio::spawn(server.into_future());
    let mut pending = site.open().await;
    let mut io = site.connect("http/1.1", "a.test").await;
    assert_eq!(wire::exchange(&mut io, GET).await.status, 200);
    stop.send(()).unwrap();
    // A handshake that has not finished ends with the listener, and so does an idle connection.
    assert!(wire::closes(&mut pending).await);
    assert!(wire::closes(&mut io).await);
    assert!(UnixStream::connect(path).await.is_err());
    let ended = tokio::time::timeout(PATIENCE, server).await;
    ended.expect("an end in time").unwrap().unwrap();
}

#[tokio::test]
async fn d5_a_tapped_listener_over_a_unix_socket_has_the_same_connect_info() {
    let (site, listener) = Site::bind();
    let listener = TlsListener::over(listener, config()).tap_io(|stream| {
        assert!(stream.connection_info().is_tls());
    });
    let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let mut io = site.connect("http/1.1", "a.test").await;
    assert_eq!(wire::exchange(&mut io, GET).await.body, "a.test None None");
}

#[tokio::test]
async fn d5_a_plaintext_unix_socket_has_connect_info_too() {
    let (site, listener) = Site::bind();
    let app = app().into_make_service_with_connect_info::<ConnectionInfo>();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let mut io = site.open().await;
    assert_eq!(wire::exchange(&mut io, GET).await.body, "- None None");
    // B3: `https` has no place on it.
    let request = "GET https://a.test/ HTTP/1.1\nHost: a.test\n\n";
    assert_eq!(wire::exchange(&mut io, request).await.status, 421);
}
