//! A client that keeps its sessions in hand, and offers any of them to any server under any name, over TCP or QUIC.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use quinn::{ConnectionError, Endpoint};
use rustls::client::{
    ClientSessionStore, ResolvesClientCert, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, SignatureScheme};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::Notify;

use crate::pki::{self, AnyCertificate};
use crate::sequence::{Client, Hello};
use crate::wire;
use crate::wire::http3::connect_quic;

/// What a client needs to resume a session.
#[derive(Debug)]
pub enum Kept {
    Tls12(Tls12ClientSessionValue),
    /// Good for one try.
    Tls13(Tls13ClientSessionValue),
}

/// rustls takes a session back only with the verifier and the certificates it was given with, so these
/// are the same for all who use it.
pub struct Clients {
    tls12: ClientConfig,
    tls13: ClientConfig,
    verifier: Arc<AnyCertificate>,
    purse: Arc<Purse>,
    badge: Arc<Badge>,
}

impl Clients {
    pub fn new() -> Self {
        let purse = Arc::new(Purse::default());
        let badge = Arc::new(Badge(Mutex::new(Client::Nobody)));
        let verifier = AnyCertificate::new(pki::provider());
        let config = |versions| {
            let mut config = pki::client_of(&[], versions, pki::provider());
            config.resumption = Resumption::store(purse.clone());
            config.client_auth_cert_resolver = badge.clone();
            let verifier = verifier.clone();
            config.dangerous().set_certificate_verifier(verifier);
            config
        };
        Self {
            tls12: config(&[&TLS12]),
            tls13: config(&[&TLS13, &TLS12]),
            verifier,
            purse,
            badge,
        }
    }

    /// Opens a connection and tells whether it resumed the session, and what it got for the next one.
    pub async fn connect(
        &self,
        io: DuplexStream,
        hello: Hello,
        session: Option<Kept>,
    ) -> std::io::Result<(bool, Kept)> {
        *self.badge.0.lock().unwrap() = hello.client;
        // rustls would take a session of a version it does not speak, and then ask for no ticket.
        let tls13 = hello.over.is_tls13();
        let session = session.filter(|kept| tls13 || matches!(kept, Kept::Tls12(_)));
        *self.purse.offered.lock().unwrap() = session;
        *self.purse.received.lock().unwrap() = None;
        let config = match tls13 {
            true => &self.tls13,
            false => &self.tls12,
        };
        let server_name = server_name(hello);
        let mut stream = wire::handshake(io, config.clone(), server_name.as_deref()).await?;
        // Tickets come before what the server says first.
        stream.read_u8().await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let received = self.purse.received.lock().unwrap().take();
        Ok((resumed, received.expect("every handshake gives a session")))
    }

    /// The same over QUIC, with the connection.
    pub async fn connect_quic(
        &self,
        endpoint: &Endpoint,
        addr: SocketAddr,
        hello: Hello,
        session: Option<Kept>,
    ) -> Result<(quinn::Connection, bool, Kept), ConnectionError> {
        *self.badge.0.lock().unwrap() = hello.client;
        // One of its own, for a second ticket comes when it comes.
        let purse = Arc::new(Purse::default());
        *purse.offered.lock().unwrap() = session;
        let mut config = self.tls13.clone();
        config.resumption = Resumption::store(purse.clone());
        let shown = self.verifier.shown.load(SeqCst);
        let server_name = server_name(hello);
        let quic = connect_quic(endpoint, addr, config, server_name.as_deref()).await?;
        let received = async {
            tokio::select! {
                () = purse.has_received.notified() => Ok(()),
                reason = quic.closed() => Err(reason),
            }
        };
        let received = tokio::time::timeout(wire::PATIENCE, received).await;
        received.expect("a session, or an end, in time")?;
        let resumed = self.verifier.shown.load(SeqCst) == shown;
        let received = purse.received.lock().unwrap().take();
        Ok((quic, resumed, received.expect("it has come")))
    }
}

/// The server name as rustls takes it. Brackets are a URI's.
fn server_name(hello: Hello) -> Option<String> {
    let name = hello.server_name?.text();
    Some(name.trim_matches(['[', ']']).to_owned())
}

/// The session to be offered next, and the one that was received last.
#[derive(Debug, Default)]
struct Purse {
    offered: Mutex<Option<Kept>>,
    received: Mutex<Option<Kept>>,
    has_received: Notify,
}

impl ClientSessionStore for Purse {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        *self.received.lock().unwrap() = Some(Kept::Tls12(session));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        match &*self.offered.lock().unwrap() {
            Some(Kept::Tls12(session)) => Some(session.clone()),
            _ => None,
        }
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, session: Tls13ClientSessionValue) {
        *self.received.lock().unwrap() = Some(Kept::Tls13(session));
        self.has_received.notify_one();
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut offered = self.offered.lock().unwrap();
        match offered.take() {
            Some(Kept::Tls13(session)) => Some(session),
            other => {
                *offered = other;
                None
            }
        }
    }
}

/// Shows the certificate of whoever uses the client, whether or not the server will like it.
#[derive(Debug)]
struct Badge(Mutex<Client>);

impl ResolvesClientCert for Badge {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let client = *self.0.lock().unwrap();
        Some(client.certificate()?.certified_key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
