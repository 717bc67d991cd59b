//! The virtual hosts, and the table of what is to become of every host under every server name.

use std::sync::{Arc, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use tower_misdirected::{VirtualHosts, VirtualHostsBuilder};

use crate::pki::{self, Leaf};

/// The names of the certificate that every virtual host but `other.test` has.
const WIDE: [&str; 5] = [
    "www.test",
    "*.shop.test",
    "api.test",
    "admin.test",
    "ghost.test",
];
const NARROW: [&str; 1] = ["other.test"];

/// What a client may ask for. `ghost.test` is in the wide certificate and no virtual host's own, so it is
/// the default's; `nowhere.test` is in no certificate.
pub const HOSTS: [&str; 10] = [
    "www.test",
    "WWW.Test.:8443",
    "a.shop.test",
    "b.shop.test",
    "api.test",
    "admin.test",
    "other.test",
    "ghost.test",
    "nowhere.test",
    "x@www.test",
];

/// By server name, and none, what becomes of a request for each of the [`HOSTS`].
pub const TABLE: [(Option<&str>, [Fate; 10]); 6] = {
    use Fate::{
        Coalesced as C, DifferentConfig as D, Malformed as M, NotCovered as N, Served as S,
    };
    [
        (Some("www.test"), [S, S, C, C, D, D, N, C, N, M]),
        (Some("a.shop.test"), [C, C, S, C, D, D, N, C, N, M]),
        (Some("api.test"), [D, D, D, D, S, D, N, D, N, M]),
        (Some("admin.test"), [D, D, D, D, D, S, N, D, N, M]),
        (Some("other.test"), [N, N, N, N, N, N, S, N, N, M]),
        (None, [S, S, S, S, D, D, N, S, N, M]),
    ]
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Served,
    /// Served too, under another server name.
    Coalesced,
    NotCovered,
    DifferentConfig,
    Malformed,
}

impl Fate {
    pub fn status(self) -> u16 {
        match self {
            Self::Served | Self::Coalesced => 200,
            Self::NotCovered | Self::DifferentConfig => 421,
            Self::Malformed => 400,
        }
    }

    /// As the server calls it.
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Coalesced => "coalesced",
            Self::NotCovered => "not_in_certificate",
            Self::DifferentConfig => "different_tls_config",
            Self::Malformed => "invalid_host",
        }
    }
}

pub struct Site {
    pub hosts: VirtualHosts,
    wide: Arc<Renewable>,
    narrow: Arc<Renewable>,
    /// In the order of the builder below.
    configs: [Arc<ServerConfig>; 4],
}

impl Site {
    pub fn new() -> Self {
        let (leaf, other) = (pki::leaf(&WIDE), pki::leaf(&NARROW));
        let wide = Renewable::new(&leaf);
        let narrow = Renewable::new(&other);
        let mut admin = leaf.mutual_tls_config();
        admin.alpn_protocols = leaf.server_config().alpn_protocols;
        let configs = [
            wide.within(leaf.server_config()),
            wide.within(leaf.server_config()),
            wide.within(admin),
            narrow.within(other.server_config()),
        ];
        Self {
            hosts: equal_hosts(&configs).build().unwrap(),
            wide,
            narrow,
            configs,
        }
    }

    /// A client that `admin.test` lets in.
    pub fn client(&self) -> Leaf {
        pki::leaf(&["client.test"])
    }

    /// Changes everything that may change without any client's noticing.
    pub fn renew(&self) {
        self.hosts.replace(equal_hosts(&self.configs)).unwrap();
        *self.wide.0.write().unwrap() = pki::leaf(&WIDE).certified_key();
        *self.narrow.0.write().unwrap() = pki::leaf(&NARROW).certified_key();
    }
}

fn equal_hosts([public, api, admin, other]: &[Arc<ServerConfig>; 4]) -> VirtualHostsBuilder {
    VirtualHosts::builder()
        .host("www.test", public.clone())
        .host("*.shop.test", public.clone())
        .host("api.test", api.clone())
        .host("admin.test", admin.clone())
        .host("other.test", other.clone())
        .default(public.clone())
}

/// A certificate that can be another one at the next handshake.
#[derive(Debug)]
struct Renewable(RwLock<Arc<CertifiedKey>>);

impl Renewable {
    fn new(leaf: &Leaf) -> Arc<Self> {
        Arc::new(Self(RwLock::new(leaf.certified_key())))
    }

    fn within(self: &Arc<Self>, mut config: ServerConfig) -> Arc<ServerConfig> {
        config.cert_resolver = self.clone();
        // Full after a few connections, so that sessions which are kept do not look like a leak.
        config.session_storage = ServerSessionMemoryCache::new(16);
        // Where HTTP/3 is served too.
        config.alpn_protocols.push(b"h3".to_vec());
        Arc::new(config)
    }
}

impl ResolvesServerCert for Renewable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap().clone())
    }
}
