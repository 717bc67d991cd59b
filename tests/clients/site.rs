//! The site that clients visit: three hosts of one certificate, served as the README says, and a record of
//! every request as the server saw it, the refused ones included. What the clients do is not here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use axum::serve::IncomingStream;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use quinn::Endpoint;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, QuicTls, TlsAcceptor, TlsListener,
    VirtualHosts, VirtualHostsBuilder,
};

use crate::pki::{self, Leaf};
use crate::program::Directory;
use crate::server::bridge;

/// What the site's one certificate covers. `one.test` is also served to clients without a server name.
pub const NAMES: &[&str] = &["one.test", "api.one.test", "two.test", "127.0.0.1"];

/// A host with a certificate and a configuration of its own, which never changes. A client opens another connection
/// for it, and its connections for the other hosts are idle meanwhile.
pub const ASIDE: &str = "aside.test";

/// How long a client may take to close the connections on which it was told to go. Some do so at their next request.
const CLOSING: Duration = Duration::from_secs(2);

/// Whether the hosts may share their connections (B6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// All hosts have one TLS configuration.
    Shared,
    /// Each host has a TLS configuration of its own, so the certificate invites clients to coalesce and the
    /// layer refuses it.
    Apart,
}

impl Tls {
    fn hosts(self, leaf: &Leaf) -> VirtualHostsBuilder {
        let shared = Arc::new(config(leaf));
        let mut hosts = VirtualHosts::builder();
        for name in NAMES.iter().filter(|name| name.ends_with(".test")) {
            let config = match self {
                Tls::Shared => shared.clone(),
                Tls::Apart => Arc::new(config(leaf)),
            };
            hosts = hosts.host(*name, config);
        }
        hosts.default_to("one.test")
    }
}

/// For TCP and for QUIC.
fn config(leaf: &Leaf) -> ServerConfig {
    let mut config = leaf.server_config();
    config.alpn_protocols.push(b"h3".to_vec());
    config
}

/// How the site is served.
#[derive(Clone, Copy)]
pub struct Kind {
    pub tls: Tls,
    /// When idle connections are told of a change: within this time, or never.
    pub drain: Option<Duration>,
    /// Over HTTP/3 too, on the same port.
    pub http3: bool,
}

impl From<Tls> for Kind {
    fn from(tls: Tls) -> Self {
        Self {
            tls,
            drain: Some(Duration::ZERO),
            http3: false,
        }
    }
}

/// The virtual hosts, which pages change, and the connections that a change concerns.
struct Hosts {
    change: Box<dyn Fn() + Send + Sync>,
    open: Mutex<Vec<Open>>,
}

/// A connection that has served a request.
#[derive(Clone)]
struct Open {
    info: ConnectionInfo,
    end: watch::Receiver<()>,
}

impl Hosts {
    /// Gives every host a new TLS configuration, except for [`ASIDE`]. The connections up to now can serve none of
    /// them.
    fn change(&self) {
        (self.change)();
    }

    /// Makes sure that idle connections have been told of a change. The site and its connections have one thread, so
    /// those that were woken have had their turn, and have written GOAWAY, when this one has it again. Then the
    /// clients may close them.
    async fn tell(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let told = |open: &Open| {
            let http1 = matches!(open.info.alpn(), None | Some(b"http/1.1"));
            !http1 && open.info.is_outdated()
        };
        let open = self.open.lock().unwrap().clone();
        let end = async {
            for mut open in open.into_iter().filter(told) {
                while open.end.changed().await.is_ok() {}
            }
        };
        let _ = tokio::time::timeout(CLOSING, end).await;
    }
}

/// A running site. It ends with the runtime of its test.
pub struct Site {
    pub addr: SocketAddr,
    /// The certificate of every host but [`ASIDE`].
    pub leaf: Arc<Leaf>,
    records: Records,
    files: Directory,
}

/// The record, which routes find in the extensions of their requests.
pub type Records = Arc<Mutex<Vec<Record>>>;

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Record {
    /// No two connections have the same.
    pub connection: usize,
    pub server_name: Option<String>,
    pub version: Version,
    pub method: Method,
    /// As the client wrote it: `:authority`, or else `Host`.
    pub authority: String,
    pub path: String,
    pub status: u16,
    body: Arc<AtomicUsize>,
}

impl Record {
    /// How much of the request's body anything behind the layer has read up to now.
    pub fn body_length(&self) -> usize {
        self.body.load(Ordering::SeqCst)
    }

    /// The authority without its port.
    pub fn host(&self) -> &str {
        self.authority.split(':').next().unwrap()
    }

    /// What was asked of whom, and what the answer was: `two.test 421`.
    pub fn line(&self) -> String {
        format!("{} {}", self.host(), self.status)
    }
}

impl Site {
    /// A site whose every page says which host it is of, and repeats what was sent to it. The page `/change` also
    /// changes the TLS configurations, and so does `/tell`, which is for [`ASIDE`] and answers when idle connections
    /// know.
    pub async fn start(kind: impl Into<Kind>) -> Self {
        Self::serve(kind, pages().layer(MisdirectedLayer::new().json())).await
    }

