//! W4: a WebSocket and server-sent events that end when their connection is outdated, as the guide shows.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsAcceptor, VirtualHosts};

use crate::application::{config, hosts};
use crate::wire::frames::{DATA, END_STREAM, Raw};
use crate::wire::{PATIENCE, exchange};
use crate::{pki, server, wire};

/// Close, two octets, 1001 (RFC 6455 §5.5.1).
const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

async fn events(info: ConnectionInfo) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first = stream::iter([Ok(Event::default().data("first"))]);
    let events = first.chain(stream::pending());
    Sse::new(events.take_until(info.outdated()))
}

type Messages = Arc<Mutex<Option<mpsc::Receiver<String>>>>;

async fn socket(info: ConnectionInfo, messages: Messages, mut request: Request) -> Response {
    let mut messages = messages.lock().unwrap().take().unwrap();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut socket = TokioIo::new(upgrade.await.unwrap());
        let mut outdated = info.outdated();
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                () = &mut outdated => None,
            };
            let Some(message) = message else {
                socket.write_all(&GOING_AWAY).await.unwrap();
                return socket.shutdown().await.unwrap();
            };
            let head = [0x81, message.len() as u8];
            socket.write_all(&head).await.unwrap();
            socket.write_all(message.as_bytes()).await.unwrap();
        }
    });
    let switching = StatusCode::SWITCHING_PROTOCOLS;
    let fields = [(CONNECTION, "upgrade"), (UPGRADE, "websocket")];
    (switching, fields, Body::empty()).into_response()
}

fn app() -> (Router, mpsc::Sender<String>) {
    let (sender, messages) = mpsc::channel(1);
    let messages = Arc::new(Mutex::new(Some(messages)));
    let app = Router::new()
        .route("/events", get(events))
        .route(
            "/socket",
            get(move |info, request| socket(info, messages.clone(), request)),
        )
        .layer(MisdirectedLayer::new());
    (app, sender)
}

fn acceptor() -> (VirtualHosts, TlsAcceptor) {
    let [a, admin] = [config(), config()];
    let hosts = hosts(&a, &admin).build().unwrap();
    let acceptor = TlsAcceptor::from(hosts.clone()).drain(Duration::ZERO);
    (hosts, acceptor)
}

/// Changes one host, and leaves the other as it is.
fn change(virtual_hosts: &VirtualHosts, changed: &str, kept: &str) {
    let kept_config = virtual_hosts.get(&kept.parse().unwrap()).unwrap();
    let kept_config = kept_config.config::<ServerConfig>().unwrap().clone();
    let next = VirtualHosts::builder().host(changed, config());
    virtual_hosts.replace(next.host(kept, kept_config)).unwrap();
}

#[tokio::test]
async fn w4_a_web_socket_says_that_it_goes_away() {
    let (hosts, acceptor) = acceptor();
    let (app, messages) = app();
    let addr = server::tls(app, acceptor).await;
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    let request = "GET /socket HTTP/1.1\nHost: a.test\nConnection: upgrade\nUpgrade: websocket\n\n";
    assert_eq!(exchange(&mut io, request).await.status, 101);
    let mut frame = [0; 5];
    for text in ["one", "two"] {
        messages.send(text.to_owned()).await.unwrap();
        io.read_exact(&mut frame).await.unwrap();
        assert_eq!(
            (frame[0], frame[1], &frame[2..]),
            (0x81, 3, text.as_bytes())
        );
        // What another host gets is nothing to it.
        change(&hosts, "admin.test", "a.test");
    }
    change(&hosts, "a.test", "admin.test");
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, io.read_to_end(&mut rest)).await;
    end.expect("an end in time").unwrap();
    assert_eq!(rest, GOING_AWAY);
}

#[tokio::test]
async fn w4_server_sent_events_end() {
    let (hosts, acceptor) = acceptor();
    let addr = server::tls(app().0, acceptor).await;
    let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    let mut old = Raw::begin(io).await;
    let events = old.request("GET", "a.test", "/events", END_STREAM).await;
    assert_eq!(old.until(DATA).await.payload, b"data: first\n\n");
    change(&hosts, "admin.test", "a.test");
    old.ping().await;
    assert_eq!(old.goaways(), 0);
    change(&hosts, "a.test", "admin.test");
    assert_eq!(old.answer(events).await.1, b"");
    assert_eq!(old.goaways(), 1);
    // The client comes back, and has events again.
    let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    let mut new = Raw::begin(io).await;
    new.request("GET", "a.test", "/events", END_STREAM).await;
    assert_eq!(new.until(DATA).await.payload, b"data: first\n\n");
}
