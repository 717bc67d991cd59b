//! axum-server with an acceptor that follows the recipe.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum_server::Handle;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer};

use crate::axum_server_recipe::OpensslAcceptor;
use crate::client::{EVERY_HTTP, Visitor};
use crate::contexts::{Memory, ONE, hosts};
use crate::recipe;

/// Serves `www.test` and `shop.test` under one context, and `admin.test`, which requires client certificates.
async fn serve() -> (SocketAddr, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let handler = move |info: ConnectionInfo| {
        counted.fetch_add(1, Ordering::SeqCst);
        let name = info.server_name().unwrap_or("-").to_owned();
        let clients = info.client_certificates().count();
        std::future::ready(format!("{name} {clients}"))
    };
    let app = Router::new()
        .fallback(handler)
        .layer(MisdirectedLayer::new());
    let hosts = hosts(Memory::Tickets).build().unwrap();
    let selector = recipe::selector(hosts).unwrap();
    let handle = Handle::new();
    let server = axum_server::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .acceptor(OpensslAcceptor::new(selector))
        .handle(handle.clone())
        .serve(app.into_make_service());
    tokio::spawn(server);
    (handle.listening().await.unwrap(), calls)
}

#[tokio::test]
async fn d5_axum_server_with_the_recipe_serves_only_the_hosts_of_a_context() {
    let (addr, calls) = serve().await;
    // Neither keeps anybody waiting.
    let _silent = TcpStream::connect(addr).await.unwrap();
    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    for http in &EVERY_HTTP[..2] {
        for (certificate, sni, host, expected) in [
            (None, "www.test", "www.test", Some("www.test 0")),
            (None, "www.test", "shop.test", Some("www.test 0")),
            (
                Some(&*ONE),
                "admin.test",
                "admin.test",
                Some("admin.test 1"),
            ),
            (Some(&*ONE), "www.test", "admin.test", None),
            (Some(&*ONE), "admin.test", "www.test", None),
        ] {
            let case = format!("{http:?} {sni} -> {host}");
            let before = calls.load(Ordering::SeqCst);
            let visitor = Visitor::new(*http, certificate);
            let mut connection = visitor.connect(addr, Some(sni)).await.unwrap();
            let answer = connection.get(host).await.unwrap();
            let called = calls.load(Ordering::SeqCst) - before;
            match expected {
                Some(body) => {
                    assert_eq!((answer.status().as_u16(), called), (200, 1), "{case}");
                    assert_eq!(&*answer.body(), body, "{case}");
                }
                None => assert_eq!((answer.status().as_u16(), called), (421, 0), "{case}"),
            }
        }
    }
    let visitor = Visitor::new(EVERY_HTTP[1], None);
    let refused = match visitor.connect(addr, Some("admin.test")).await {
        Ok(mut connection) => connection.get("admin.test").await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "no client certificate");
    assert!(visitor.connect(addr, Some("new.test")).await.is_err());
}
