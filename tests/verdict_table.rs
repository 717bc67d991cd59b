//! Tests every combination of the facts and settings that a verdict depends on, against a table of the rules
//! (A7, B1 to B8). Other files test how the layer reads an authority, and test real handshakes.

mod pki;

#[path = "verdict_table/axes.rs"]
mod axes;
#[path = "verdict_table/connections.rs"]
mod connections;
#[path = "verdict_table/requests.rs"]
mod requests;
#[path = "verdict_table/rows.rs"]
mod rows;

use std::collections::HashSet;

use tower_misdirected::{Coalescing, Outcome, Rejection};

use crate::axes::{
    Arrival, CONTRADICTIONS, Case, Coverage, Gateways, History, HostKind, List, Peer, Relation,
    Scheme, Security, ServerName, Settings,
};
use crate::connections::Configs;
use crate::requests::{PORT, Seen, asking, layer, request};
use crate::rows::{PASSED, ROWS, passed};

/// How many combinations the test sends through a layer: 482 arrivals, 5 schemes and 1,080 settings.
const COMBINATIONS: usize = 482 * 5 * 1_080;

#[test]
fn the_first_rule_that_fails_decides_every_combination() {
    let configs = Configs::new();
    let mut layers: Vec<_> = Settings::all()
        .into_iter()
        .map(|settings| (settings, asking(layer(&settings))))
        .collect();
    let mut skipped = CONTRADICTIONS.map(|_| 0);
    let mut decided = ROWS.map(|_| 0);
    let mut combinations = 0;
    let mut differences = 0;
    let mut kinds = HashSet::new();

    for on in Arrival::all() {
        if let Some(reason) = CONTRADICTIONS.iter().position(|it| (it.skips)(&on)) {
            skipped[reason] += 1;
            continue;
        }
        let connection = configs.connection(&on);
        for scheme in Scheme::ALL {
            let request = request(scheme, on.host, PORT, connection.as_ref());
            for (settings, ask) in &mut layers {
                let case = Case {
                    scheme,
                    on,
                    layer: *settings,
                };
                combinations += 1;
                let row = ROWS.iter().position(|row| (row.fails)(&case));
                let expected = match row {
                    Some(row) => Seen::refused(ROWS[row].rejection),
                    None => Seen::passed(passed(&case)),
                };
                if let Some(row) = row {
                    decided[row] += 1;
                }
                let seen = ask(request.clone());
                if seen != expected {
                    differences += 1;
                    // One combination of a kind is enough to read.
                    if kinds.insert((row, seen.rejection)) {
                        let rule = row.map(|row| ROWS[row].rule);
                        println!(
                            "{case:?}\n  rule: {rule:?}\n  expected: {expected:?}\n  seen: {seen:?}"
                        );
                    }
                }
            }
        }
    }

    assert_eq!(differences, 0, "of {combinations} combinations");
    // These counts change if the test skips a combination by mistake or another row decides it.
    assert_eq!(skipped, CONTRADICTIONS.map(|reason| reason.skipped));
    assert_eq!(decided, ROWS.map(|row| row.decides));
    assert_eq!(combinations, COMBINATIONS);
    assert_eq!(combinations - decided.iter().sum::<usize>(), PASSED);
}

#[test]
fn w1_each_rejection_says_whether_another_connection_can_help() {
    for row in &ROWS {
        let said = row.rejection.retry_can_help();
        assert_eq!(said, row.retry_can_help, "{}", row.rule);
    }
}

/// Returns the ports that an authority without a port may mean: the default port of the request's scheme. If
/// the layer sees no scheme, the connection determines the scheme (RFC 9110 §7.1). Without connection info, both
/// default ports are possible.
fn meant(scheme: Scheme, security: Security) -> &'static [u16] {
    match (scheme, security) {
        (Scheme::Http, _) => &[80],
        (Scheme::Https, _) => &[443],
        (Scheme::Other, _) => &[],
        (Scheme::Unnamed | Scheme::Unseen, Security::Unknown) => &[80, 443],
        (Scheme::Unnamed | Scheme::Unseen, Security::Plaintext) => &[80],
        (Scheme::Unnamed | Scheme::Unseen, Security::TrustedGateway | Security::Tls) => &[443],
    }
}

#[test]
fn a7_an_absent_port_is_the_default_of_the_scheme_or_of_the_connection() {
    let configs = Configs::new();
    let (mut combinations, mut refused) = (0, 0);
    for ports in [&[80][..], &[443], &[80, 443], &[8443]] {
        let unchecked = layer(&Settings {
            hosts: List::Absent,
            ports: List::Absent,
            level: Coalescing::Unchecked,
            check_certificate: true,
            strict_scheme: false,
            require_tls: false,
            gateways: Gateways::Absent,
        });
        let mut ask = asking(unchecked.ports(ports.iter().copied()).unwrap());
        for security in Security::ALL {
            for host in HostKind::ALL {
                let connection = configs.connection(&Arrival {
                    host,
                    security,
                    relation: Relation::SingleConfig,
                    history: History::NotReplaced,
                    coverage: Coverage::Unknown,
                    server_name: ServerName::Absent,
                    peer: Peer::NoAddress,
                });
                for scheme in Scheme::ALL {
                    // An empty port means the same as an absent port.
                    for port in ["", ":"] {
                        let meant = meant(scheme, security);
                        let expected = match meant.iter().any(|port| ports.contains(port)) {
                            true => Seen::passed(Outcome::Served),
                            false => Seen::refused(Rejection::UnknownPort),
                        };
                        combinations += 1;
                        refused += usize::from(expected.rejection.is_some());
                        let seen = ask(request(scheme, host, port, connection.as_ref()));
                        let what = (ports, security, scheme, port);
                        assert_eq!(seen, expected, "{what:?}");
                    }
                }
            }
        }
    }
    assert_eq!((combinations, refused), (320, 184));
}

#[test]
fn d10_configurations_with_ids_are_judged_like_those_without() {
    let (by_arc, by_id) = (Configs::new(), Configs::with_ids());
    // One layer for each level, with and without the check of the certificate.
    let plain = |settings: &Settings| {
        let lists = [settings.hosts, settings.ports];
        let absent = lists.iter().all(|list| matches!(list, List::Absent));
        let strict = settings.strict_scheme || settings.require_tls;
        absent && !strict && settings.gateways == Gateways::Absent
    };
    let levels = Settings::all().into_iter().filter(plain);
    let mut layers: Vec<_> = levels.map(|settings| asking(layer(&settings))).collect();
    assert_eq!(layers.len(), 10);
    for on in Arrival::all() {
        if CONTRADICTIONS.iter().any(|it| (it.skips)(&on)) {
            continue;
        }
        let connections = [&by_arc, &by_id].map(|configs| configs.connection(&on));
        for ask in &mut layers {
            let [by_arc, by_id] = connections
                .each_ref()
                .map(|connection| ask(request(Scheme::Https, on.host, PORT, connection.as_ref())));
            assert_eq!(by_arc, by_id, "{on:?}");
        }
    }
}
