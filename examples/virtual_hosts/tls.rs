//! TLS configurations: one for each host with its own. A reload rebuilds all configurations. A configuration whose
//! policy has not changed keeps its id, so the reload is not a change for its clients.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{Context, Digest, SHA256};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::CertificateDer;
use rustls::server::{
    ProducesTickets, ServerSessionMemoryCache, StoresServerSessions, WantsServerCert,
    WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ConfigBuilder, RootCertStore, ServerConfig};

use crate::config::{Config, Problem, Tls};
use crate::pem::Pems;

/// The number of sessions that are stored for clients that do not support tickets.
const SESSIONS: usize = 4096;

/// The TLS side of all hosts, by the ids of the hosts with their own configuration.
pub type Tlses = HashMap<String, HostTls>;

/// The TLS side of a host.
pub struct HostTls {
    pub config: Arc<ServerConfig>,
    pub id: Digest,
}

type Certificates = Arc<Vec<CertificateDer<'static>>>;

/// The common parts of all configurations.
pub struct Common {
    provider: Arc<CryptoProvider>,
    /// One session store for all configurations, because the default is one store of some 30 KiB for each
    /// configuration. The acceptor binds every session and every ticket to the id of its configuration, so a session of
    /// one host does not resume at another host.
    sessions: Arc<dyn StoresServerSessions>,
    ticketer: Arc<dyn ProducesTickets>,
    alpn: Vec<Vec<u8>>,
}

impl Common {
    pub fn new(http3: bool) -> Result<Self, Problem> {
        let ticketer = crypto::ring::Ticketer::new();
        let ticketer = ticketer
            .map_err(|error| Problem::new(format!("cannot make session tickets: {error}")))?;
        // Clients offer only `h3` over QUIC, and the other protocols over TCP.
        let alpn: &[&str] = match http3 {
            true => &["h2", "http/1.1", "h3"],
            false => &["h2", "http/1.1"],
        };
        Ok(Self {
            provider: Arc::new(crypto::ring::default_provider()),
            sessions: ServerSessionMemoryCache::new(SESSIONS),
            ticketer,
            alpn: alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect(),
        })
    }

    /// Reads and checks everything.
    pub fn load(&self, config: &Config) -> Result<Tlses, Problem> {
        let directory = config.file.parent().unwrap_or(Path::new(""));
        let mut pems = Pems::new(directory, &self.provider);
        let mut policies = Policies::new(self);
        let mut tlses = Tlses::new();
        for host in &config.hosts {
            let Tls::Own(files) = &host.tls else { continue };
            let id = &host.id;
            let problem = |text| config.problem(format_args!("host `{id}`: {text}"));
            let key = pems.pair(files).map_err(problem)?;
            let policy = policies.get(files.client_ca.as_deref(), &mut pems);
            let tls = self.host(id, policy.map_err(problem)?, key);
            tlses.insert(id.clone(), tls);
        }
        Ok(tlses)
    }

    fn host(&self, id: &str, policy: &Policy, key: Arc<CertifiedKey>) -> HostTls {
        let resolver = Arc::new(SingleCertAndKey::from((*key).clone()));
        let mut config = policy.builder.clone().with_cert_resolver(resolver);
        config.session_storage = self.sessions.clone();
        config.ticketer = self.ticketer.clone();
        config.alpn_protocols = self.alpn.clone();
        HostTls {
            config: Arc::new(config),
            id: self.config_id(id, policy),
        }
    }

    /// A digest of everything by which this configuration differs from the configuration of another host or another
    /// policy. The certificate and the key are not part of it, because they are renewed. The length of every part
    /// precedes the part, so that different lists of parts have different digests.
    fn config_id(&self, id: &str, policy: &Policy) -> Digest {
        let mut digest = Context::new(&SHA256);
        let mut add = |part: &[u8]| {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        add(id.as_bytes());
        for protocol in &self.alpn {
            add(protocol);
        }
        // No protocol is empty.
        add(&[]);
        for authority in policy.client_ca.iter().flat_map(|all| all.iter()) {
            add(authority);
        }
        digest.finish()
    }
}

/// The policies of one load, by the file of the client authority.
struct Policies<'a> {
    common: &'a Common,
    made: HashMap<Option<PathBuf>, Policy>,
}

struct Policy {
    client_ca: Option<Certificates>,
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
}

impl<'a> Policies<'a> {
    fn new(common: &'a Common) -> Self {
        let made = HashMap::new();
        Self { common, made }
    }

    fn get(&mut self, client_ca: Option<&Path>, pems: &mut Pems<'_>) -> Result<&Policy, String> {
        let file = client_ca.map(Path::to_owned);
        if !self.made.contains_key(&file) {
            let client_ca = client_ca.map(|file| pems.certificates("client_ca", file));
            let policy = self.policy(client_ca.transpose()?).map_err(|problem| {
                let file = file.as_deref().unwrap_or(Path::new("")).display();
                format!("client_ca = `{file}`: no authority: {problem}: give its X.509 certificate")
            })?;
            self.made.insert(file.clone(), policy);
        }
        Ok(&self.made[&file])
    }

    fn policy(&self, client_ca: Option<Certificates>) -> Result<Policy, rustls::Error> {
        let provider = &self.common.provider;
        // TLS 1.2 and 1.3.
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        let builder = match &client_ca {
            None => builder.with_no_client_auth(),
            Some(certificates) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates.iter() {
                    roots.add(certificate.clone())?;
                }
                let roots = Arc::new(roots);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build();
                let verifier =
                    verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        Ok(Policy { client_ca, builder })
    }
}
