//! Sockets and serving: TCP with `axum::serve`, HTTP/3 with the bridge of the example `http3`. After shutdown, open
//! requests get some time to complete.

#[path = "../http3/bridge.rs"]
mod bridge;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_misdirected::{ConnectionInfo, Peers, QuicTls, TlsAcceptor, TlsListener, VirtualHosts};

use crate::config::{Config, Drain, Problem};

/// The time limit of open requests over TCP after shutdown.
const DRAIN: Duration = Duration::from_secs(10);

/// The number of attempts to find a port that is free for both TCP and UDP, if the port is 0.
const ATTEMPTS: usize = 32;

pub struct Sockets {
    tcp: TcpListener,
    udp: Option<UdpSocket>,
    pub addr: SocketAddr,
}

impl Sockets {
    pub async fn bind(config: &Config) -> Result<Self, Problem> {
        let mut attempts = match config.listen.port() {
            0 => ATTEMPTS,
            _ => 1,
        };
        loop {
            attempts -= 1;
            match Self::bind_once(config).await {
                Err(_) if attempts > 0 => {}
                result => {
                    return result.map_err(|error| {
                        config.problem(format_args!(
                            "listen = `{}`: {error}: free the address, or listen on another",
                            config.listen
                        ))
                    });
                }
            }
        }
    }

    async fn bind_once(config: &Config) -> io::Result<Self> {
        let tcp = TcpListener::bind(config.listen).await?;
        let addr = tcp.local_addr()?;
        let udp = match config.http3 {
            true => Some(UdpSocket::bind(addr)?),
            false => None,
        };
        Ok(Self { tcp, udp, addr })
    }
}

/// Starts to serve. The returned future ends after shutdown, when all requests are complete or the time limit is
/// reached.
pub fn start(
    sockets: Sockets,
    hosts: VirtualHosts,
    app: Router,
    drain: Drain,
    proxy_protocol: Option<Peers>,
    shutdown: &CancellationToken,
) -> Result<TaskTracker, Problem> {
    let tasks = TaskTracker::new();
    // One acceptor for both, so that each certificate is parsed only once.
    let mut tls = TlsAcceptor::from(hosts).drain(drain.0);
    if let Some(peers) = proxy_protocol {
        tls = tls.proxy_protocol(peers);
    }
    if let Some(udp) = sockets.udp {
        let endpoint = endpoint(udp, tls.clone());
        let endpoint =
            endpoint.map_err(|error| Problem::new(format!("cannot serve HTTP/3: {error}")))?;
        tasks.spawn(bridge::serve(
            endpoint,
            app.clone(),
            drain.0,
            shutdown.clone(),
        ));
    }
    let listener = TlsListener::from_tcp(sockets.tcp, tls);
    tasks.spawn(serve_tcp(listener, app, shutdown.clone()));
    tasks.close();
    Ok(tasks)
}

async fn serve_tcp(listener: TlsListener, app: Router, shutdown: CancellationToken) {
    let app = app.into_make_service_with_connect_info::<ConnectionInfo>();
    let server =
        axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let serving = tokio::spawn(server.into_future());
    shutdown.cancelled().await;
    let _ = tokio::time::timeout(DRAIN, serving).await;
}

fn endpoint(
    udp: UdpSocket,
    tls: TlsAcceptor,
) -> Result<Endpoint, Box<dyn std::error::Error + Send + Sync>> {
    let tls = QuicTls::<QuicServerConfig>::new(tls)?;
    let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let runtime = Arc::new(TokioRuntime);
    Ok(Endpoint::new(
        EndpointConfig::default(),
        Some(config),
        udp,
        runtime,
    )?)
}
