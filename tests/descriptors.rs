//! D3: running out of file descriptors. A server that may have few of them is this test's own program,
//! started again by a shell that lowers the limit.
#![cfg(unix)]

mod pki;
mod server;
mod wire;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tower_misdirected::{MisdirectedLayer, TlsAcceptor};

use crate::server::Calls;

const AS_SERVER: &str = "MISDIRECTED_TEST_AS_SERVER";

#[tokio::test]
async fn d3_silent_clients_that_take_every_descriptor_keep_nobody_out() {
    if std::env::var_os(AS_SERVER).is_some() {
        return serve().await;
    }
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" --nocapture"])
        .arg(program)
        .env(AS_SERVER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut addresses =
        lines.filter_map(|line| line.ok()?.split("serving on ").nth(1)?.parse().ok());
    let addr: SocketAddr = addresses.next().unwrap();

    // Far more than it has descriptors for, none of which leaves by itself.
    let mut herd = Vec::new();
    for _ in 0..200 {
        herd.push(TcpStream::connect(addr).await.unwrap());
    }
    for _ in 0..3 {
        let mut io = wire::connect(addr, pki::client(&["http/1.1"]), Some("a.test")).await;
        let answer = wire::exchange(&mut io, "GET / HTTP/1.1\nHost: a.test\n\n").await;
        assert_eq!(answer.status, 200);
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// Serves until the other end of its standard input goes away, as it also does when that test fails.
async fn serve() {
    let acceptor = TlsAcceptor::new(pki::server(&["a.test"]));
    let app = server::echo(&Calls::default()).layer(MisdirectedLayer::new());
    let addr = server::tls(app, acceptor.handshake_timeout(Duration::from_secs(3600))).await;
    println!("serving on {addr}");
    let wait = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(wait).await.unwrap().unwrap();
}
