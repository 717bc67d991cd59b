//! The server: virtual hosts that differ in whom they let in, and a handler that tells whom it saw.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::map_request;
use bytes::Bytes;
use http::Response;
use hyper::body::Frame;
use rcgen::CertificateParams;
use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
};
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, Outcome, Rejection, TlsAcceptor,
    VirtualHosts, VirtualHostsBuilder,
};

use crate::client::{Connection, Http, Visitor};
use crate::pki::{self, Leaf};
use crate::server;
use crate::single::{Single, Source};

/// The certificate of every virtual host but `other.test`. `*.w.test` is in it, and `w.test` is not.
pub static CERTIFICATE: LazyLock<Leaf> = LazyLock::new(|| {
    pki::leaf(&[
        "www.test",
        "shop.test",
        "admin.test",
        "*.mtls.test",
        "vault.test",
        "other.test",
        "*.w.test",
        "new.test",
        "127.0.0.1",
        "127.0.0.2",
        "::1",
        "2001:db8::1",
        "2001:db8::2",
    ])
});

/// Clients of the first authority and of the other one.
pub static ONE: LazyLock<Leaf> = LazyLock::new(|| pki::leaf(&["client-one.test"]));
pub static TWO: LazyLock<Leaf> = LazyLock::new(|| {
    let params = CertificateParams::new(vec!["client-two.test".to_owned()]).unwrap();
    pki::sign_by(&pki::OTHER_CA, params)
});

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// The handler ran, once, for the host asked for, and saw this client.
    Served(Client),
    /// The handler did not run, for this reason; the answer was 421, or 400 where it was malformed.
    Refused(Rejection),
    /// The connection was ended, and the handler did not run.
    Ended,
}

/// Whose certificate it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Nobody,
    One,
    Two,
}

/// How servers remember sessions. All configurations share it, on purpose.
#[derive(Clone)]
pub struct Memory {
    store: Arc<dyn StoresServerSessions>,
    ticketer: Option<Arc<dyn ProducesTickets>>,
    /// What the ids of the configurations begin with. `None` if they have no ids.
    pub ids: Option<&'static str>,
}

impl Memory {
    /// In tickets, which clients keep.
    pub fn tickets() -> Self {
        Self {
            store: Arc::new(NoServerSessionStorage {}),
            ticketer: Some(Ticketer::new().unwrap()),
            ids: None,
        }
    }

    /// In a store.
    pub fn store() -> Self {
        Self {
            store: ServerSessionMemoryCache::new(1024),
            ticketer: None,
            ids: None,
        }
    }

    /// The same, with ids that begin like this.
    pub fn with_ids(&self, ids: Option<&'static str>) -> Self {
        Self {
            ids,
            ..self.clone()
        }
    }

    fn share(&self, mut config: ServerConfig) -> ServerConfig {
        config.session_storage = self.store.clone();
        if let Some(ticketer) = &self.ticketer {
            config.ticketer = ticketer.clone();
        }
        config
    }
}

/// The configurations of the virtual hosts.
#[derive(Clone)]
pub struct Configs {
    /// Lets anyone in.
    pub open: Arc<ServerConfig>,
    /// Wants a client certificate of the first authority.
    pub one: Arc<ServerConfig>,
    /// The same, and yet another configuration.
    pub wildcard: Arc<ServerConfig>,
    /// Wants a client certificate of the other authority.
    pub two: Arc<ServerConfig>,
    /// Lets anyone in, with a certificate of its own.
    pub other: Arc<ServerConfig>,
    /// What their ids begin with, if they have ids.
    pub ids: Option<&'static str>,
}

impl Configs {
    pub fn new(memory: &Memory) -> Self {
        let configs = Self::each(|_, config| memory.share(config));
        configs.with_ids(memory.ids)
    }

    /// The same configurations, with ids that begin like this.
    pub fn with_ids(&self, ids: Option<&'static str>) -> Self {
        Self {
            ids,
            ..self.clone()
        }
    }

