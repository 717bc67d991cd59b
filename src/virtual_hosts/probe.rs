//! Asks a configuration which certificate it would present, without a client. What follows from the answer lives
//! in `overlaps`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use crate::host::Pattern;

/// Asks certificate resolvers. They need a ClientHello, so a rustls client writes one.
#[derive(Default)]
pub(super) struct Probe {
    /// By the address of the crypto provider, which the client's configuration keeps alive.
    clients: RefCell<HashMap<usize, Option<Arc<ClientConfig>>>>,
}

impl Probe {
    /// Returns the certificate for a server name that the pattern matches. `None` stands for no server name.
    pub(super) fn certificate(
        &self,
        config: &ServerConfig,
        pattern: Option<&Pattern>,
    ) -> Option<Arc<CertifiedKey>> {
        let provider = config.crypto_provider();
        let mut clients = self.clients.borrow_mut();
        let client = clients
            .entry(Arc::as_ptr(provider) as usize)
            .or_insert_with(|| client(provider));
        let client = client.clone()?;
        drop(clients);
        let server_name = match pattern {
            // A wildcard is asked about as some name under it.
            Some(name @ (Pattern::Exact(_) | Pattern::Wildcard(_))) => {
                ServerName::try_from(name.to_string().replace('*', "any")).ok()?
            }
            // A client sends no SNI for an address.
            Some(Pattern::Ip(_)) | None => ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST)),
        };
        let mut client = ClientConnection::new(client, server_name).ok()?;
        let mut hello = Vec::new();
        client.write_tls(&mut hello).ok()?;
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut &hello[..]).ok()?;
        let accepted = acceptor.accept().ok()??;
        config.cert_resolver.resolve(accepted.client_hello())
    }
}

fn client(provider: &Arc<CryptoProvider>) -> Option<Arc<ClientConfig>> {
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .ok()?;
    let mut client = client
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Some(Arc::new(client))
}
