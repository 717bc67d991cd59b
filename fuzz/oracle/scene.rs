//! All that a verdict depends on, as plain data made of the fuzzer's bytes: few names, so that they meet,
//! in every layout. How the crate's own values are made of it is here too; what follows from it is not.

use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::ResolvesServerCertUsingSni;
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, ConnectionInfoBuilder, MisdirectedLayer,
    VirtualHosts, VirtualHostsBuilder,
};

use crate::certificate::{self, Extension, SUBJECT_ALT_NAME, UNKNOWN, element};
use crate::grammar;

#[derive(Debug)]
pub struct Scene {
    pub rules: Rules,
    pub connection: Option<Connection>,
    pub request: Request,
}

#[derive(Debug)]
pub struct Rules {
    pub level: Level,
    pub allowed_hosts: Option<Vec<Pattern>>,
    pub ports: Option<Vec<Port>>,
    pub strict_scheme: bool,
    pub require_tls: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Unchecked,
    Certificate,
    SameTlsConfig,
    SameVirtualHost,
    Never,
}

#[derive(Debug)]
pub struct Connection {
    pub security: Security,
    pub server_name: Option<Host>,
    /// `None` where nobody told the layer which certificate it was.
    pub certificate: Option<Certificate>,
    pub virtual_hosts: Option<Layout>,
    /// What they were replaced by since the handshake.
    pub replaced_by: Option<Layout>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    Plaintext,
    TrustedGateway,
    Tls,
}

/// Virtual hosts.
#[derive(Clone, Debug)]
pub struct Layout {
    pub entries: Vec<Entry>,
    pub default: Default,
}

#[derive(Arbitrary, Clone, Debug)]
pub struct Entry {
    pub names: Vec<Pattern>,
    pub config: Config,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Default {
    None,
    Config(Config),
    Entry(usize),
}

#[derive(Arbitrary, Debug)]
pub struct Request {
    pub version: Version,
    pub host: Host,
    pub port: Option<Port>,
    /// In the target, with a scheme; otherwise in the field `Host` alone.
    pub in_target: Option<Scheme>,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http11,
    Http2,
    Http3,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
    Other,
}

// What comes early in the verdict is rare, or little would come as far as what comes late.

impl<'a> Arbitrary<'a> for Scene {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            rules: bytes.arbitrary()?,
            connection: sometimes(7, bytes)?,
            request: bytes.arbitrary()?,
        })
    }
}

impl<'a> Arbitrary<'a> for Rules {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            level: bytes.arbitrary()?,
            allowed_hosts: sometimes(1, bytes)?,
            ports: sometimes(1, bytes)?,
            strict_scheme: bytes.ratio(1, 8)?,
            require_tls: bytes.ratio(1, 8)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Connection {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            security: bytes.arbitrary()?,
            server_name: sometimes(6, bytes)?,
            certificate: sometimes(7, bytes)?,
            virtual_hosts: sometimes(6, bytes)?,
            replaced_by: sometimes(4, bytes)?,
        })
    }
}

fn sometimes<'a, T: Arbitrary<'a>>(
    of_eight: u8,
    bytes: &mut Unstructured<'a>,
) -> arbitrary::Result<Option<T>> {
    bytes
        .ratio(of_eight, 8)?
        .then(|| bytes.arbitrary())
        .transpose()
}

impl<'a> Arbitrary<'a> for Security {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let all = [
            Self::Tls,
            Self::Tls,
            Self::Tls,
            Self::Tls,
            Self::TrustedGateway,
            Self::Plaintext,
        ];
        bytes.choose(&all).copied()
    }
}

/// A value out of a short list.
macro_rules! one_of {
    ($(#[$doc:meta])* $name:ident, $type:ty, [$($value:expr),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $type);

        impl<'a> Arbitrary<'a> for $name {
            fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
                bytes.choose(&[$($value),*]).copied().map(Self)
            }
        }
    };
}

one_of!(Port, u16, [80, 443, 8443, 0]);
one_of!(
    /// One of three, which are equal but for their identity.
    Config, usize, [0, 1, 2]
);
one_of!(
    Plain,
    &'static str,
    [
        "a.test",
        "b.test",
        "w.test",
        "other.test",
        "www.a.test",
        "admin.a.test",
        "x.admin.a.test",
        "x.w.test",
        "y.w.test",
        "x.y.w.test",
        "x_y.w.test",
        "test",
        "localhost",
        "192.0.2.1",
        "192.0.2.2",
        "[2001:db8::1]",
        "[2001:DB8:0:0::1]",
        "[::ffff:192.0.2.1]",
    ]
);
one_of!(
    Pattern,
    &'static str,
    [
        "a.test",
        "b.test",
        "w.test",
        "www.a.test",
        "admin.a.test",
        "x.w.test",
        "localhost",
        "*.a.test",
        "*.w.test",
        "*.y.w.test",
        "*.admin.a.test",
        "*.test",
        "192.0.2.1",
        "2001:db8::1",
        "[::ffff:c000:201]",
    ]
);
one_of!(
    /// By its place in [`certificates`].
    Certificate, usize, [0, 1, 2, 3, 4, 5, 6, 7, 8]
);

/// A host in some spelling.
#[derive(Clone, Debug)]
pub struct Host(pub String);

impl<'a> Arbitrary<'a> for Host {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let Plain(host) = bytes.arbitrary()?;
        let capitals: u8 = bytes.arbitrary()?;
        let spell = |(n, c): (usize, char)| match capitals >> (n % 8) & 1 {
            1 => c.to_ascii_uppercase(),
            _ => c,
        };
        let mut text: String = host.chars().enumerate().map(spell).collect();
        // One trailing dot belongs to names alone.
        if bytes.ratio(1, 4)? && grammar::name(host).is_some() {
            text.push('.');
        }
        Ok(Self(text))
    }
}

