//! Servers as processes of their own, this program's among them: axum with the layer and without.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Stream};
use tower::layer::util::Identity;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, TlsListener};

use crate::{NAME, Pair, load, pki};

/// Long enough for any server to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs, and ends when this is dropped.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
}

impl Server {
    /// Starts a program that is to serve on `addr`, and waits until it does.
    pub fn start(command: Command, addr: SocketAddr) -> io::Result<Self> {
        let mut server = Self {
            child: load::pinned(command, load::Side::Server)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
            addr,
        };
        let begin = Instant::now();
        while !serves(addr).unwrap_or(false) {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("ended at once: {status}")));
            }
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::other("does not serve"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Some listen before they have read what they are to serve.
fn serves(addr: SocketAddr) -> io::Result<bool> {
    let mut tcp = TcpStream::connect(addr)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let client = ClientConnection::new(Arc::new(pki::client(&["http/1.1"])), name);
    let mut client = client.map_err(io::Error::other)?;
    let mut tls = Stream::new(&mut client, &mut tcp);
    write!(tls, "GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n")?;
    let mut status = [0; 12];
    tls.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}

/// An address that nobody listens on.
pub fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// This program as a server, with the layer and with something else in its place.
pub struct Axum {
    in_place: &'static str,
}

pub const OVER_NOTHING: Axum = Axum {
    in_place: "no-layer",
};
/// Any layer costs axum something, whatever it does.
pub const OVER_EMPTY: Axum = Axum {
    in_place: "empty-layer",
};

impl Pair for Axum {
    fn start(&self, checks: bool) -> io::Result<Server> {
        let addr = free_addr();
        let mut command = Command::new(std::env::current_exe()?);
        let layer = if checks { "layer" } else { self.in_place };
        command.args(["serve", layer, &addr.to_string()]);
        Server::start(command, addr)
    }
}

/// Serves until the program that started this one ends.
pub fn serve(layer: &str, addr: SocketAddr) {
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let app = Router::new().route("/", get(|| async { "hello\n" }));
    let app = match layer {
        "layer" => app.layer(MisdirectedLayer::new()),
        "empty-layer" => app.layer(Identity::new()),
        _ => app,
    };
    let serve = async {
        let listener = TlsListener::bind(addr, pki::server(&[NAME])).await?;
        axum::serve(
            listener,
            app.into_make_service_with_connect_info::<ConnectionInfo>(),
        )
        .await
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(serve).unwrap();
}
