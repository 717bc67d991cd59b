//! Asks a configuration which certificate it would present, without a client. `overlaps` uses the answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use super::hosts::VirtualHosts;
use super::overlaps::Overlap;

impl VirtualHosts {
    /// Finds virtual hosts that clients will coalesce although their configurations differ, because a certificate of
    /// one covers a name of the other. The iterator returns each pair once, in the order of the ids. If the overlap
    /// [is mutual](Overlap::is_mutual), [`opened_for`](Overlap::opened_for) is the virtual host with the smaller id.
    ///
    /// A request for one host on a connection for the other gets 421, and the client needs a second connection. To
    /// avoid the 421, use separate certificates, or the same `Arc<ServerConfig>` if the hosts may share connections.
    ///
    /// # Calls to certificate resolvers
    ///
    /// The iterator calls the certificate resolver of each configuration with the ClientHello of a rustls client, once
    /// for each name and once without a server name for the default and for addresses. For `*.example.com`, the server
    /// name is `any.example.com`. For `**.example.com`, the iterator also uses `any.any.example.com`. A resolver that
    /// issues certificates on demand may issue certificates for these names. Nothing else in this crate calls a
    /// resolver without a client. Each name takes some tens of microseconds.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rustls::ServerConfig;
    /// use tower_misdirected::{VirtualHosts, VirtualHostsError};
    ///
    /// fn check(www: Arc<ServerConfig>, admin: Arc<ServerConfig>) -> Result<(), VirtualHostsError> {
    ///     let hosts = VirtualHosts::builder()
    ///         .host("www.example.com", www) // its certificate is for *.example.com
    ///         .host("admin.example.com", admin)
    ///         .build()?;
    ///     for overlap in hosts.overlaps() {
    ///         println!("{overlap}"); // the certificate of "www.example.com" covers …
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn overlaps(&self) -> impl Iterator<Item = Overlap> + use<> {
        let (probe, certificates) = (Probe::default(), self.certificates().clone());
        self.overlaps_by(move |config, server_name| {
            let key = probe.certificate(config, server_name)?;
            Some(certificates.names(&key))
        })
    }
}

/// Calls certificate resolvers. They need a ClientHello, so a rustls client writes one.
#[derive(Default)]
struct Probe {
    /// Keyed by the address of the crypto provider, which the client's configuration keeps alive.
    clients: RefCell<HashMap<usize, Option<Arc<ClientConfig>>>>,
}

impl Probe {
    /// Returns the certificate for a server name, or for a client without one.
    fn certificate(
        &self,
        config: &ServerConfig,
        server_name: Option<&str>,
    ) -> Option<Arc<CertifiedKey>> {
        let provider = config.crypto_provider();
        let mut clients = self.clients.borrow_mut();
        let client = clients
            .entry(Arc::as_ptr(provider) as usize)
            .or_insert_with(|| client(provider));
        let client = client.clone()?;
        drop(clients);
        let server_name = match server_name {
            Some(name) => ServerName::try_from(name.to_owned()).ok()?,
            // A client sends no SNI for an address.
            None => ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST)),
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
