//! A server that follows the recipe, with the layer as it is by default.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use openssl::ssl::{SslContext, SslRef};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::add_extension::AddExtensionLayer;
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, VirtualHosts, VirtualHostsBuilder,
};

use crate::client::{Connection, Visitor};
use crate::contexts::ONE;
use crate::wire::PATIENCE;
use crate::{handshake, recipe};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// The handler ran, and saw this client.
    Served(&'static str),
    /// The answer was 421, and the handler did not run.
    Refused,
    /// The server ended the connection, and the handler did not run.
    Ended,
}

pub const NOBODY: Got = Got::Served("nobody");
pub const CLIENT_ONE: Got = Got::Served("one");

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub struct Site {
    pub hosts: VirtualHosts<SslContext>,
    selector: SslContext,
    calls: Arc<AtomicUsize>,
    /// Whether the connection of the last request that was handled resumed a session.
    resumed: Arc<AtomicBool>,
    /// Runs once, after a handshake and before its `ConnectionInfo` is built.
    after_handshake: Arc<Mutex<Option<Hook>>>,
}

impl Site {
    pub fn new(hosts: VirtualHostsBuilder<SslContext>) -> Self {
        let hosts = hosts.build().unwrap();
        Self {
            selector: recipe::selector(hosts.clone()).unwrap(),
            hosts,
            calls: Arc::default(),
            resumed: Arc::default(),
            after_handshake: Arc::default(),
        }
    }

    pub fn after_handshake(&self, run: impl FnOnce() + Send + 'static) {
        *self.after_handshake.lock().unwrap() = Some(Box::new(run));
    }

    /// Whether the connection of the last request that was handled resumed a session, as the handler saw it.
    pub fn resumed(&self) -> bool {
        self.resumed.load(Ordering::SeqCst)
    }

    /// Serves on loopback.
    pub async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let site = self.clone();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let site = site.clone();
                tokio::spawn(async move { site.serve(tcp).await });
            }
        });
        addr
    }

    /// Serves one connection.
    pub async fn serve<IO>(&self, io: IO) -> io::Result<()>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = async {
            let (ssl, io) = recipe::select(&self.selector, io).await?;
            handshake::handshake(ssl, io).await
        };
        let handshake = tokio::time::timeout(PATIENCE, handshake).await;
        let stream = handshake.expect("a handshake in time")?;
        let info = self.info(stream.ssl());
        let (calls, resumed) = (self.calls.clone(), self.resumed.clone());
        let handler = move |authority: EffectiveAuthority, info: ConnectionInfo, _: Request| {
            calls.fetch_add(1, Ordering::SeqCst);
            resumed.store(info.resumed(), Ordering::SeqCst);
            let client = match info.client_certificates().next() {
                None => "nobody",
                Some(der) if der == &*ONE.der => "one",
                Some(_) => "somebody else",
            };
            std::future::ready(format!("{} {client}", authority.host()))
        };
        let service = ServiceBuilder::new()
            .layer(AddExtensionLayer::new(info))
            .layer(MisdirectedLayer::new())
            .service(Router::new().fallback(handler));
        let _ = Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .await;
        Ok(())
    }

    fn info(&self, ssl: &SslRef) -> ConnectionInfo {
        if let Some(run) = self.after_handshake.lock().unwrap().take() {
            run();
        }
        recipe::connection_info(ssl)
    }

    /// Sends a GET for this authority and tells what became of it.
    pub async fn ask(&self, connection: &mut Connection, authority: &str) -> Got {
        let before = self.calls.load(Ordering::SeqCst);
        let answer = connection.get(authority).await;
        let calls = self.calls.load(Ordering::SeqCst) - before;
        match answer {
            Ok(answer) if answer.status() == 200 => {
                assert_eq!(calls, 1);
                let (host, client) = answer.body().split_once(' ').unwrap();
                let asked: EffectiveAuthority = authority.parse().unwrap();
                assert_eq!(host, asked.host().to_string());
                Got::Served(
                    ["nobody", "one"]
                        .into_iter()
                        .find(|known| *known == client)
                        .unwrap(),
                )
            }
            Ok(answer) => {
                assert_eq!((answer.status().as_u16(), calls), (421, 0));
                Got::Refused
            }
            Err(_) => {
                assert_eq!(calls, 0);
                Got::Ended
            }
        }
    }

    /// Opens a connection with this server name, or with none, and asks for one authority on it. Returns also
    /// whether the handshake resumed a session.
    pub async fn ask_once(
        &self,
        visitor: &Visitor,
        addr: SocketAddr,
        sni: Option<&str>,
        authority: &str,
    ) -> (Got, bool) {
        match visitor.connect(addr, sni).await {
            Ok(mut connection) => {
                let resumed = connection.resumed();
                (self.ask(&mut connection, authority).await, resumed)
            }
            Err(_) => (Got::Ended, false),
        }
    }
}