    /// A site of these routes, whose outermost layer should be a [`MisdirectedLayer`].
    pub async fn serve(kind: impl Into<Kind>, app: Router) -> Self {
        let Kind { tls, drain, http3 } = kind.into();
        let leaf = Arc::new(pki::leaf(NAMES));
        let aside = Arc::new(config(&pki::leaf(&[ASIDE])));
        let all = {
            let leaf = leaf.clone();
            move || tls.hosts(&leaf).host(ASIDE, aside.clone())
        };
        let virtual_hosts = all().build().unwrap();
        let acceptor = TlsAcceptor::from(virtual_hosts.clone()).drain(drain);
        let hosts = Arc::new(Hosts {
            change: Box::new(move || virtual_hosts.replace(all()).unwrap()),
            open: Mutex::default(),
        });
        let records = Records::default();
        let app = app
            .layer(Extension(hosts.clone()))
            .layer(from_fn_with_state((records.clone(), hosts), record));

        let (tcp, udp) = bind(http3).await;
        let addr = tcp.local_addr().unwrap();
        if let Some(udp) = udp {
            let tls = QuicTls::<QuicServerConfig>::new(acceptor.clone()).unwrap();
            udp.set_server_config(Some(quinn::ServerConfig::with_crypto(Arc::new(tls))));
            tokio::spawn(serve_http3(udp, app.clone(), drain));
        }
        // Clients over TCP learn of HTTP/3 (RFC 7838).
        let alt_svc = http3.then(|| format!("h3=\":{}\"; ma=86400", addr.port()));
        let alt_svc = alt_svc.map(|value| HeaderValue::try_from(value).unwrap());
        let app = app.layer(SetResponseHeaderLayer::overriding(
            header::ALT_SVC,
            move |_: &Response| alt_svc.clone(),
        ));
        let listener = TlsListener::from_tcp(tcp, acceptor);
        let app = app.into_make_service_with_connect_info::<Connection>();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });

        let files = Directory::new();
        files.write("ca.pem", ca());
        let names = NAMES.iter().chain([&ASIDE]);
        let lines = names.map(|name| format!("127.0.0.1 {name}\n"));
        files.write("hosts", lines.collect::<String>());
        Self {
            addr,
            leaf,
            records,
            files,
        }
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// `https://HOST:PORT/`
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.port())
    }

    /// A file with the certificate to trust, in PEM.
    pub fn ca_file(&self) -> String {
        self.files.path("ca.pem")
    }

    /// A file in the manner of `/etc/hosts`.
    pub fn hosts_file(&self) -> String {
        self.files.path("hosts")
    }

    /// Every request since the last time, in the order of the answers. What a client has seen answered is
    /// among them.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.records.lock().unwrap())
    }
}

/// The authority that signed the site's certificate, in PEM.
pub fn ca() -> String {
    pki::pem("CERTIFICATE", &pki::CA.0)
}

pub fn pages() -> Router {
    let page = async |authority: EffectiveAuthority, body: Bytes| {
        let mut page = format!("{}\n", authority.host()).into_bytes();
        page.extend_from_slice(&body);
        page
    };
    let change = async |Extension(hosts): Extension<Arc<Hosts>>, _: Bytes| hosts.change();
    let tell = async |Extension(hosts): Extension<Arc<Hosts>>| {
        hosts.change();
        hosts.tell().await;
    };
    Router::new()
        .route("/change", any(change))
        .route("/tell", any(tell))
        .fallback(page)
        .layer(DefaultBodyLimit::disable())
}

/// TCP, and UDP on the same port if it is wanted. The system knows a port that is free for TCP, and it nearly always
/// is free for UDP.
async fn bind(udp: bool) -> (TcpListener, Option<Endpoint>) {
    for _ in 0..10 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if !udp {
            return (tcp, None);
        }
        if let Ok(endpoint) = Endpoint::client(tcp.local_addr().unwrap()) {
            return (tcp, Some(endpoint));
        }
    }
    panic!("no port is free for both");
}

async fn serve_http3(endpoint: Endpoint, app: Router, drain: Option<Duration>) {
    while let Some(incoming) = endpoint.accept().await {
        let app = app.clone();
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else {
                return;
            };
            let info = ConnectionInfo::from_quinn(&connection).unwrap();
            let app = app.layer(Extension(ConnectInfo(Connection::new(info))));
            let never = CancellationToken::new();
            let _ = bridge::serve_connection(connection, app, drain, never).await;
        });
    }
}

/// A connection and its number.
#[derive(Clone)]
struct Connection {
    number: usize,
    info: ConnectionInfo,
    /// Dropped when the connection ends.
    end: Arc<watch::Sender<()>>,
}

impl Connection {
    fn new(info: ConnectionInfo) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            info,
            end: Arc::default(),
        }
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self::new(stream.io().connection_info().clone())
    }
}

/// Notes a request that the layer inside it judges, and how that went.
async fn record(
    State((records, hosts)): State<(Records, Arc<Hosts>)>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    mut request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST);
    let authority = match (request.uri().authority(), host) {
        (Some(authority), _) => authority.to_string(),
        (None, host) => host.map_or_else(String::new, |host| host.to_str().unwrap().to_owned()),
    };
    let body = Arc::new(AtomicUsize::new(0));
    let mut record = Record {
        connection: connection.number,
        server_name: connection.info.server_name().map(str::to_owned),
        version: request.version(),
        method: request.method().clone(),
        authority,
        path: request.uri().path().to_owned(),
        status: 0,
        body: body.clone(),
    };

    hosts.open.lock().unwrap().push(Open {
        info: connection.info.clone(),
        end: connection.end.subscribe(),
    });
    // What else has the connection's end in its extensions would keep it open.
    request.extensions_mut().remove::<ConnectInfo<Connection>>();
    drop(connection.end);
    request.extensions_mut().insert(connection.info);
    request.extensions_mut().insert(records.clone());
    let request = request.map(|inner| {
        Body::new(inner.map_frame(move |frame| {
            let length = frame.data_ref().map_or(0, Bytes::len);
            body.fetch_add(length, Ordering::SeqCst);
            frame
        }))
    });
    let response = next.run(request).await;
    record.status = response.status().as_u16();
    records.lock().unwrap().push(record);
    response
}
