//! The axes of the table, their values, and the combinations that cannot be built. The rules, which say what
//! the layer must answer, are in `rows`.

use tower_misdirected::Coalescing;

/// One combination of all axes.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub scheme: Scheme,
    pub on: Arrival,
    pub layer: Settings,
}

/// The scheme that the request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1 origin-form.
    Unnamed,
    Http,
    Https,
    Other,
    /// HTTP/2 with `Host` in place of `:authority`: h2 drops `:scheme`.
    Unseen,
}

/// The connection that a request arrives on, and how the host relates to that connection.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub host: HostKind,
    pub security: Security,
    pub relation: Relation,
    pub history: History,
    pub coverage: Coverage,
    pub server_name: ServerName,
    pub peer: Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    Name,
    Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// The request carries no `ConnectionInfo`.
    Unknown,
    Plaintext,
    TrustedGateway,
    Tls,
}

/// How the host relates to the connection, according to the virtual hosts when the request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The server has a single TLS configuration, and the connection says so.
    SingleConfig,
    /// Nobody said which TLS configurations the server has.
    Untold,
    /// Neither an entry nor a default matches the host.
    Unmatched,
    /// The entry that matched the handshake matches the host.
    SameEntry,
    /// Another entry with the same configuration matches the host.
    OtherEntry,
    /// An entry with another configuration matches the host.
    OtherConfig,
}

/// What happened to the virtual hosts between the handshake and the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    NotReplaced,
    /// They were replaced, which did not change the relation.
    UnrelatedReplacement,
    /// They were replaced, and the last replacement changed the relation.
    MadeByReplacement,
}

/// Whether the certificate that the handshake presented covers the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    Covered,
    NotCovered,
    /// The names of the certificate are unknown.
    Unknown,
    /// The certificate names no hosts. An example is a certificate with only a common name.
    NamesNoHosts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerName {
    TheHost,
    Another,
    Absent,
}

/// The other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It is in the networks of [`Gateways::Listed`].
    Gateway,
    /// It is not, but it says that its client is.
    Stranger,
    /// It has no IP address.
    NoAddress,
}

/// Which peers the layer takes for gateways that terminate TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateways {
    /// The setting is absent.
    Absent,
    Listed,
    Any,
}

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub hosts: List,
    pub ports: List,
    pub level: Coalescing,
    pub check_certificate: bool,
    pub strict_scheme: bool,
    pub require_tls: bool,
    pub gateways: Gateways,
}

/// A list of hosts or ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Absent,
    /// The list contains the host or port of the request.
    With,
    /// The list does not contain the host or port of the request.
    Without,
}

impl Scheme {
    pub const ALL: [Self; 5] = [
        Self::Unnamed,
        Self::Http,
        Self::Https,
        Self::Other,
        Self::Unseen,
    ];
}

impl HostKind {
    pub const ALL: [Self; 2] = [Self::Name, Self::Address];
}

impl Security {
    pub const ALL: [Self; 4] = [
        Self::Unknown,
        Self::Plaintext,
        Self::TrustedGateway,
        Self::Tls,
    ];
}

impl Relation {
    const ALL: [Self; 6] = [
        Self::SingleConfig,
        Self::Untold,
        Self::Unmatched,
        Self::SameEntry,
        Self::OtherEntry,
        Self::OtherConfig,
    ];
}

impl History {
    const ALL: [Self; 3] = [
        Self::NotReplaced,
        Self::UnrelatedReplacement,
        Self::MadeByReplacement,
    ];
}

impl Coverage {
    const ALL: [Self; 4] = [
        Self::Covered,
        Self::NotCovered,
        Self::Unknown,
        Self::NamesNoHosts,
    ];
}

impl ServerName {
    const ALL: [Self; 3] = [Self::TheHost, Self::Another, Self::Absent];
}

impl Peer {
    pub const ALL: [Self; 3] = [Self::Gateway, Self::Stranger, Self::NoAddress];
}

