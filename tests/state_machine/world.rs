//! The server under test: the crate's acceptor with real handshakes, its virtual hosts and its layers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Wake, Waker};

use http::Response;
use rustls::{AlertDescription, ServerConfig};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tower::{Layer, ServiceExt, service_fn};
use tower_misdirected::{
    Coalescing, ConnectionInfo, EffectiveAuthority, MisdirectedLayer, Outdated, Rejection,
    TlsAcceptor, TlsVersion, VirtualHosts,
};

use crate::client::{Clients, Kept};
use crate::http3::{Open, Quic};
use crate::material::{self, Renewable};
use crate::model::{Connection, Identity, Refused};
use crate::play::LEVELS;
use crate::request::Request;
use crate::sequence::{CONFIGS, Client, Hello, Ids, Map, On, Over, Sequence, Server};
use crate::settings::{builder, layer};
use crate::wire::PATIENCE;

pub struct World {
    /// Every build of each configuration.
    configs: Vec<Vec<Arc<ServerConfig>>>,
    renewables: Vec<Arc<Renewable>>,
    hosts: Option<VirtualHosts>,
    /// The configuration where there are no virtual hosts.
    alone: usize,
    /// The ids of the configurations in use.
    ids: Ids,
    acceptor: TlsAcceptor,
    layer: MisdirectedLayer,
    clients: Clients,
    /// Once somebody has connected over it.
    quic: Option<Quic>,
    pub connections: Vec<ConnectionInfo>,
    /// For each connection over QUIC, its client.
    open: BTreeMap<usize, Open>,
    /// For each connection, the wait for it to become outdated, and whether that has been woken.
    waits: Vec<Wait>,
}

struct Wait {
    outdated: Outdated,
    /// It has been polled, and was not ready.
    waits: bool,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

impl World {
    pub fn new(sequence: &Sequence) -> Self {
        let (configs, renewables) = material::configs(sequence);
        let configs: Vec<_> = configs.into_iter().map(|config| vec![config]).collect();
        let (hosts, alone, ids, acceptor) = match &sequence.server {
            Server::Hosts(map) => {
                let hosts = builder(map, &configs).build().unwrap();
                (Some(hosts.clone()), 0, map.ids, TlsAcceptor::from(hosts))
            }
            Server::Alone { config } => {
                let acceptor = TlsAcceptor::new(configs[*config][0].clone());
                (None, *config, [None; CONFIGS], acceptor)
            }
        };
        Self {
            configs,
            renewables,
            hosts,
            alone,
            ids,
            acceptor: acceptor.handshake_timeout(PATIENCE),
            layer: layer(&sequence.limits),
            clients: Clients::new(),
            quic: None,
            connections: Vec::new(),
            open: BTreeMap::new(),
            waits: Vec::new(),
        }
    }

    /// Whether they are taken.
    pub fn swap(&mut self, map: &Map) -> bool {
        let hosts = self.hosts.as_ref();
        let taken = hosts.is_some_and(|hosts| hosts.replace(builder(map, &self.configs)).is_ok());
        if taken {
            self.ids = map.ids;
        }
        taken
    }

    /// Builds every configuration anew. The next swap puts them to use.
    pub fn rebuild(&mut self) {
        for builds in &mut self.configs {
            let equal = (*builds[0]).clone();
            builds.push(Arc::new(equal));
        }
    }

    /// Whether a connection is outdated (W2), and whether who waits for it knows.
    pub fn is_outdated(&mut self, connection: usize) -> (bool, bool) {
        let wait = &mut self.waits[connection];
        let woken = wait.woken.0.swap(false, SeqCst);
        let waker = Waker::from(wait.woken.clone());
        let ready = Pin::new(&mut wait.outdated).poll(&mut Context::from_waker(&waker));
        // Nobody who waits finds out by chance.
        assert_eq!(woken, wait.waits && ready.is_ready());
        wait.waits = ready.is_pending();
        (self.connections[connection].is_outdated(), ready.is_ready())
    }

    pub fn renew(&self, config: usize, certificate: usize) {
        self.renewables[config].renew(certificate);
    }

    /// Opens a connection: what is recorded of it, and a session to resume.
    pub async fn connect(
        &mut self,
        hello: Hello,
        session: Option<Kept>,
    ) -> Result<(Connection, Kept), Refused> {
        let (info, resumed, session) = match hello.over {
            Over::Tls12 | Over::Tls13 => self.connect_tcp(hello, session).await?,
            Over::Quic => self.connect_quic(hello, session).await?,
        };
        let connection = self.recorded(&info, hello.over, resumed);
        self.waits.push(Wait {
            outdated: info.outdated(),
            waits: false,
            woken: Arc::default(),
        });
        self.connections.push(info);
        Ok((connection, session))
    }

    async fn connect_tcp(
        &self,
        hello: Hello,
        session: Option<Kept>,
    ) -> Result<(ConnectionInfo, bool, Kept), Refused> {
        let (near, far) = tokio::io::duplex(1 << 14);
        let (client, server) = tokio::join!(
            self.clients.connect(near, hello, session),
            accept(&self.acceptor, far)
        );
        match (client, server) {
            (Ok((resumed, session)), Ok(info)) => Ok((info, resumed, session)),
            (Err(error), Err(_)) => Err(refused(alert(&error))),
            (client, server) => panic!("the client has {client:?}, the server {server:?}"),
        }
    }

