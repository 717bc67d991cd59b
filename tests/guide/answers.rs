//! `guide::answers` shows every answer as it is on the wire.

use std::net::SocketAddr;

use axum::Router;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_misdirected::MisdirectedLayer;

use crate::wire::PATIENCE;
use crate::{pki, read, server, wire};

const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";

/// The blocks of the page in their order, each with lines that end in LF.
fn shown() -> Vec<String> {
    let page = read("src/guide/answers.md");
    let blocks = page.split("```").skip(1).step_by(2);
    let blocks = blocks.filter_map(|block| block.strip_prefix("http\n"));
    blocks.map(|block| block.trim_end().to_owned()).collect()
}

/// The time is another one in every answer.
fn without_date(text: &str) -> String {
    let lines = text.lines().map(|line| match line.starts_with("date: ") {
        true => DATE,
        false => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn over_http1(addr: SocketAddr) -> String {
    let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("www.example.com")).await;
    let request = "GET / HTTP/1.1\r\nHost: admin.example.com\r\n\r\n";
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // The server closes the connection.
    let read = tokio::time::timeout(PATIENCE, io.read_to_string(&mut answer));
    read.await.expect("an end in time").unwrap();
    assert_eq!(answer.matches('\n').count(), answer.matches("\r\n").count());
    without_date(answer.trim_end())
}

async fn over_http2(addr: SocketAddr, request: Request<()>) -> String {
    let io = wire::connect(addr, pki::client(&["h2"]), Some("www.example.com")).await;
    let client: SendRequest<Bytes> = wire::http2(io).await;
    let answer = tokio::time::timeout(PATIENCE, wire::send2(&client, request));
    let answer = answer.await.expect("an answer in time");
    let status = answer.status().as_u16();
    let head = format!(":status: {status}\n{}", fields(answer.headers()));
    without_date(format!("{head}\n{}", answer.body()).trim_end())
}

fn fields(headers: &HeaderMap) -> String {
    let fields = headers.iter();
    fields
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect()
}

fn get() -> Request<()> {
    wire::get2(Some("admin.example.com"), &[])
}

fn call() -> Request<()> {
    let request = Request::post("https://admin.example.com/greeter/hello");
    let request = request.header("content-type", "application/grpc");
    request.body(()).unwrap()
}

/// Serves `www.example.com`, whose certificate covers no other host.
async fn serve(app: Router) -> SocketAddr {
    server::tls(app, pki::server(&["www.example.com"])).await
}

#[tokio::test]
async fn c2_c8_the_page_shows_every_answer_as_it_is_on_the_wire() {
    let app = || server::echo(&server::Calls::default());
    let empty = serve(app().layer(MisdirectedLayer::new())).await;
    let json = serve(app().layer(MisdirectedLayer::new().json())).await;
    let problem = serve(app().layer(MisdirectedLayer::new().problem_json())).await;
    let answers = [
        over_http1(empty).await,
        over_http2(empty, get()).await,
        over_http1(json).await,
        over_http2(json, get()).await,
        over_http1(problem).await,
        over_http2(problem, get()).await,
        over_http2(json, call()).await,
    ];
    let shown = shown();
    assert_eq!(shown.len(), answers.len(), "{answers:#?}");
    for (answer, shown) in answers.iter().zip(shown) {
        // A field without a value ends with a space on the wire, and not on the page.
        assert_eq!(answer.replace(": \n", ":\n"), without_date(&shown));
        assert!(shown.contains(DATE), "another date: {shown}");
    }
}
