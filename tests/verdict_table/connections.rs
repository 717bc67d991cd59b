//! Builds the connection of an `Arrival` and the virtual hosts that accepted it. Requests and layers are built
//! in `requests`.

use std::sync::Arc;

use rustls::ServerConfig;
use tower_misdirected::{
    CertificateNames, ConnectionInfo, VirtualHost, VirtualHosts, VirtualHostsBuilder,
};

use crate::axes::{Arrival, Coverage, History, HostKind, Peer, Relation, Security, ServerName};
use crate::pki;

/// The server name of a connection that a client opened for another host.
pub const ANOTHER: &str = "another.test";

/// A peer in the networks of `requests::NETWORK`.
const GATEWAY: &str = "10.0.0.1:50000";

/// The id of the entry that matches every handshake that succeeds.
const SITE: &str = "site";
const OTHER: &str = "other";

/// Two TLS configurations that are equal but are two `Arc`s.
pub struct Configs {
    first: Arc<ServerConfig>,
    second: Arc<ServerConfig>,
    /// They have ids, and all virtual hosts get `Arc`s of their own.
    ids: bool,
}

impl HostKind {
    pub fn text(self) -> &'static str {
        match self {
            Self::Name => "host.test",
            Self::Address => "192.0.2.1",
        }
    }
}

impl Configs {
    pub fn new() -> Self {
        let config = pki::leaf(&["host.test"]).server_config();
        Self {
            first: Arc::new(config.clone()),
            second: Arc::new(config),
            ids: false,
        }
    }

    /// Configurations that are built anew for every replacement, and identified by ids (D10).
    pub fn with_ids() -> Self {
        Self {
            ids: true,
            ..Self::new()
        }
    }

    /// Builds the connection and replaces its virtual hosts as the history says. Returns `None` for a request
    /// without connection info.
    pub fn connection(&self, on: &Arrival) -> Option<ConnectionInfo> {
        let builder = match on.security {
            Security::Unknown => return None,
            Security::Plaintext => ConnectionInfo::plaintext(),
            Security::TrustedGateway => ConnectionInfo::trusted_gateway(),
            Security::Tls => ConnectionInfo::tls(),
        };
        let server_name = match on.server_name {
            ServerName::TheHost => Some(on.host.text()),
            ServerName::Another => Some(ANOTHER),
            ServerName::Absent => None,
        };
        let builder = match on.peer {
            Peer::Gateway => builder.peer_addr(GATEWAY.parse().unwrap()),
            Peer::Stranger => builder
                .peer_addr("203.0.113.9:50000".parse().unwrap())
                .client_addr(GATEWAY.parse().unwrap()),
            Peer::NoAddress => builder.client_addr(GATEWAY.parse().unwrap()),
        };
        let builder = builder
            .server_name(server_name)
            .certificate_names(certificate_names(on));
        let builder = match on.relation {
            Relation::SingleConfig => builder.single_tls_config(),
            _ => builder,
        };
        let relations = relations(on);
        let Some((at_handshake, after)) = relations.split_first() else {
            return Some(builder.build());
        };
        let hosts = self.virtual_hosts(on, *at_handshake, 0).build().unwrap();
        let selection = hosts
            .select(server_name)
            .expect("a handshake that succeeds");
        let connection = builder.selection(selection).build();
        for (count, relation) in (1..).zip(after) {
            let next = self.virtual_hosts(on, *relation, count);
            hosts.replace(next).unwrap();
        }
        check(on, &connection, &hosts);
        Some(connection)
    }

    /// Returns virtual hosts under which the host has this relation to the connection.
    fn virtual_hosts(&self, on: &Arrival, relation: Relation, count: usize) -> VirtualHostsBuilder {
        if !self.ids {
            return self.entries(on, relation, count);
        }
        let anew = Self {
            first: Arc::new((*self.first).clone()),
            second: Arc::new((*self.second).clone()),
            ids: true,
        };
        let hosts = anew.entries(on, relation, count);
        let hosts = hosts.config_id(&anew.first, "first");
        match relation {
            Relation::OtherConfig => hosts.config_id(&anew.second, "second"),
            _ => hosts,
        }
    }

