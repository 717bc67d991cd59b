//! A QUIC client whose ClientHello can be seen, and changed, on its way out.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectError, ConnectionId, Side};
use quinn_proto::TransportError;
use quinn_proto::crypto::{
    self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session,
};
use quinn_proto::transport_parameters::TransportParameters;
use rustls::ClientConfig;

use crate::client::Connection;
use crate::wire::PATIENCE;
use crate::wire::http3::quic_client;

type Rewrite = dyn Fn(&mut [u8]) + Send + Sync;

/// The ClientHello of one connection.
#[derive(Clone)]
pub struct Hello {
    rewrite: Arc<Rewrite>,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Hello {
    pub fn as_it_is() -> Self {
        Self::rewritten(|_| {})
    }

    pub fn rewritten(rewrite: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self {
            rewrite: Arc::new(rewrite),
            sent: Arc::default(),
        }
    }

    /// As it was sent.
    pub fn sent(&self) -> Vec<u8> {
        self.sent.lock().unwrap().clone()
    }
}

/// Opens a connection for HTTP/3, in datagrams that are as small as they may be until it is open.
pub async fn connect_with_hello(
    addr: SocketAddr,
    config: &ClientConfig,
    sni: &str,
    hello: &Hello,
) -> Result<Connection, String> {
    let mut config = config.clone();
    if config.alpn_protocols.is_empty() {
        config.alpn_protocols = vec![b"h3".to_vec()];
    }
    let config = Watched {
        inner: Arc::new(QuicClientConfig::try_from(config).unwrap()),
        hello: hello.clone(),
    };
    let mut config = quinn::ClientConfig::new(Arc::new(config));
    let mut transport = quinn::TransportConfig::default();
    transport.initial_mtu(1200);
    config.transport_config(Arc::new(transport));
    let endpoint = quic_client();
    let connecting = endpoint.connect_with(config, addr, sni).unwrap();
    let connected = tokio::time::timeout(PATIENCE, connecting);
    let connection = connected.await.expect("a handshake in time");
    let connection = connection.map_err(|error| error.to_string())?;
    Connection::over_quic(connection, false).await
}

struct Watched {
    inner: Arc<QuicClientConfig>,
    hello: Hello,
}

impl crypto::ClientConfig for Watched {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let inner = self.inner.clone();
        Ok(Box::new(WatchedSession {
            inner: inner.start_session(version, server_name, params)?,
            hello: Some(self.hello.clone()),
        }))
    }
}

struct WatchedSession {
    inner: Box<dyn Session>,
    /// Until it is sent.
    hello: Option<Hello>,
}

impl Session for WatchedSession {
    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        let begin = buffer.len();
        let keys = self.inner.write_handshake(buffer);
        if let Some(hello) = self.hello.take_if(|_| buffer.len() > begin) {
            (hello.rewrite)(&mut buffer[begin..]);
            *hello.sent.lock().unwrap() = buffer[begin..].to_vec();
        }
        keys
    }

    // The rest is the inner one's.

    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        self.inner.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.inner.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.inner.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.inner.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.inner.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn read_handshake(&mut self, buffer: &[u8]) -> Result<bool, TransportError> {
        self.inner.read_handshake(buffer)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.inner.transport_parameters()
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.inner.next_1rtt_keys()
    }

    fn is_valid_retry(&self, dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.inner.is_valid_retry(dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.inner.export_keying_material(output, label, context)
    }
}
