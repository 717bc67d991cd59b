//! The rules as a table: when each rule fails, and what the layer must then answer. The conditions only use
//! the values in `axes`; they do not call the crate, not even for the order of the levels.

use tower_misdirected::Coalescing::{self, Certificate, Never, SameTlsConfig, SameVirtualHost};
use tower_misdirected::{Outcome, Rejection};

use crate::axes::{
    Case, Coverage, Gateways, HostKind, List, Peer, Relation, Scheme, Security, ServerName,
};

/// A rule.
pub struct Row {
    pub rule: &'static str,
    pub fails: fn(&Case) -> bool,
    pub rejection: Rejection,
    /// Whether another connection can serve such a request.
    pub retry_can_help: bool,
    /// How many combinations fail this rule and no rule before it.
    pub decides: usize,
}

/// The levels that check the certificate. Each level also checks what the levels before it check.
const FROM_CERTIFICATE: [Coalescing; 4] = [Certificate, SameTlsConfig, SameVirtualHost, Never];
const FROM_SAME_TLS_CONFIG: [Coalescing; 3] = [SameTlsConfig, SameVirtualHost, Never];
const FROM_SAME_VIRTUAL_HOST: [Coalescing; 2] = [SameVirtualHost, Never];

/// The first row that fails decides.
pub const ROWS: [Row; 12] = [
    Row {
        rule: "B1",
        fails: |case| case.layer.hosts == List::Without,
        rejection: Rejection::UnknownHost,
        retry_can_help: false,
        decides: 867_600,
    },
    Row {
        rule: "B1, virtual hosts",
        fails: |case| {
            is_tls_at(case, &FROM_SAME_TLS_CONFIG) && case.on.relation == Relation::Unmatched
        },
        rejection: Rejection::UnknownHost,
        retry_can_help: false,
        decides: 77_760,
    },
    Row {
        rule: "A7",
        fails: |case| case.layer.ports == List::Without,
        rejection: Rejection::UnknownPort,
        retry_can_help: false,
        decides: 552_480,
    },
    Row {
        rule: "B2",
        // If every peer is a gateway, so is one that nobody described. Without a list of hosts nothing would be
        // checked.
        fails: |case| {
            case.on.security == Security::Unknown
                && checks_connection(case)
                && (case.layer.gateways != Gateways::Any || case.layer.hosts == List::Absent)
        },
        rejection: Rejection::NoConnectionInfo,
        retry_can_help: false,
        decides: 3_920,
    },
    // An unseen scheme may be `https`.
    Row {
        rule: "B3",
        fails: |case| {
            is_plaintext(case)
                && checks_connection(case)
                && matches!(case.scheme, Scheme::Https | Scheme::Unseen)
        },
        rejection: Rejection::InsecureConnection,
        retry_can_help: true,
        decides: 62_080,
    },
    // This row comes before the strict part of B3: if TLS is required, or only gateways may do without, the reason is
    // the same for every request on a plaintext connection.
    Row {
        rule: "B4",
        fails: |case| {
            let tls_only = case.layer.require_tls || case.layer.gateways != Gateways::Absent;
            is_plaintext(case) && tls_only
        },
        rejection: Rejection::InsecureConnection,
        retry_can_help: true,
        decides: 67_200,
    },
    Row {
        rule: "B3, strict",
        fails: |case| {
            case.layer.strict_scheme
                && match case.scheme {
                    Scheme::Unnamed => false,
                    Scheme::Http => case.on.security == Security::Tls,
                    Scheme::Https => is_plaintext(case),
                    Scheme::Other | Scheme::Unseen => true,
                }
        },
        rejection: Rejection::SchemeMismatch,
        retry_can_help: true,
        decides: 245_408,
    },
    Row {
        rule: "B5, server name",
        fails: |case| {
            checks_certificate(case)
                && case.on.server_name == ServerName::TheHost
                && case.on.coverage == Coverage::NotCovered
        },
        rejection: Rejection::ServerNameNotInCertificate,
        retry_can_help: false,
        decides: 4_872,
    },
    Row {
        rule: "B5",
        fails: |case| {
            checks_certificate(case)
                && match case.on.coverage {
                    Coverage::Covered => false,
                    Coverage::NotCovered => true,
                    Coverage::Unknown | Coverage::NamesNoHosts => {
                        case.on.server_name != ServerName::TheHost
                    }
                }
        },
        rejection: Rejection::NotInCertificate,
        retry_can_help: true,
        decides: 92_736,
    },
    Row {
        rule: "B6",
        fails: |case| {
            is_tls_at(case, &FROM_SAME_TLS_CONFIG)
                && match case.on.relation {
                    Relation::OtherConfig => true,
                    // D9
                    Relation::Untold => case.on.server_name != ServerName::TheHost,
                    _ => false,
                }
        },
        rejection: Rejection::DifferentTlsConfig,
        retry_can_help: true,
        decides: 43_848,
    },
    Row {
        rule: "B7",
        fails: |case| {
            is_tls_at(case, &FROM_SAME_VIRTUAL_HOST) && case.on.relation == Relation::OtherEntry
        },
        rejection: Rejection::OtherVirtualHost,
        retry_can_help: true,
        decides: 22_512,
    },
    // SNI cannot carry an IP address (RFC 6066 §3), so an address that the certificate covers passes without a
    // server name, whether or not the layer checks certificates.
    Row {
        rule: "B8",
        fails: |case| {
            is_tls_at(case, &[Never])
                && match case.on.server_name {
                    ServerName::TheHost => false,
                    ServerName::Another => true,
                    ServerName::Absent => {
                        case.on.host == HostKind::Name || case.on.coverage != Coverage::Covered
                    }
                }
        },
        rejection: Rejection::ServerNameMismatch,
        retry_can_help: true,
        decides: 12_096,
    },
];

/// How many combinations fail no rule.
pub const PASSED: usize = 550_288;

/// Returns whether the layer checks anything about the connection.
fn checks_connection(case: &Case) -> bool {
    let settings = case.layer;
    FROM_CERTIFICATE.contains(&settings.level)
        || settings.strict_scheme
        || settings.require_tls
        || settings.gateways != Gateways::Absent
}

/// Returns whether the connection is a plaintext connection that does not come from a gateway.
fn is_plaintext(case: &Case) -> bool {
    let gateways = case.layer.gateways;
    let from_gateway = match case.on.peer {
        Peer::Gateway => gateways != Gateways::Absent,
        Peer::Stranger | Peer::NoAddress => gateways == Gateways::Any,
    };
    case.on.security == Security::Plaintext && !from_gateway
}

/// Returns whether the layer checks the certificate of the connection.
fn checks_certificate(case: &Case) -> bool {
    is_tls_at(case, &FROM_CERTIFICATE) && case.layer.check_certificate
}

/// Returns whether the connection uses TLS and the layer has one of these levels.
fn is_tls_at(case: &Case, levels: &[Coalescing]) -> bool {
    case.on.security == Security::Tls && levels.contains(&case.layer.level)
}

/// Returns what the layer must report about a request that fails no rule.
pub fn passed(case: &Case) -> Outcome {
    match (case.on.security, case.on.server_name) {
        (Security::Tls, ServerName::Another) => Outcome::Coalesced,
        _ => Outcome::Served,
    }
}
