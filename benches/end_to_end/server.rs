//! Servers as processes of their own, this program's among them: axum with the layer and without.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
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
    /// Starts a program that is to listen on `addr`, and waits until it does.
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
        while TcpStream::connect(addr).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("ended at once: {status}")));
            }
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::other("does not listen"));
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

/// An address that nobody listens on.
pub fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// This program as a server.
pub struct Axum;

pub const PAIR: Axum = Axum;

impl Pair for Axum {
    fn start(&self, checks: bool) -> io::Result<Server> {
        let addr = free_addr();
        let mut command = Command::new(std::env::current_exe()?);
        let layer = if checks { "layer" } else { "no-layer" };
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
