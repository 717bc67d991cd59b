//! Many virtual hosts, and a connection that they accepted.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tower_misdirected::{CertificateNames, ConnectionInfo, VirtualHosts, VirtualHostsBuilder};

use crate::in_memory;

/// Hosts that keep their configuration when the others are replaced.
pub const KEPT: usize = 10;

pub fn name(number: usize) -> String {
    match number {
        0 => in_memory::NAME.to_owned(),
        _ => format!("shop-{number:06}.bench.test"),
    }
}

/// So many hosts, and their configurations by turns. The first `KEPT` have one of their own.
pub fn builder(
    hosts: usize,
    kept: &Arc<ServerConfig>,
    others: &[Arc<ServerConfig>],
) -> VirtualHostsBuilder {
    (0..hosts).fold(VirtualHosts::builder(), |builder, number| {
        let config = match number {
            0..KEPT => kept,
            _ => &others[number % others.len()],
        };
        builder.host(name(number), config.clone())
    })
}

/// A connection for the host with this number.
pub fn connection(hosts: &VirtualHosts, number: usize) -> ConnectionInfo {
    let selection = hosts.select(Some(&name(number)));
    ConnectionInfo::tls()
        .selection(selection.expect("a virtual host"))
        .alpn("h2")
        .certificate_names(CertificateNames::from_sans(["*.bench.test"], []))
        .build()
}

/// Configurations for no handshakes.
pub fn configs(number: usize) -> Vec<Arc<ServerConfig>> {
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_cert_resolver(Arc::new(NoCertificate));
    (0..number).map(|_| Arc::new(config.clone())).collect()
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
