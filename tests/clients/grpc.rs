//! gRPC clients in other languages, and what each makes of a refused call (C8). tonic is in `tests/grpc.rs`.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Full};
use tokio::process::Command;
use tower_misdirected::MisdirectedLayer;

use crate::installed;
use crate::observed::assert_row;
use crate::programs::{file, lines};
use crate::site::{Site, Tls};

/// Answers a unary call with its own message.
async fn echo(request: Request) -> Response {
    let message = request.into_body().collect().await.unwrap().to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers)));
    let body = Body::new(Full::new(message).with_trailers(trailers));
    ([(CONTENT_TYPE, "application/grpc")], body).into_response()
}

/// Has a client make a misdirected call between two others, and compares what it does with its row in the guide.
async fn compare_with_the_guide(client: &str, version: &str, command: &mut Command) {
    eprintln!("ran: {client} {version}");
    let layer = MisdirectedLayer::new().json();
    let site = Site::serve(Tls::Apart, Router::new().fallback(echo).layer(layer)).await;
    let command = command.arg(site.ca_file()).arg(site.port().to_string());
    let steps = [
        "one.test/one.test",
        "one.test/two.test",
        "two.test/two.test",
    ];
    let seen = lines(command.args(steps)).await;
    assert_eq!((&*seen[0], &*seen[2]), ("OK", "OK"), "{seen:?}");

    let records = site.take();
    let lines: Vec<_> = records.iter().map(|record| record.line()).collect();
    let [first, attempts @ .., last] = &lines[..] else {
        panic!("three calls: {lines:?}");
    };
    assert_eq!((&**first, &**last), ("one.test 200", "two.test 200"));
    assert!(attempts.iter().all(|line| line == "two.test 421"));
    let (code, message) = seen[1].split_once(' ').unwrap();
    let retried = match attempts.len() {
        1 => "no",
        3 => "yes",
        other => panic!("{other} attempts: {lines:?}"),
    };
    if retried == "yes" {
        assert_eq!(message, "misdirected request");
    }
    assert_row(client, "2", &[code, retried]);
}

#[tokio::test]
async fn grpcio() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/bin/python");
    for python in [own, "python3"] {
        let mut version = Command::new(python);
        version.args(["-c", "import grpc; print(grpc.__version__)"]);
        let installed = version.output().await;
        if installed.is_ok_and(|output| output.status.success()) {
            let version = installed::version(&mut version).await;
            let mut command = Command::new(python);
            command.arg(file("grpc.py"));
            return compare_with_the_guide("grpcio", &version, &mut command).await;
        }
    }
    eprintln!("skipped: python3 with grpcio is not installed");
}

/// From Debian's package, which has the sources where Go looked before it had modules.
#[tokio::test]
async fn grpc_go() {
    const SOURCES: &str = "/usr/share/gocode";
    let Some(go) = installed::find(&["go"]) else {
        return;
    };
    if !std::fs::exists(format!("{SOURCES}/src/google.golang.org/grpc")).unwrap() {
        eprintln!("skipped: grpc-go is not installed in {SOURCES}");
        return;
    }
    let run = || {
        let mut command = Command::new(&go);
        command
            .env("GO111MODULE", "off")
            .env("GOPATH", SOURCES)
            .env("GRPC_GO_RETRY", "on")
            .arg("run")
            .arg(file("grpc.go"));
        command
    };
    let version = installed::version(&mut run()).await;
    compare_with_the_guide("grpc-go", &version, &mut run()).await;
}
