//! A1–A9: the authority of requests as hyper delivers them from real connections.

mod pki;
mod server;
mod wire;

use tower_misdirected::MisdirectedLayer;

use crate::server::Calls;

#[tokio::test]
async fn smoke() {
    let calls = Calls::default();
    let app = server::echo(&calls).layer(MisdirectedLayer::new().json().close_http1(false));
    let addr = server::tls(app, pki::server(&["a.test", "b.test"])).await;
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
    for req in [
        "GET / HTTP/1.1\nhost: a.test\n\n",
        "GET / HTTP/1.1\nhost: b.test\n\n",
        "GET / HTTP/1.1\nhost: c.test\n\n",
        "HEAD / HTTP/1.1\nhost: c.test\n\n",
        "GET foo HTTP/1.1\nhost: a.test\n\n",
        "GET http://b.test/ HTTP/1.1\nhost: a.test\n\n",
        "OPTIONS * HTTP/1.1\nhost: b.test\n\n",
        "GET http://u@b.test/ HTTP/1.1\nhost: a.test\n\n",
        "CONNECT c.test:443 HTTP/1.1\nhost: c.test\n\n",
    ] {
        let a = wire::exchange(&mut io, req).await;
        println!("{req} {a:?}");
    }
    let io = wire::connect(addr, pki::client(&["h2"]), Some("a.test")).await;
    let c = wire::http2(io).await;
    for (a, h) in [
        (Some("a.test"), vec![]),
        (Some("b.test"), vec!["a.test"]),
        (None, vec!["b.test"]),
        (None, vec![]),
        (Some("c.test"), vec![]),
        (Some("u@a.test"), vec![]),
    ] {
        let r = wire::send2(&c, wire::get2(a, &h)).await;
        println!("{a:?} {h:?} {r:?}");
    }
    let r = wire::send2(
        &c,
        wire::request2(http::Method::HEAD, "https", Some("c.test"), &[]),
    )
    .await;
    println!("{r:?}");
}
