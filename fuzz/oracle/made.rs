//! The crate's values for a scene, and the certificates and configurations that are in them.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::ResolvesServerCertUsingSni;
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, ConnectionInfoBuilder, MisdirectedLayer,
    VirtualHosts, VirtualHostsBuilder,
};

use crate::certificate::{self, Extension, SUBJECT_ALT_NAME, UNKNOWN, element};
use crate::grammar;
use crate::scene::{Certificate, Config, Connection, Default, Layout, Level, Rules, Security};

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
            .check_certificate(!self.skip_certificate)
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
        if !self.untold {
            info = info.single_tls_config();
        }
        let Some(layout) = &self.virtual_hosts else {
            return info.build();
        };
        let hosts = layout
            .builder()
            .build()
            .expect("a layout that can be built");
        let server_name = self.server_name.as_ref().map(|name| &*name.0);
        // A TLS handshake selects.
        let selection = hosts
            .select(server_name)
            .filter(|_| self.security == Security::Tls);
        if let Some(selection) = selection {
            info = info.selection(selection);
        }
        if let Some(layout) = &self.replaced_by {
            hosts.replace(layout.builder()).expect("another one");
        }
        info.build()
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
            Some(IpAddr::V4(ip)) => element(0x87, &ip.octets()),
            Some(IpAddr::V6(ip)) => element(0x87, &ip.octets()),
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
        // What no client accepts, except for the first: some accept a wildcard before a single label.
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
