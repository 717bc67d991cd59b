//! What the proxy says to who starts it, and what clients get if the upstream does not answer.

use axum::Router;
use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;

use crate::front::{Front, get, read};
use crate::pki;
use crate::program::{Directory, run};
use crate::site::{Site, VERSIONS};

const UPSTREAM: [&str; 2] = ["--upstream", "https://127.0.0.1:8443"];

#[tokio::test]
async fn mistakes_in_arguments_are_named() {
    let directory = Directory::new();
    directory.write_certificate("chain.pem", "key.pem", &["app.localhost"]);
    directory.write("empty.pem", "");
    let path = |file: &str| directory.path(file);
    let (chain, key, empty, missing) = (
        path("chain.pem"),
        path("key.pem"),
        path("empty.pem"),
        path("missing.pem"),
    );
    let ca = ["--upstream", "https://127.0.0.1:8443", "--ca", &chain];
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, code, text) in [
        (vec![], 1, "--upstream is missing"),
        (vec!["--upstream"], 2, "--upstream: expected a URL"),
        (
            vec!["--upstream", "127.0.0.1"],
            2,
            "`127.0.0.1` is not a URL",
        ),
        (
            vec!["--upstream", "ftp://127.0.0.1"],
            2,
            "is not a URL without a path",
        ),
        (
            vec!["--upstream", "http://127.0.0.1/path"],
            2,
            "is not a URL without a path",
        ),
        (
            vec!["--upstream", "http://me@127.0.0.1"],
            2,
            "is not a URL without a path",
        ),
        (UPSTREAM.to_vec(), 1, "an upstream with https needs --ca"),
        ([&UPSTREAM[..], &["--ca", &missing]].concat(), 1, &*missing),
        ([&UPSTREAM[..], &["--ca", &empty]].concat(), 1, &*empty),
        (
            [&ca[..], &["--chain", &chain]].concat(),
            1,
            "--chain and --key need each other",
        ),
        (
            [&ca[..], &["--chain", &missing, "--key", &key]].concat(),
            1,
            &*missing,
        ),
        ([&ca[..], &["--host", "a b"]].concat(), 1, "`a b`"),
        ([&ca[..], &["--listen", &taken]].concat(), 1, &*taken),
        (
            [&ca[..], &["--timeout", "0"]].concat(),
            2,
            "`0` is not a number of seconds",
        ),
    ] {
        let output = run("reverse_proxy", &arguments).await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(
            errors.contains(text) && !errors.contains("{ "),
            "{text}: {errors}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_makes_a_502() {
    // Nobody listens there any more.
    let addr = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut front = Front::with(&format!("http://{addr}"), &[]).await;
    for alpn in VERSIONS {
        let answer = front.client(alpn).request(get("/")).await.unwrap();
        read(answer).await.assert_is_bare(502);
        let errors = front
            .program
            .complains("the upstream does not answer for ")
            .await;
        assert!(
            errors.contains("refused") && !errors.contains("Os {"),
            "{errors}"
        );
    }
}

#[tokio::test]
async fn an_upstream_with_the_wrong_certificate_makes_a_502() {
    let config = pki::server(&["two.test"]);
    let app = Router::new().fallback(async || "secret");
    let addr = crate::server::tls(app, config).await;
    let mut front = Front::with(&format!("https://{addr}"), &[]).await;
    let answer = front.client("h2").request(get("/")).await.unwrap();
    read(answer).await.assert_is_bare(502);
    let errors = front
        .program
        .complains("the upstream does not answer for ")
        .await;
    assert!(errors.contains("certificate"), "{errors}");
}

#[tokio::test]
async fn an_upstream_without_tls_gets_the_same_requests() {
    let app = Router::new().fallback(async |request: axum::extract::Request| {
        request.headers()["host"].to_str().unwrap().to_owned()
    });
    let addr = crate::server::plaintext(app).await;
    let front = Front::with(&format!("http://{addr}"), &[]).await;
    let answer = read(front.client("h2").request(get("/")).await.unwrap()).await;
    assert_eq!((answer.status(), &*answer.body), (200, "one.test"));
}

#[tokio::test]
async fn an_upstream_that_is_silent_makes_a_504_and_ends_a_body() {
    let app = Router::new()
        .route(
            "/silent",
            axum::routing::get(async || std::future::pending::<()>().await),
        )
        .fallback(async || {
            let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from("first"))]);
            Body::from_stream(first.chain(stream::pending()))
        });
    let site = Site::serving(app).await;
    let front = Front::with(&format!("https://{}", site.addr), &["--timeout", "1"]).await;
    for alpn in VERSIONS {
        let client = front.client(alpn);
        let answer = client.request(get("/silent")).await.unwrap();
        read(answer).await.assert_is_bare(504);
        let answer = client.request(get("/")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.into_body().collect().await.is_err(), "{alpn}");
    }
}

#[tokio::test]
async fn the_proxy_ends_on_ctrl_c() {
    let site = Site::start().await;
    let front = Front::before(&site).await;
    let answer = front.client("http/1.1").request(get("/")).await.unwrap();
    assert_eq!(read(answer).await.status(), 200);
    front.program.ends_on_ctrl_c().await;
}
