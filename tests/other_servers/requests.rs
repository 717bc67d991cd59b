//! What each server answers, over real connections.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use rustls::ClientConfig;
use tower_misdirected::{TlsListener, VirtualHosts};

use crate::apps::{Calls, EVERY_FRAMEWORK, Framework};
use crate::pki::{self, Leaf};
use crate::wire;

static USER: LazyLock<Leaf> = LazyLock::new(|| pki::leaf(&["user.test"]));

/// Serves `one.test` and `two.test` under one configuration, and `admin.test`, which requires client certificates.
async fn serve(framework: Framework) -> (SocketAddr, Calls) {
    let leaf = pki::leaf(&["one.test", "two.test", "admin.test"]);
    let mut admin = leaf.mutual_tls_config();
    admin.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let open = Arc::new(leaf.server_config());
    let hosts = VirtualHosts::builder()
        .host("one.test", open.clone())
        .host("two.test", open)
        .host("admin.test", Arc::new(admin))
        .build()
        .unwrap();
    let listener = TlsListener::bind("127.0.0.1:0", hosts).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let calls = Calls::default();
    let counted = calls.clone();
    tokio::spawn(async move { framework.serve(listener, counted).await.unwrap() });
    (addr, calls)
}

fn client(alpn: &str) -> ClientConfig {
    pki::client_with_certificate(&[alpn], &USER)
}

/// The server name of a connection, the authority of a request, and the answer if the request is served.
const REQUESTS: [(&str, &str, Option<&str>); 6] = [
    ("one.test", "one.test", Some("/ one.test 0 ")),
    ("one.test", "two.test", Some("/ one.test 0 ")),
    ("one.test", "admin.test", None),
    ("admin.test", "admin.test", Some("/ admin.test 1 ")),
    ("admin.test", "two.test", None),
    ("two.test", "other.test", None),
];

/// poem's body cannot be made from bytes, so its recipe has no JSON.
fn refusal(framework: Framework) -> &'static str {
    match framework {
        Framework::Poem => "",
        Framework::Salvo | Framework::Warp => r#"{"error":"misdirected_request"}"#,
    }
}

#[tokio::test]
async fn d5_each_recipe_serves_a_host_on_connections_that_are_good_enough_only() {
    for framework in EVERY_FRAMEWORK {
        let (addr, calls) = serve(framework).await;
        for (sni, host, expected) in REQUESTS {
            let case = format!("{framework:?}: {sni} -> {host}");
            let before = calls.count();
            let (status, body) = match expected {
                Some(body) => (200, body),
                None => (421, refusal(framework)),
            };
            let mut io = wire::connect(addr, client("http/1.1"), Some(sni)).await;
            let request = format!("GET / HTTP/1.1\nHost: {host}\n\n");
            let answer = wire::exchange(&mut io, &request).await;
            assert_eq!((answer.status, &*answer.body), (status, body), "{case}");
            let closes = answer.header("connection") == Some("close");
            assert_eq!(closes, expected.is_none(), "{case}");

            let io = wire::connect(addr, client("h2"), Some(sni)).await;
            let http2 = wire::http2(io).await;
            let answer = wire::send2(&http2, wire::get2(Some(host), &[])).await;
            assert_eq!(answer.status(), status, "{case}");
            assert_eq!(answer.body(), body, "{case}");
            let served = 2 * usize::from(expected.is_some());
            assert_eq!(calls.count() - before, served, "{case}");
        }
    }
}

/// A refused stream leaves the connection to the requests that it can serve, and handlers read bodies as ever.
#[tokio::test]
async fn d5_each_recipe_goes_on_after_a_refusal_and_reads_bodies() {
    for framework in EVERY_FRAMEWORK {
        let (addr, _) = serve(framework).await;
        let io = wire::connect(addr, client("h2"), Some("one.test")).await;
        let http2 = wire::http2(io).await;
        for (host, status) in [("admin.test", 421), ("two.test", 200), ("admin.test", 421)] {
            let answer = wire::send2(&http2, wire::get2(Some(host), &[])).await;
            assert_eq!(answer.status(), status, "{framework:?} {host}");
        }
        let mut io = wire::connect(addr, client("http/1.1"), Some("one.test")).await;
        let request = "POST /up HTTP/1.1\nHost: two.test\nContent-Length: 5\n\nhello";
        let answer = wire::exchange(&mut io, request).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (200, "/up one.test 0 hello"),
            "{framework:?}"
        );
    }
}
