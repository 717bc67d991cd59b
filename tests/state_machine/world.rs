//! The server under test: the crate's acceptor with real handshakes, its virtual hosts and its layers.

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
    TlsAcceptor, TlsVersion, VirtualHosts, VirtualHostsBuilder,
};

use crate::client::{Clients, Kept};
use crate::material::{self, Renewable};
use crate::model::{Connection, Identity, Refused};
use crate::request::Request;
use crate::sequence::{
    ByDefault, CONFIGS, Client, Hello, Ids, Limits, Map, Mistake, On, Sequence, Server,
};
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
    pub connections: Vec<ConnectionInfo>,
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
            connections: Vec::new(),
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
        let (near, far) = tokio::io::duplex(1 << 14);
        let (client, server) = tokio::join!(
            self.clients.connect(near, hello, session),
            accept(&self.acceptor, far)
        );
        match (client, server) {
            (Ok((resumed, session)), Ok(info)) => {
                let connection = self.recorded(&info, resumed);
                self.waits.push(Wait {
                    outdated: info.outdated(),
                    waits: false,
                    woken: Arc::default(),
                });
                self.connections.push(info);
                Ok((connection, session))
            }
            (Err(error), Err(_)) => Err(refused(error)),
            (client, server) => panic!("the client has {client:?}, the server {server:?}"),
        }
    }

    fn recorded(&self, info: &ConnectionInfo, resumed: bool) -> Connection {
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
            tls13: match info.tls_version() {
                Some(TlsVersion::V1_2) => false,
                Some(TlsVersion::V1_3) => true,
                other => panic!("{other:?}"),
            },
            resumed,
        }
    }

    /// What becomes of a request: the status; the reason for a refusal; and every name that the handler
    /// found, if it ran.
    pub async fn ask(
        &self,
        level: Coalescing,
        on: On,
        request: &Request,
    ) -> (u16, Option<Rejection>, Vec<String>) {
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
        let handler = service_fn(|request: http::Request<()>| async move {
            Ok::<_, Infallible>(Response::new(names_in(&request).join("\n")))
        });
        let layer = self.layer.clone().coalescing(level);
        let response = layer.layer(handler).oneshot(request).await.unwrap();
        let rejection = response.extensions().get::<Rejection>().copied();
        let names = response.body().lines().map(str::to_owned).collect();
        (response.status().as_u16(), rejection, names)
    }
}

fn builder(map: &Map, configs: &[Vec<Arc<ServerConfig>>]) -> VirtualHostsBuilder {
    let latest = |config: usize| configs[config].last().unwrap().clone();
    let identify = |builder: VirtualHostsBuilder, config: usize| match map.ids[config] {
        Some(id) => builder.config_id(&latest(config), id),
        None => builder,
    };
    let mut builder = VirtualHosts::builder();
    for entry in &map.entries {
        let names = entry.names.iter().map(|name| name.text());
        builder = builder.virtual_host(entry.id, names, latest(entry.config));
        builder = identify(builder, entry.config);
    }
    builder = match map.default {
        ByDefault::Nobody => builder,
        ByDefault::Own { config } => identify(builder.default(latest(config)), config),
        ByDefault::Entry(entry) => builder.default_to(map.entries[entry].id),
    };
    let first = &map.entries[0];
    let config = latest(0);
    match map.mistake {
        None => builder,
        Some(Mistake::NameTwice) => builder.host(first.names[0].plain, config),
        Some(Mistake::IdTwice) => builder.virtual_host(first.id, ["once-more.test"], config),
        Some(Mistake::NoSuchDefault) => builder.default_to("nobody"),
        Some(Mistake::TwoConfigIds) => {
            let config = latest(first.config);
            builder.config_id(&config, "x").config_id(&config, "y")
        }
    }
}

fn layer(limits: &Limits) -> MisdirectedLayer {
    let mut layer = MisdirectedLayer::new()
        .check_certificate(limits.check_certificate)
        .strict_scheme(limits.strict_scheme)
        .require_tls(limits.require_tls);
    if let Some(hosts) = &limits.hosts {
        let hosts = hosts.iter().map(|host| host.text());
        layer = layer.allowed_hosts(hosts).unwrap();
    }
    if let Some(ports) = &limits.ports {
        layer = layer.ports(ports.iter().copied()).unwrap();
    }
    layer
}

async fn accept(acceptor: &TlsAcceptor, io: DuplexStream) -> io::Result<ConnectionInfo> {
    let mut stream = acceptor.accept(io).await?;
    stream.write_all(b"!").await?;
    stream.flush().await?;
    Ok(stream.connection_info().clone())
}

/// By the alert that the client gets.
fn refused(error: io::Error) -> Refused {
    let alert = match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error:?}"),
    };
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