impl<'a> Arbitrary<'a> for Layout {
    /// One that can be built: every name once, no entry without names but the default, not empty.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut default: Default = bytes.arbitrary()?;
        let mut entries: Vec<Entry> = bytes.arbitrary()?;
        let mut used = Vec::new();
        for entry in &mut entries {
            entry.names.retain(|name| {
                !used.contains(name) && {
                    used.push(*name);
                    true
                }
            });
        }
        entries.retain(|entry| !entry.names.is_empty());
        if let Default::Entry(number) = &mut default {
            *number = number
                .checked_rem(entries.len())
                .ok_or(arbitrary::Error::IncorrectFormat)?;
        }
        match (&entries[..], default) {
            ([], Default::None) => Err(arbitrary::Error::IncorrectFormat),
            _ => Ok(Self { entries, default }),
        }
    }
}

/// The id of an entry.
pub fn id(number: usize) -> String {
    format!("entry {number}")
}

static CONFIGS: LazyLock<[Arc<ServerConfig>; 3]> = LazyLock::new(|| [config(), config(), config()]);

/// A configuration with which no handshake succeeds; none is made here.
pub fn config() -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
    Arc::new(config)
}

impl Layout {
    fn builder(&self) -> VirtualHostsBuilder {
        let config = |config: Config| CONFIGS[config.0].clone();
        let mut builder = VirtualHosts::builder();
        for (number, entry) in self.entries.iter().enumerate() {
            let names = entry.names.iter().map(|name| name.0);
            builder = builder.virtual_host(id(number), names, config(entry.config));
        }
        match self.default {
            Default::None => builder,
            Default::Config(number) => builder.default(config(number)),
            Default::Entry(number) => builder.default_to(id(number)),
        }
    }
}

impl Rules {
    /// `None` where the layer refuses a list, which has to be an empty one.
    pub fn layer(&self) -> Option<MisdirectedLayer> {
        let level = match self.level {
            Level::Unchecked => Coalescing::Unchecked,
            Level::Certificate => Coalescing::Certificate,
            Level::SameTlsConfig => Coalescing::SameTlsConfig,
            Level::SameVirtualHost => Coalescing::SameVirtualHost,
            Level::Never => Coalescing::Never,
        };
        let mut layer = MisdirectedLayer::new()
            .coalescing(level)
            .strict_scheme(self.strict_scheme)
            .require_tls(self.require_tls);
        if let Some(hosts) = &self.allowed_hosts {
            let listed = layer.allowed_hosts(hosts.iter().map(|host| host.0));
            assert_eq!(listed.is_err(), hosts.is_empty());
            layer = listed.ok()?;
        }
        if let Some(ports) = &self.ports {
            let listed = layer.ports(ports.iter().map(|port| port.0));
            assert_eq!(listed.is_err(), ports.is_empty());
            layer = listed.ok()?;
        }
        Some(layer)
    }
}

impl Connection {
    pub fn info(&self) -> ConnectionInfo {
        let mut info: ConnectionInfoBuilder = match self.security {
            Security::Plaintext => ConnectionInfo::plaintext(),
            Security::TrustedGateway => ConnectionInfo::trusted_gateway(),
            Security::Tls => ConnectionInfo::tls(),
        };
        info = info.server_name(self.server_name.as_ref().map(|name| &*name.0));
        if let Some(certificate) = self.certificate {
            info = info.certificate_names(CertificateNames::from_der(certificate.der()));
        }
        let Some(layout) = &self.virtual_hosts else {
            return info.build();
        };
        let hosts = layout
            .builder()
            .build()
            .expect("a layout that can be built");
        let info = info.virtual_hosts(&hosts).build();
        if let Some(layout) = &self.replaced_by {
            hosts.replace(layout.builder()).expect("another one");
        }
        info
    }
}

impl Certificate {
    pub fn der(self) -> &'static [u8] {
        static CERTIFICATES: LazyLock<[Vec<u8>; 9]> = LazyLock::new(certificates);
        &CERTIFICATES[self.0]
    }
}

fn certificates() -> [Vec<u8>; 9] {
    let sans = |names: &[&str]| {
        let names = names.iter().flat_map(|name| match grammar::address(name) {
            Some(std::net::IpAddr::V4(ip)) => element(0x87, &ip.octets()),
            Some(std::net::IpAddr::V6(ip)) => element(0x87, &ip.octets()),
            None => element(0x82, name.as_bytes()),
        });
        let content = element(0x30, &names.collect::<Vec<_>>());
        Extension {
            id: SUBJECT_ALT_NAME,
            critical: false,
            content,
        }
    };
    let unknown = || Extension {
        id: UNKNOWN,
        critical: true,
        content: vec![5, 0],
    };
    [
        certificate::make([]),
        certificate::make([sans(&["a.test", "b.test"])]),
        certificate::make([sans(&["A.Test", "*.a.test", "2001:db8::1"])]),
        certificate::make([sans(&["w.test", "*.W.test", "192.0.2.1", "*.y.w.test"])]),
        // What no client takes.
        certificate::make([sans(&[
            "*.test",
            "b.test.",
            "*",
            "w*.a.test",
            "*.*.w.test",
            "localhost",
        ])]),
        certificate::make([sans(&["admin.a.test", "192.0.2.2", "::ffff:192.0.2.1"])]),
        certificate::make([sans(&[
            "a.test",
            "b.test",
            "*.a.test",
            "*.w.test",
            "other.test",
            "192.0.2.1",
            "2001:db8::1",
        ])]),
        // What a client cannot read.
        certificate::make([sans(&["a.test", "*.a.test"]), unknown()]),
        b"no certificate".to_vec(),
    ]
}
