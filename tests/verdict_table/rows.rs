//! The rules as a table: when each rule fails, and what the layer must then answer. The conditions only use
//! the values in `axes`; they do not call the crate, not even for the order of the levels.

use tower_misdirected::Coalescing::{self, Certificate, Never, SameTlsConfig, SameVirtualHost};
use tower_misdirected::{Outcome, Rejection};

use crate::axes::{Case, Coverage, HostKind, List, Relation, Scheme, Security, ServerName};

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
        decides: 193_200,
    },
    Row {
        rule: "B1, virtual hosts",
        fails: |case| {
            is_tls_at(case, &FROM_SAME_TLS_CONFIG) && case.on.relation == Relation::Unmatched
        },
        rejection: Rejection::UnknownHost,
        retry_can_help: false,
        decides: 25_920,
    },
    Row {
        rule: "A7",
        fails: |case| case.layer.ports == List::Without,
        rejection: Rejection::UnknownPort,
        retry_can_help: false,
        decides: 120_160,
    },
    Row {
        rule: "B2",
        fails: |case| case.on.security == Security::Unknown && checks_connection(case),
        rejection: Rejection::NoConnectionInfo,
        retry_can_help: false,
        decides: 1_520,
    },
    // An unseen scheme may be `https`.
    Row {
        rule: "B3",
        fails: |case| {
            case.on.security == Security::Plaintext
                && checks_connection(case)
                && matches!(case.scheme, Scheme::Https | Scheme::Unseen)
        },
        rejection: Rejection::InsecureConnection,
        retry_can_help: true,
        decides: 12_160,
    },
    // This row comes before the strict part of B3: if TLS is required, the reason is the same for every
    // request on a plaintext connection.
    Row {
        rule: "B4",
        fails: |case| case.on.security == Security::Plaintext && case.layer.require_tls,
        rejection: Rejection::InsecureConnection,
        retry_can_help: true,
        decides: 9_600,
    },
    Row {
        rule: "B3, strict",
        fails: |case| {
            case.layer.strict_scheme
                && matches!(
                    (case.scheme, case.on.security),
                    (Scheme::Http, Security::Tls)
                        | (Scheme::Https, Security::Plaintext)
                        | (Scheme::Other | Scheme::Unseen, _)
                )
        },
        rejection: Rejection::SchemeMismatch,
        retry_can_help: true,
        decides: 60_416,
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
        decides: 1_624,
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
        decides: 30_912,
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
        decides: 14_616,
    },
    Row {
        rule: "B7",
        fails: |case| {
            is_tls_at(case, &FROM_SAME_VIRTUAL_HOST) && case.on.relation == Relation::OtherEntry
        },
        rejection: Rejection::OtherVirtualHost,
        retry_can_help: true,
        decides: 7_504,
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
        decides: 4_032,
    },
];

/// How many combinations fail no rule.
pub const PASSED: usize = 97_936;

/// Returns whether the layer checks anything about the connection.
fn checks_connection(case: &Case) -> bool {
    let settings = case.layer;
    FROM_CERTIFICATE.contains(&settings.level) || settings.strict_scheme || settings.require_tls
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
