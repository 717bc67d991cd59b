//! What servers are made of: certificates and TLS configurations. Keys are made once for all sequences.

use std::sync::{Arc, LazyLock, Mutex};

use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use crate::names::{V4, V6};
use crate::pki::{self, Leaf};
use crate::sequence::{Client, Sequence};

/// What a configuration asks clients for.
#[derive(Clone, Copy)]
pub enum ClientCheck {
    Nothing,
    /// A certificate of this client, or none.
    Takes(Client),
    Wants(Client),
}

/// Of each TLS configuration.
pub const CLIENT_CHECKS: [ClientCheck; 5] = [
    ClientCheck::Nothing,
    ClientCheck::Nothing,
    ClientCheck::Wants(Client::One),
    ClientCheck::Wants(Client::Two),
    ClientCheck::Takes(Client::One),
];

/// A certificate that a configuration may present.
pub struct Certificate {
    sans: &'static [&'static str],
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It has these names.
    Hosts,
    /// No client matches its names.
    Malformed,
    /// Its name is a URI.
    Uri,
    /// Clients cannot read it.
    Unreadable,
}

pub const CERTIFICATES: [Certificate; 7] = [
    Certificate {
        sans: &[
            "site.test",
            "*.site.test",
            "a.www.site.test",
            "other.test",
            V4,
            V6,
        ],
        kind: Kind::Hosts,
    },
    Certificate {
        sans: &["WWW.Site.test", "admin.site.test"],
        kind: Kind::Hosts,
    },
    Certificate {
        sans: &["*.site.test", "*.www.site.test"],
        kind: Kind::Hosts,
    },
    Certificate {
        sans: &["other.test", "site.test", V4],
        kind: Kind::Hosts,
    },
    Certificate {
        sans: &["www.site.test"],
        kind: Kind::Unreadable,
    },
    Certificate {
        sans: &["spiffe://site.test/service"],
        kind: Kind::Uri,
    },
    Certificate {
        sans: &["*"],
        kind: Kind::Malformed,
    },
];

impl Certificate {
    /// Sorted; `None` where nobody can tell.
    pub fn names(&self) -> Option<Vec<String>> {
        let mut names: Vec<_> = self.sans.iter().map(|san| san.to_lowercase()).collect();
        names.sort();
        match self.kind {
            Kind::Hosts => Some(names),
            Kind::Malformed => Some(Vec::new()),
            Kind::Uri | Kind::Unreadable => None,
        }
    }

    fn certified_key(&self) -> Arc<CertifiedKey> {
        let sans: Vec<_> = self
            .sans
            .iter()
            .map(|san| san.trim_matches(['[', ']']))
            .collect();
        let leaf = match self.kind {
            Kind::Hosts | Kind::Malformed => pki::leaf(&sans),
            Kind::Uri => pki::uri_only(sans[0]),
            Kind::Unreadable => pki::unknown_critical_extension(sans[0]),
        };
        leaf.certified_key()
    }
}

static KEYS: LazyLock<Vec<Arc<CertifiedKey>>> = LazyLock::new(|| {
    CERTIFICATES
        .iter()
        .map(Certificate::certified_key)
        .collect()
});

static CLIENT_ONE: LazyLock<Leaf> = LazyLock::new(|| pki::leaf(&["client-one.test"]));
static CLIENT_TWO: LazyLock<Leaf> = LazyLock::new(|| {
    let params = rcgen::CertificateParams::new(vec!["client-two.test".to_owned()]).unwrap();
    pki::sign_by(&pki::OTHER_CA, params)
});

impl Client {
    pub fn certificate(self) -> Option<&'static Leaf> {
        match self {
            Self::Nobody => None,
            Self::One => Some(&CLIENT_ONE),
            Self::Two => Some(&CLIENT_TWO),
        }
    }

    /// Whose certificate this is.
    pub fn of_certificate(der: Option<&[u8]>) -> Self {
        let clients = [Self::Nobody, Self::One, Self::Two];
        let mut clients = clients.into_iter();
        let same = |client: &Self| client.certificate().map(|leaf| &*leaf.der) == der;
        clients.find(same).expect("a known client")
    }

    fn authority(self) -> &'static pki::Authority {
        match self {
            Self::Two => &pki::OTHER_CA,
            Self::Nobody | Self::One => &pki::CA,
        }
    }
}

/// Of each TLS configuration, before it gets what is its own.
static TEMPLATES: LazyLock<Vec<ServerConfig>> = LazyLock::new(|| {
    CLIENT_CHECKS
        .iter()
        .map(|check| {
            let builder = ServerConfig::builder_with_provider(pki::provider())
                .with_safe_default_protocol_versions()
                .unwrap();
            let verifier = |client: Client| {
                let mut roots = RootCertStore::empty();
                roots.add(client.authority().0.clone()).unwrap();
                WebPkiClientVerifier::builder_with_provider(roots.into(), pki::provider())
            };
            let builder = match *check {
                ClientCheck::Nothing => builder.with_no_client_auth(),
                ClientCheck::Takes(client) => {
                    let verifier = verifier(client).allow_unauthenticated();
                    builder.with_client_cert_verifier(verifier.build().unwrap())
                }
                ClientCheck::Wants(client) => {
                    builder.with_client_cert_verifier(verifier(client).build().unwrap())
                }
            };
            builder.with_cert_resolver(Arc::new(Renewable::new(0)))
        })
        .collect()
});

/// The certificate inside a configuration.
#[derive(Debug)]
pub struct Renewable(Mutex<Arc<CertifiedKey>>);

impl Renewable {
    fn new(certificate: usize) -> Self {
        Self(Mutex::new(KEYS[certificate].clone()))
    }

    pub fn renew(&self, certificate: usize) {
        *self.0.lock().unwrap() = KEYS[certificate].clone();
    }
}

impl ResolvesServerCert for Renewable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.lock().unwrap().clone())
    }
}

/// All TLS configurations, new ones that share one memory of sessions, with the certificates inside them.
pub fn configs(sequence: &Sequence) -> (Vec<Arc<ServerConfig>>, Vec<Arc<Renewable>>) {
    let one = Arc::new(Renewable::new(sequence.certificates[0]));
    let store = ServerSessionMemoryCache::new(1024);
    let ticketer = sequence
        .tickets
        .then(|| rustls::crypto::ring::Ticketer::new().unwrap());
    let make = |(template, certificate): (&ServerConfig, &usize)| {
        let renewable = match sequence.one_resolver {
            true => one.clone(),
            false => Arc::new(Renewable::new(*certificate)),
        };
        let mut config = template.clone();
        config.cert_resolver = renewable.clone();
        config.session_storage = store.clone();
        // Over TCP no client of these offers a protocol.
        config.alpn_protocols = vec![b"h3".to_vec()];
        if let Some(ticketer) = &ticketer {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.ticketer = ticketer.clone();
        }
        (Arc::new(config), renewable)
    };
    TEMPLATES
        .iter()
        .zip(&sequence.certificates)
        .map(make)
        .unzip()
}
