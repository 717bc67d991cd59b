//! Servers with a single configuration at a time, from every source but virtual hosts.

use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use tower_misdirected::TlsAcceptor;

use crate::server;

/// Where the configuration comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// `TlsAcceptor::from_fn`.
    Function,
    /// axum-server's `RustlsConfig`, which can be reloaded.
    RustlsConfig,
    /// `TlsAcceptor::new`. Each configuration has an acceptor and servers of its own.
    TwoAcceptors,
}

impl Source {
    pub const EVERY: [Self; 3] = [Self::Function, Self::RustlsConfig, Self::TwoAcceptors];
}

/// A source with its current configuration.
pub enum Single {
    Function(Arc<RwLock<Arc<ServerConfig>>>),
    RustlsConfig(RustlsConfig),
    Acceptor(Arc<ServerConfig>),
}

impl Single {
    pub fn new(source: Source, config: &Arc<ServerConfig>) -> Self {
        let config = config.clone();
        match source {
            Source::Function => Self::Function(Arc::new(RwLock::new(config))),
            Source::RustlsConfig => Self::RustlsConfig(RustlsConfig::from_config(config)),
            Source::TwoAcceptors => Self::Acceptor(config),
        }
    }

    /// Starts a server over TCP and one over QUIC, and returns their addresses.
    pub async fn serve(&self, app: Router) -> (SocketAddr, SocketAddr) {
        let acceptor = match self {
            Self::Function(current) => {
                let current = current.clone();
                TlsAcceptor::from_fn(move || current.read().unwrap().clone())
            }
            Self::RustlsConfig(config) => TlsAcceptor::from(config.clone()),
            Self::Acceptor(config) => TlsAcceptor::new(config.clone()),
        };
        let tcp = match self {
            Self::RustlsConfig(_) => serve_by_axum_server(app.clone(), acceptor.clone()).await,
            _ => server::tls(app.clone(), acceptor.clone()).await,
        };
        (tcp, server::quic_0rtt(app, acceptor).await)
    }

    /// Changes the configuration of the servers that run. Returns whether the source can do that.
    pub fn change(&self, config: &Arc<ServerConfig>) -> bool {
        let config = config.clone();
        match self {
            Self::Function(current) => *current.write().unwrap() = config,
            Self::RustlsConfig(current) => current.reload_from_config(config),
            Self::Acceptor(_) => return false,
        }
        true
    }
}

async fn serve_by_axum_server(app: Router, acceptor: TlsAcceptor) -> SocketAddr {
    let handle = Handle::new();
    let server = axum_server::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .acceptor(acceptor)
        .handle(handle.clone())
        .serve(app.into_make_service());
    tokio::spawn(server);
    handle.listening().await.unwrap()
}
