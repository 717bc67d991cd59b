//! W5: clients that write a whole upload before they read still get its 421, over a link of its own speed and over one
//! with a delay. What clients do with refused uploads over HTTP/2 is in `uploads`.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::installed;
use crate::programs::{file, lines};
use crate::site::{Site, Tls};
use crate::uploads::assert_refused_unread;

const UPLOAD: usize = 50_000_000;

/// What each client prints: the status, the header field, and the length of the body.
const WHOLE: &str = "421 no-store 31";

/// One way of a connection over the slow link.
const DELAY: Duration = Duration::from_millis(25);

async fn is_answered(command: &mut Command, site: &Site, port: u16) {
    let ca = site.ca_file();
    let command = command
        .arg(ca)
        .arg(port.to_string())
        .arg(UPLOAD.to_string());
    assert_eq!(lines(command).await, [WHOLE]);
    assert_refused_unread(site);
}

#[tokio::test]
async fn w5_pythons_http_client_reads_the_answer_to_50_mb() {
    let Some(program) = installed::find(&["python3"]) else {
        return;
    };
    installed::announce(
        "Python's http.client",
        Command::new(&program).arg("--version"),
    )
    .await;
    let site = Site::start(Tls::Apart).await;
    for port in [site.port(), slow_link_to(site.addr).await.port()] {
        let mut command = Command::new(&program);
        is_answered(command.arg(file("upload.py")), &site, port).await;
    }
}

#[tokio::test]
async fn w5_javas_http_url_connection_reads_the_answer_to_50_mb() {
    let (Some(program), Some(_)) = (installed::find(&["java"]), installed::find(&["javac"])) else {
        return;
    };
    installed::announce(
        "Java's HttpURLConnection",
        Command::new(&program).arg("-version"),
    )
    .await;
    let site = Site::start(Tls::Apart).await;
    for port in [site.port(), slow_link_to(site.addr).await.port()] {
        let mut command = Command::new(&program);
        let hosts = format!("-Djdk.net.hosts.file={}", site.hosts_file());
        is_answered(command.arg(hosts).arg(file("Upload.java")), &site, port).await;
    }
}

/// A relay to the server that delays every octet, and every end, by the same time in both directions.
async fn slow_link_to(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server).await.unwrap();
            for socket in [&client, &server] {
                // An end that is not an orderly one is passed on as a reset.
                socket.set_zero_linger().unwrap();
            }
            let (client, to_client) = client.into_split();
            let (server, to_server) = server.into_split();
            tokio::spawn(delay(client, to_server));
            tokio::spawn(delay(server, to_client));
        }
    });
    addr
}

/// Passes octets on, late. A second of a fast link fits into it.
async fn delay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let (late, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(256);
    tokio::spawn(async move {
        while let Some((at, octets)) = due.recv().await {
            tokio::time::sleep_until(at + DELAY).await;
            if to.write_all(&octets).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut space = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut space).await {
        let octets = space[..length].to_vec();
        if late.send((Instant::now(), octets)).await.is_err() {
            return;
        }
    }
}