    /// Finishes every configuration, given its name.
    pub fn each(finish: impl Fn(&'static str, ServerConfig) -> ServerConfig) -> Self {
        let finish = |name, mut config: ServerConfig| {
            config.alpn_protocols = ["h2", "http/1.1", "h3"].map(|alpn| alpn.into()).to_vec();
            Arc::new(finish(name, config))
        };
        Self {
            open: finish("open", CERTIFICATE.server_config()),
            one: finish("one", CERTIFICATE.mutual_tls_config()),
            wildcard: finish("wildcard", CERTIFICATE.mutual_tls_config()),
            two: finish("two", CERTIFICATE.mutual_tls_config_of(&pki::OTHER_CA)),
            other: finish("other", pki::leaf(&["other.test"]).server_config()),
            ids: None,
        }
    }

    fn all(&self) -> [&Arc<ServerConfig>; 5] {
        [
            &self.open,
            &self.one,
            &self.wildcard,
            &self.two,
            &self.other,
        ]
    }

    /// Gives a configuration its id, if it has one.
    pub fn identify(
        &self,
        hosts: VirtualHostsBuilder,
        config: &Arc<ServerConfig>,
    ) -> VirtualHostsBuilder {
        let number = self.all().iter().position(|own| Arc::ptr_eq(own, config));
        match (self.ids, number) {
            (Some(ids), Some(number)) => hosts.config_id(config, format!("{ids}{number}")),
            _ => hosts,
        }
    }

    /// Every virtual host, without a default.
    pub fn hosts(&self) -> VirtualHostsBuilder {
        let hosts = VirtualHosts::builder();
        let hosts = self
            .all()
            .into_iter()
            .fold(hosts, |hosts, own| self.identify(hosts, own));
        hosts
            .host("www.test", self.open.clone())
            .host("shop.test", self.open.clone())
            .host("*.w.test", self.open.clone())
            .host("admin.test", self.one.clone())
            .host("*.mtls.test", self.wildcard.clone())
            .host("vault.test", self.two.clone())
            .host("other.test", self.other.clone())
    }
}

/// Servers over TCP and over QUIC, with one source of configurations for both.
pub struct Site<H = VirtualHosts> {
    pub hosts: H,
    pub tcp: SocketAddr,
    pub quic: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    handled: Mutex<Vec<(String, Client)>>,
    refused: Mutex<Vec<Rejection>>,
    /// Of the last request that was handled.
    server_name: Mutex<Option<String>>,
    resumed: Mutex<Option<bool>>,
    /// How often something was asked of a request's body.
    body_reads: AtomicUsize,
}

impl Site {
    pub async fn new(hosts: VirtualHostsBuilder) -> Self {
        Self::listening(hosts, Ipv4Addr::LOCALHOST.into()).await
    }

    /// A site that listens for TCP at this address.
    pub async fn listening(hosts: VirtualHostsBuilder, ip: IpAddr) -> Self {
        let hosts = hosts.build().unwrap();
        let seen = Arc::new(Seen::default());
        let app = app(&seen);
        // Visitors take no notice of a GOAWAY, and stay on their connections.
        let acceptor = TlsAcceptor::from(hosts.clone()).drain(None);
        Self {
            tcp: server::tls_at(ip, app.clone(), acceptor.clone()).await,
            quic: server::quic_0rtt(app, acceptor).await,
            hosts,
            seen,
        }
    }
}

impl Site<Single> {
    /// A site with a single configuration at a time.
    pub async fn single(source: Source, config: &Arc<ServerConfig>) -> Self {
        let hosts = Single::new(source, config);
        let seen = Arc::new(Seen::default());
        let (tcp, quic) = hosts.serve(app(&seen)).await;
        Self {
            hosts,
            tcp,
            quic,
            seen,
        }
    }

    /// Gives this configuration to all handshakes from now on.
    pub async fn change(&mut self, config: &Arc<ServerConfig>) {
        if !self.hosts.change(config) {
            self.hosts = Single::new(Source::TwoAcceptors, config);
            (self.tcp, self.quic) = self.hosts.serve(app(&self.seen)).await;
        }
    }
}

impl<H> Site<H> {
    /// Sends a GET for this authority and tells what became of it.
    pub async fn ask(&self, connection: &mut Connection, authority: &str) -> Got {
        self.see(authority, connection.get(authority)).await
    }

