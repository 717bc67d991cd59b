//! The site that clients visit: three hosts of one certificate, served as the README says, and a record of
//! every request as the server saw it, the refused ones included. What the clients do is not here.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{Method, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use axum::serve::IncomingStream;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use tower_misdirected::{
    ConnectionInfo, EffectiveAuthority, MisdirectedLayer, TlsListener, VirtualHosts,
    VirtualHostsBuilder,
};

use crate::pki::{self, Leaf};
use crate::program::Directory;

/// What the site's one certificate covers. `one.test` is also served to clients without a server name.
pub const NAMES: &[&str] = &["one.test", "api.one.test", "two.test", "127.0.0.1"];

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
        let shared = Arc::new(leaf.server_config());
        let mut hosts = VirtualHosts::builder();
        for name in NAMES.iter().filter(|name| name.ends_with(".test")) {
            let config = match self {
                Tls::Shared => shared.clone(),
                Tls::Apart => Arc::new(leaf.server_config()),
            };
            hosts = hosts.host(*name, config);
        }
        hosts.default_to("one.test")
    }
}

/// Gives every host a new TLS configuration, so that the connections up to now can serve none of them.
#[derive(Clone)]
struct Change(Arc<dyn Fn() + Send + Sync>);

/// A running site. It ends with the runtime of its test.
pub struct Site {
    pub addr: SocketAddr,
    /// The certificate of every host.
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
    /// A site whose every page says which host it is of, and repeats what was sent to it. The page
    /// `/change` also gives every host a new TLS configuration, which leaves all connections behind.
    pub async fn start(tls: Tls) -> Self {
        Self::serve(tls, pages().layer(MisdirectedLayer::new().json())).await
    }

    /// A site of these routes, whose outermost layer should be a [`MisdirectedLayer`].
    pub async fn serve(tls: Tls, app: Router) -> Self {
        let leaf = Arc::new(pki::leaf(NAMES));
        let hosts = tls.hosts(&leaf).build().unwrap();
        let change = Change(Arc::new({
            let (hosts, leaf) = (hosts.clone(), leaf.clone());
            move || hosts.replace(tls.hosts(&leaf)).unwrap()
        }));

        let listener = TlsListener::bind("127.0.0.1:0", hosts).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let records = Records::default();
        let app = app
            .layer(Extension(change))
            .layer(from_fn_with_state(records.clone(), record))
            .into_make_service_with_connect_info::<Connection>();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });

        let files = Directory::new();
        files.write("ca.pem", ca());
        let lines = NAMES.iter().map(|name| format!("127.0.0.1 {name}\n"));
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
    pem("CERTIFICATE", &pki::CA.0)
}

pub fn pem(tag: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(tag, der))
}

pub fn pages() -> Router {
    let page = async |authority: EffectiveAuthority, body: Bytes| {
        let mut page = format!("{}\n", authority.host()).into_bytes();
        page.extend_from_slice(&body);
        page
    };
    let change = async |Extension(change): Extension<Change>, _: Bytes| (change.0)();
    Router::new()
        .route("/change", any(change))
        .fallback(page)
        .layer(DefaultBodyLimit::disable())
}

/// A connection and its number.
#[derive(Clone)]
struct Connection {
    number: usize,
    info: ConnectionInfo,
}

impl Connected<IncomingStream<'_, TlsListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            info: stream.io().connection_info().clone(),
        }
    }
}

/// Notes a request that the layer inside it judges, and how that went.
async fn record(
    State(records): State<Records>,
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