    /// Returns the entries. Each replacement also replaces the bystander's entry, which no request and no handshake
    /// uses.
    fn entries(&self, on: &Arrival, relation: Relation, count: usize) -> VirtualHostsBuilder {
        let (first, second) = (self.first.clone(), self.second.clone());
        let hosts = VirtualHosts::builder().host(format!("bystander{count}.test"), first.clone());
        let host = on.host.text();
        match relation {
            Relation::SingleConfig | Relation::Untold => unreachable!(),
            Relation::SameEntry => self.with_site(hosts, on, true),
            Relation::OtherEntry => {
                let hosts = self.with_site(hosts, on, false);
                hosts.virtual_host(OTHER, [host], first)
            }
            // The entry that matched the handshake gets another configuration.
            Relation::OtherConfig if on.server_name == ServerName::TheHost => {
                hosts.virtual_host(SITE, [host], second)
            }
            Relation::OtherConfig => {
                let hosts = self.with_site(hosts, on, false);
                hosts.virtual_host(OTHER, [host], second)
            }
            // The default that accepted the connection is gone.
            Relation::Unmatched if on.server_name == ServerName::Absent => hosts,
            Relation::Unmatched => self.with_site(hosts, on, false),
        }
    }

    /// Adds the entry that matches the handshake. If the server name is the host, the handshake needs that
    /// entry only while it matches the host.
    fn with_site(
        &self,
        hosts: VirtualHostsBuilder,
        on: &Arrival,
        matches_host: bool,
    ) -> VirtualHostsBuilder {
        let host = matches_host.then_some(on.host.text());
        let names = match (on.server_name, host) {
            (ServerName::TheHost, None) => return hosts,
            (ServerName::TheHost, Some(host)) => vec![host],
            (ServerName::Another, host) => [ANOTHER].into_iter().chain(host).collect(),
            // The default matches the host if no other entry does.
            (ServerName::Absent, _) => vec![],
        };
        let hosts = hosts.virtual_host(SITE, names, self.first.clone());
        match on.server_name {
            ServerName::TheHost | ServerName::Another => hosts,
            ServerName::Absent => hosts.default_to(SITE),
        }
    }
}

/// Returns the relation at the handshake and after each replacement.
fn relations(on: &Arrival) -> Vec<Relation> {
    use Relation::{OtherConfig, SameEntry, SingleConfig, Untold};
    let by_server_name = on.server_name == ServerName::TheHost;
    match (on.history, on.relation) {
        (_, SingleConfig | Untold) => vec![],
        (History::NotReplaced, now) => vec![now],
        (History::UnrelatedReplacement, now) => vec![now, now],
        // If the server name is the host, the handshake and the host match the same entry. So the relation has
        // to change twice.
        (_, SameEntry) if by_server_name => vec![SameEntry, OtherConfig, SameEntry],
        (_, SameEntry) => vec![OtherConfig, SameEntry],
        (_, now) => vec![SameEntry, now],
    }
}

/// Returns names that cover either the host or another server name, but not both. So the test notices if the
/// layer compares the wrong one with the certificate.
fn certificate_names(on: &Arrival) -> CertificateNames {
    let ip = |text: &str| text.parse().unwrap();
    match (on.coverage, on.host) {
        (Coverage::Covered, HostKind::Name) => {
            CertificateNames::from_sans([on.host.text()], [ip("192.0.2.2")])
        }
        (Coverage::Covered, HostKind::Address) => {
            CertificateNames::from_sans(["host.test"], [ip(on.host.text())])
        }
        (Coverage::NotCovered, _) => CertificateNames::from_sans([ANOTHER], [ip("192.0.2.2")]),
        (Coverage::Unknown, _) => CertificateNames::unknown(),
        (Coverage::NamesNoHosts, _) => CertificateNames::from_sans([""; 0], []),
    }
}

/// Checks that the connection and the virtual hosts match the axes.
fn check(on: &Arrival, connection: &ConnectionInfo, hosts: &VirtualHosts) {
    let accepted_by = connection.virtual_host().map(VirtualHost::id);
    assert_eq!(accepted_by, Some(SITE), "{on:?}");

    let matching = hosts.get(&on.host.text().parse().unwrap());
    let matching = matching.map(|entry| entry.id().to_owned());
    let expected = match on.relation {
        Relation::Unmatched => None,
        Relation::SameEntry => Some(SITE),
        Relation::OtherConfig if on.server_name == ServerName::TheHost => Some(SITE),
        _ => Some(OTHER),
    };
    assert_eq!(matching.as_deref(), expected, "{on:?}");
}