    async fn connect_quic(
        &mut self,
        hello: Hello,
        session: Option<Kept>,
    ) -> Result<(ConnectionInfo, bool, Kept), Refused> {
        let start = || Quic::new(self.acceptor.clone(), self.layer.clone());
        let quic = self.quic.get_or_insert_with(start);
        // In a box, for it is large where nothing is optimized.
        let connected = Box::pin(quic.connect(&self.clients, hello, session)).await;
        let (open, info, resumed, session) = connected.map_err(|alert| refused(alert.into()))?;
        self.open.insert(self.connections.len(), open);
        Ok((info, resumed, session))
    }

    /// The client of a connection over QUIC that the server has not ended.
    pub fn open(&self, connection: usize) -> Option<&Open> {
        self.open.get(&connection)
    }

    /// Waits for the server to end a connection over QUIC without an error (W2). False if it is over TCP.
    pub async fn ends(&mut self, connection: usize) -> bool {
        match self.open.remove(&connection) {
            Some(open) => {
                assert!(open.ends_well().await);
                true
            }
            None => false,
        }
    }

    fn recorded(&self, info: &ConnectionInfo, over: Over, resumed: bool) -> Connection {
        let virtual_host = info.virtual_host();
        let (config, built) = virtual_host.map_or((self.alone, 0), |host| {
            let all = self.configs.iter().enumerate();
            let mut all = all.flat_map(|(config, builds)| {
                let builds = builds.iter().enumerate();
                builds.map(move |(built, arc)| ((config, built), arc))
            });
            let found = all.find(|(_, arc)| Arc::ptr_eq(arc, host.config().unwrap()));
            found.expect("one of the configurations").0
        });
        let names = info.certificate_names();
        let certificate_names = names.is_known().then(|| {
            let mut names = names.to_strings();
            names.sort();
            names
        });
        // D8: the server knows what the client knows.
        assert_eq!(info.resumed(), resumed);
        Connection {
            server_name: info.server_name().map(str::to_owned),
            certificate_names,
            virtual_host: virtual_host.map(|host| host.id().to_owned()),
            config,
            built,
            identity: self.ids[config].map_or(Identity::Arc { config, built }, Identity::Id),
            client: Client::of_certificate(info.client_certificates().next()),
            over: match (info.tls_version(), info.alpn()) {
                (Some(TlsVersion::V1_2), None) => Over::Tls12,
                (Some(TlsVersion::V1_3), None) => Over::Tls13,
                (Some(TlsVersion::V1_3), Some(b"h3")) => Over::Quic,
                other => panic!("{other:?} over {over:?}"),
            },
            resumed,
        }
    }

    /// What becomes of a request at each level. It comes as hyper would hand it over, or is sent over HTTP/3 as another
    /// one that asks for the same.
    pub async fn ask(
        &self,
        on: On,
        request: &Request,
        over_http3: Option<&Request>,
    ) -> Vec<Answer> {
        if let (On::Connection(connection), Some(request)) = (on, over_http3)
            && let Some(open) = self.open(connection)
        {
            return Box::pin(open.ask(&request.build())).await;
        }
        let mut answers = Vec::new();
        for level in LEVELS {
            answers.push(self.ask_at(level, on, request).await);
        }
        answers
    }

    async fn ask_at(&self, level: Coalescing, on: On, request: &Request) -> Answer {
        let mut request = request.build();
        let info = match on {
            On::Connection(connection) => Some(self.connections[connection].clone()),
            On::Plaintext => Some(ConnectionInfo::plaintext().build()),
            On::Gateway => Some(ConnectionInfo::trusted_gateway().build()),
            On::Unknown => None,
        };
        if let Some(info) = info {
            request.extensions_mut().insert(info);
        }
        let response = through(self.layer.clone().coalescing(level), request).await;
        Answer {
            status: response.status().as_u16(),
            rejection: response.extensions().get().copied(),
            names: response.body().lines().map(str::to_owned).collect(),
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Why it was refused.
    pub rejection: Option<Rejection>,
    /// Every name that the handler found, if it ran.
    pub names: Vec<String>,
}

/// Sends a request through the layer to a handler that answers with every name that it finds.
pub async fn through(layer: MisdirectedLayer, request: http::Request<()>) -> Response<String> {
    let handler = service_fn(|request: http::Request<()>| async move {
        Ok::<_, Infallible>(Response::new(names_in(&request).join("\n")))
    });
    layer.layer(handler).oneshot(request).await.unwrap()
}

async fn accept(acceptor: &TlsAcceptor, io: DuplexStream) -> io::Result<ConnectionInfo> {
    let mut stream = acceptor.accept(io).await?;
    stream.write_all(b"!").await?;
    stream.flush().await?;
    Ok(stream.connection_info().clone())
}

fn alert(error: &io::Error) -> AlertDescription {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error:?}"),
    }
}

/// By the alert that the client gets.
fn refused(alert: AlertDescription) -> Refused {
    match alert {
        AlertDescription::UnrecognisedName => Refused::ServerName,
        AlertDescription::CertificateRequired
        | AlertDescription::UnknownCA
        | AlertDescription::HandshakeFailure => Refused::ClientCertificate,
        _ => panic!("{alert:?}"),
    }
}

/// Every name by which something behind the layer could route.
fn names_in(request: &http::Request<()>) -> Vec<String> {
    let authority = EffectiveAuthority::of(request).unwrap().to_string();
    let fields = request.headers().get_all("host").iter();
    let fields = fields.map(|field| field.to_str().unwrap().to_owned());
    let target = request.uri().authority().map(ToString::to_string);
    fields.chain(target).chain([authority]).collect()
}
