//! A client that keeps its sessions in hand, and offers any of them to any server under any name.

use std::sync::{Arc, Mutex};

use rustls::client::{
    ClientSessionStore, ResolvesClientCert, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, SignatureScheme};
use tokio::io::{AsyncReadExt, DuplexStream};

use crate::pki::{self, AnyCertificate};
use crate::sequence::{Client, Hello};
use crate::wire;

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
        let session = session.filter(|kept| hello.tls13 || matches!(kept, Kept::Tls12(_)));
        *self.purse.offered.lock().unwrap() = session;
        *self.purse.received.lock().unwrap() = None;
        let config = match hello.tls13 {
            true => &self.tls13,
            false => &self.tls12,
        };
        let server_name = hello.server_name.map(|name| name.text());
        let server_name = server_name.as_deref();
        // Brackets are a URI's.
        let server_name = server_name.map(|name| name.trim_matches(['[', ']']));
        let mut stream = wire::handshake(io, config.clone(), server_name).await?;
        // Tickets come before what the server says first.
        stream.read_u8().await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let received = self.purse.received.lock().unwrap().take();
        Ok((resumed, received.expect("every handshake gives a session")))
    }
}

/// The session to be offered next, and the one that was received last.
#[derive(Debug, Default)]
struct Purse {
    offered: Mutex<Option<Kept>>,
    received: Mutex<Option<Kept>>,
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
