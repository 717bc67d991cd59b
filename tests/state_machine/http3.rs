//! HTTP/3: the crate's sessions under quinn, a loop over h3 that puts the layer before the handler, and requests. How
//! clients open connections is in `client`.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h3::server::RequestResolver;
use http::{Request, Version};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, ConnectionError, Endpoint};
use tokio::task::JoinSet;
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, QuicTls, Rejection, TlsAcceptor};

use crate::client::{Clients, Kept};
use crate::play::LEVELS;
use crate::sequence::Hello;
use crate::wire::PATIENCE;
use crate::wire::http3::{Client3, ended_well, http3, quic_client, send3};
use crate::world::{Answer, through};

/// Both ends of QUIC. What serves their connections ends with them.
pub struct Quic {
    server: Endpoint,
    addr: SocketAddr,
    client: Endpoint,
    layer: MisdirectedLayer,
    serving: JoinSet<()>,
}

/// A connection as its client has it.
pub struct Open {
    quic: Connection,
    http: Client3,
    rejections: Rejections,
}

/// Why the server refused the last request at each level, which no answer tells.
type Rejections = Arc<Mutex<[Option<Rejection>; LEVELS.len()]>>;

/// The field by which a request says at which of the levels it is to be judged.
const LEVEL: &str = "x-level";

impl Quic {
    pub fn new(acceptor: TlsAcceptor, layer: MisdirectedLayer) -> Self {
        let tls = QuicTls::<QuicServerConfig>::new(acceptor).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        let server = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self {
            addr: server.local_addr().unwrap(),
            server,
            client: quic_client(),
            layer,
            serving: JoinSet::new(),
        }
    }

    /// Opens a connection: both its ends, what is recorded of it, whether it resumed the session, and the next one.
    pub async fn connect(
        &mut self,
        clients: &Clients,
        hello: Hello,
        session: Option<Kept>,
    ) -> Result<(Open, ConnectionInfo, bool, Kept), u8> {
        let accepting = async { self.server.accept().await.unwrap().await };
        let accepting = tokio::time::timeout(PATIENCE, accepting);
        let connecting = clients.connect_quic(&self.client, self.addr, hello, session);
        match tokio::join!(connecting, accepting) {
            (Ok((quic, resumed, kept)), Ok(Ok(accepted))) => {
                let info = ConnectionInfo::from_quinn(&accepted).unwrap();
                let rejections = Rejections::default();
                let layer = self.layer.clone();
                let serve = serve(accepted, info.clone(), layer, rejections.clone());
                self.serving.spawn(serve);
                let http = http3(quic.clone()).await;
                let open = Open {
                    quic,
                    http,
                    rejections,
                };
                Ok((open, info, resumed, kept))
            }
            (Err(ConnectionError::ConnectionClosed(close)), Ok(Err(_))) => {
                // RFC 9001 §4.8
                let alert = u64::from(close.error_code).checked_sub(0x100);
                Err(alert
                    .and_then(|alert| alert.try_into().ok())
                    .expect("an alert"))
            }
            (client, server) => panic!("the client has {client:?}, the server {server:?}"),
        }
    }
}

impl Open {
    /// Asks at every level at once, each on a stream of its own.
    pub async fn ask(&self, request: &Request<()>) -> Vec<Answer> {
        let mut asking = Vec::new();
        for level in 0..LEVELS.len() {
            let mut request = request.clone();
            *request.version_mut() = Version::HTTP_3;
            request.headers_mut().insert(LEVEL, level.into());
            let client = self.http.clone();
            asking.push(tokio::spawn(async move { send3(&client, request).await }));
        }
        let mut answers = Vec::new();
        for (level, asking) in asking.into_iter().enumerate() {
            let response = tokio::time::timeout(PATIENCE, asking).await;
            let response = response.expect("an answer in time").unwrap().unwrap();
            let rejection = self.rejections.lock().unwrap()[level];
            answers.push(Answer {
                status: response.status().as_u16(),
                rejection,
                names: response.body().lines().map(str::to_owned).collect(),
            });
        }
        answers
    }

    pub fn has_ended(&self) -> bool {
        self.quic.close_reason().is_some()
    }

    /// Waits for the server to end it, and says whether it did so without an error.
    pub async fn ends_well(&self) -> bool {
        ended_well(&self.quic).await
    }
}

/// Serves one connection until its client goes, or until it is outdated (W2).
async fn serve(
    quic: Connection,
    info: ConnectionInfo,
    layer: MisdirectedLayer,
    rejections: Rejections,
) {
    let quic = h3_quinn::Connection::new(quic);
    let mut http = h3::server::Connection::new(quic).await.unwrap();
    let mut outdated = pin!(info.outdated());
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            request = http.accept() => match request {
                Ok(Some(request)) => {
                    let (info, layer) = (info.clone(), layer.clone());
                    answering.spawn(answer(request, info, layer, rejections.clone()));
                }
                Ok(None) | Err(_) => return,
            },
            () = &mut outdated => break,
        }
    }
    // Nothing is under way: every client waits for its answers before anything else happens.
    http.shutdown(0).await.unwrap();
}

async fn answer(
    request: RequestResolver<h3_quinn::Connection, Bytes>,
    info: ConnectionInfo,
    layer: MisdirectedLayer,
    rejections: Rejections,
) {
    let (mut request, mut stream) = request.resolve_request().await.unwrap();
    let level = request.headers_mut().remove(LEVEL).unwrap();
    let level: usize = level.to_str().unwrap().parse().unwrap();
    request.extensions_mut().insert(info);
    let response = through(layer.coalescing(LEVELS[level]), request).await;
    rejections.lock().unwrap()[level] = response.extensions().get().copied();
    let (head, body) = response.into_parts();
    stream
        .send_response(http::Response::from_parts(head, ()))
        .await
        .unwrap();
    if !body.is_empty() {
        stream.send_data(body.into()).await.unwrap();
    }
    stream.finish().await.unwrap();
}