impl Gateways {
    const ALL: [Self; 3] = [Self::Absent, Self::Listed, Self::Any];
}

impl List {
    const ALL: [Self; 3] = [Self::Absent, Self::With, Self::Without];
}

const LEVELS: [Coalescing; 5] = [
    Coalescing::Unchecked,
    Coalescing::Certificate,
    Coalescing::SameTlsConfig,
    Coalescing::SameVirtualHost,
    Coalescing::Never,
];

impl Arrival {
    /// Every combination, contradictory ones included.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for host in HostKind::ALL {
            for security in Security::ALL {
                for relation in Relation::ALL {
                    for history in History::ALL {
                        for coverage in Coverage::ALL {
                            for server_name in ServerName::ALL {
                                for peer in Peer::ALL {
                                    all.push(Self {
                                        host,
                                        security,
                                        relation,
                                        history,
                                        coverage,
                                        server_name,
                                        peer,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
        all
    }
}

impl Settings {
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for hosts in List::ALL {
            for ports in List::ALL {
                for level in LEVELS {
                    for check_certificate in [true, false] {
                        for strict_scheme in [false, true] {
                            for require_tls in [false, true] {
                                for gateways in Gateways::ALL {
                                    all.push(Self {
                                        hosts,
                                        ports,
                                        level,
                                        check_certificate,
                                        strict_scheme,
                                        require_tls,
                                        gateways,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
        all
    }
}

/// A reason why some combinations cannot be built.
pub struct Contradiction {
    pub skips: fn(&Arrival) -> bool,
    /// How many arrivals the test skips for this reason and for no reason before it.
    pub skipped: usize,
}

pub const CONTRADICTIONS: [Contradiction; 7] = [
    // Without connection info nothing is known about the connection. One value on each of these axes stands
    // for that.
    Contradiction {
        skips: |on| {
            let facts = (
                on.relation,
                on.history,
                on.coverage,
                on.server_name,
                on.peer,
            );
            let none = (
                Relation::SingleConfig,
                History::NotReplaced,
                Coverage::Unknown,
                ServerName::Absent,
                Peer::NoAddress,
            );
            on.security == Security::Unknown && facts != none
        },
        skipped: 1_294,
    },
    // No rule asks who the peer of a TLS connection is. A gateway, of which one might expect more, stands for all here.
    Contradiction {
        skips: |on| on.security == Security::Tls && on.peer != Peer::Gateway,
        skipped: 864,
    },
    // A TLS handshake selects among virtual hosts.
    Contradiction {
        skips: |on| {
            matches!(on.security, Security::Plaintext | Security::TrustedGateway)
                && !matches!(on.relation, Relation::SingleConfig | Relation::Untold)
        },
        skipped: 1_728,
    },
    // SNI cannot carry an IP address (RFC 6066 §3).
    Contradiction {
        skips: |on| on.host == HostKind::Address && on.server_name == ServerName::TheHost,
        skipped: 216,
    },
    // Without virtual hosts there is nothing to replace.
    Contradiction {
        skips: |on| {
            matches!(on.relation, Relation::SingleConfig | Relation::Untold)
                && on.history != History::NotReplaced
        },
        skipped: 560,
    },
    // If the server name is the host, the handshake and the request look up the same name. Until a
    // replacement changes the result, both find the same entry, or both find none.
    Contradiction {
        skips: |on| {
            on.server_name == ServerName::TheHost
                && on.history != History::MadeByReplacement
                && matches!(
                    on.relation,
                    Relation::Unmatched | Relation::OtherEntry | Relation::OtherConfig
                )
        },
        skipped: 24,
    },
    // Only a default accepts a handshake without a server name. Until a replacement removes the default, it
    // matches every host.
    Contradiction {
        skips: |on| {
            on.server_name == ServerName::Absent
                && on.history != History::MadeByReplacement
                && on.relation == Relation::Unmatched
        },
        skipped: 16,
    },
];