    /// Tells what became of a request for this authority, which is sent on its own.
    pub async fn see<F>(&self, authority: &str, answer: F) -> Got
    where
        F: Future<Output = Result<Response<String>, String>>,
    {
        let handled = self.calls();
        let answer = answer.await;
        let handled = self.seen.handled.lock().unwrap()[handled..].to_vec();
        let reason = self.seen.refused.lock().unwrap().pop();
        match (answer, handled.as_slice(), reason) {
            (Ok(answer), [(host, client)], None) => {
                let asked: EffectiveAuthority = authority.parse().unwrap();
                assert_eq!(answer.status(), 200);
                assert_eq!(*host, asked.host().to_string());
                Got::Served(*client)
            }
            (Ok(answer), [], Some(reason)) => {
                assert_eq!(answer.status(), reason.status(), "{reason}");
                Got::Refused(reason)
            }
            (Err(_), [], None) => Got::Ended,
            (answer, handled, reason) => {
                panic!("{authority}: {answer:?}, handled {handled:?}, refused {reason:?}")
            }
        }
    }

    /// Opens a connection with this server name, or with none, and asks for one authority on it.
    pub async fn ask_once(&self, visitor: &Visitor, sni: Option<&str>, authority: &str) -> Got {
        match self.connect(visitor, sni).await {
            Ok(mut connection) => self.ask(&mut connection, authority).await,
            Err(_) => Got::Ended,
        }
    }

    pub async fn connect(
        &self,
        visitor: &Visitor,
        sni: Option<&str>,
    ) -> Result<Connection, String> {
        visitor.connect(self.addr(visitor.http()), sni).await
    }

    pub fn addr(&self, http: Http) -> SocketAddr {
        match http {
            Http::One | Http::Two => self.tcp,
            Http::Three => self.quic,
        }
    }

    /// How often the handler ran.
    pub fn calls(&self) -> usize {
        self.seen.handled.lock().unwrap().len()
    }

    /// The server name that the handler saw last.
    pub fn server_name(&self) -> Option<String> {
        self.seen.server_name.lock().unwrap().clone()
    }

    /// Whether the connection of the last request that was handled resumed a session, as the handler saw it.
    pub fn resumed(&self) -> Option<bool> {
        *self.seen.resumed.lock().unwrap()
    }

    /// How often something was asked of a request's body since this was last asked.
    pub fn body_reads(&self) -> usize {
        self.seen.body_reads.swap(0, Ordering::SeqCst)
    }
}

fn app(seen: &Arc<Seen>) -> Router {
    let (handler, judge) = (seen.clone(), seen.clone());
    let layer = MisdirectedLayer::new()
        .close_http1(false)
        .on_verdict(move |verdict| {
            if let Outcome::Refused(rejection) = verdict.outcome() {
                judge.refused.lock().unwrap().push(rejection);
            }
        });
    let handle = move |authority: EffectiveAuthority, info: ConnectionInfo, request: Request| async move {
        let client = match info.client_certificates().next() {
            None => Client::Nobody,
            Some(der) if der == &*ONE.der => Client::One,
            Some(der) if der == &*TWO.der => Client::Two,
            Some(_) => panic!("an unknown client"),
        };
        // Nothing that routes by another name than the one that was judged may find one.
        let field = request.headers().get("host");
        let field = field.map(|host| host.to_str().unwrap().to_owned());
        let target = request.uri().authority().map(ToString::to_string);
        for named in field.into_iter().chain(target) {
            let named: EffectiveAuthority = named.parse().unwrap();
            assert_eq!(named.host(), authority.host());
        }
        *handler.server_name.lock().unwrap() = info.server_name().map(str::to_owned);
        *handler.resumed.lock().unwrap() = Some(info.resumed());
        let host = authority.host().to_string();
        handler.handled.lock().unwrap().push((host, client));
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        body.unwrap()
    };
    let outermost = seen.clone();
    let watch = map_request(move |request: Request| {
        let seen = outermost.clone();
        let watched = |body| Body::new(WatchedBody { body, seen });
        std::future::ready(request.map(watched))
    });
    Router::new().fallback(handle).layer(layer).layer(watch)
}

/// A request's body, and what is asked of it.
struct WatchedBody {
    body: Body,
    seen: Arc<Seen>,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.seen.body_reads.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.body).poll_frame(cx)
    }
}
