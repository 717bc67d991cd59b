//! How sequences are made up at random. What they consist of is in `sequence`.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::material::CERTIFICATES;
use crate::names;
use crate::request;
use crate::sequence::{
    Again, ByDefault, CONFIGS, Client, Entry, Hello, Ids, Limits, Map, Mistake, On, Over, Sequence,
    Server, Step,
};

pub fn sequence() -> impl Strategy<Value = Sequence> {
    let server = prop_oneof![
        9 => map(Just(None)).prop_map(Server::Hosts),
        1 => (0..CONFIGS).prop_map(|config| Server::Alone { config }),
    ];
    let certificates = vec(certificate(), CONFIGS);
    let steps = vec(step(), 1..=35);
    let shared = (any::<bool>(), prop::bool::weighted(0.25));
    (server, shared, certificates, limits(), steps).prop_map(
        |(server, (tickets, one_resolver), mut certificates, limits, steps)| {
            if one_resolver {
                let first = certificates[0];
                certificates.fill(first);
            }
            Sequence {
                server,
                tickets,
                certificates,
                one_resolver,
                limits,
                steps,
            }
        },
    )
}

/// Any certificate, and most often the one that covers nearly everything.
fn certificate() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(0), 3 => 0..CERTIFICATES.len()]
}

fn map(mistake: impl Strategy<Value = Option<Mistake>>) -> impl Strategy<Value = Map> {
    let default = prop_oneof![
        2 => Just(ByDefault::Nobody),
        2 => (0..CONFIGS).prop_map(|config| ByDefault::Own { config }),
        2 => (0..8usize).prop_map(ByDefault::Entry),
    ];
    // With how many names an entry takes, and its configuration.
    let shares = vec((1..=2usize, 0..CONFIGS), 8);
    (
        names::patterns(1..=7),
        shares,
        0..3usize,
        default,
        ids(),
        mistake,
    )
        .prop_map(|(patterns, shares, first_id, default, ids, mistake)| {
            const IDS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
            let mut patterns = patterns.into_iter();
            let mut entries = Vec::new();
            for (id, (names, config)) in IDS[first_id..].iter().zip(shares) {
                let names: Vec<_> = patterns.by_ref().take(names).collect();
                if !names.is_empty() {
                    entries.push(Entry { id, names, config });
                }
            }
            let default = match default {
                ByDefault::Entry(entry) => ByDefault::Entry(entry % entries.len()),
                other => other,
            };
            Map {
                entries,
                default,
                ids,
                mistake,
            }
        })
}

/// Only the first two configurations check clients alike, so only they may have the same id.
fn ids() -> impl Strategy<Value = Ids> {
    const IDS: [[&str; 2]; CONFIGS] = [
        ["open", "open0"],
        ["open", "ope"],
        ["one", "on"],
        ["two", "tow"],
        ["takes", "\0takes"],
    ];
    // Half of them have the first of these.
    vec(0..6usize, CONFIGS).prop_map(|picks| {
        std::array::from_fn(|config| match picks[config] {
            0 | 1 => None,
            2 => Some(IDS[config][1]),
            _ => Some(IDS[config][0]),
        })
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let hosts = option::weighted(0.15, names::patterns(3..=8));
    let ports = option::weighted(
        0.15,
        prop_oneof![Just(vec![443]), Just(vec![80, 8443]), Just(vec![443, 8443])],
    );
    let rarely = || prop::bool::weighted(0.1);
    let check_certificate = prop::bool::weighted(0.75);
    (hosts, ports, check_certificate, rarely(), rarely()).prop_map(
        |(hosts, ports, check_certificate, strict_scheme, require_tls)| Limits {
            hosts,
            ports,
            check_certificate,
            strict_scheme,
            require_tls,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let mistake = option::weighted(
        0.05,
        prop_oneof![
            Just(Mistake::NameTwice),
            Just(Mistake::IdTwice),
            Just(Mistake::NoSuchDefault),
            Just(Mistake::TwoConfigIds),
        ],
    );
    let on = prop_oneof![
        20 => (0..64usize).prop_map(On::Connection),
        1 => Just(On::Plaintext),
        1 => Just(On::Gateway),
        1 => Just(On::Unknown),
    ];
    prop_oneof![
        2 => map(mistake).prop_map(Step::Swap),
        1 => Just(Step::SwapBack),
        4 => hello().prop_map(Step::Connect),
        // In a box, for what makes it is large where nothing is optimized.
        4 => (0..64usize, again().boxed()).prop_map(|(session, how)| Step::Resume { session, how }),
        10 => (on, request::request()).prop_map(|(on, request)| Step::Ask { on, request }),
        1 => (0..CONFIGS, certificate())
            .prop_map(|(config, certificate)| Step::Renew { config, certificate }),
        2 => Just(Step::Reload),
    ]
}

fn again() -> impl Strategy<Value = Again> {
    let elsewhere = select(
        &[
            Over::Tls12,
            Over::Tls13,
            Over::Tls13,
            Over::Quic,
            Over::Quic,
        ][..],
    );
    prop_oneof![
        2 => (client(), option::weighted(0.4, elsewhere))
            .prop_map(|(client, over)| Again::AsBefore { client, over }),
        1 => hello().prop_map(Again::Differently),
    ]
}

fn hello() -> impl Strategy<Value = Hello> {
    let server_name = option::weighted(0.85, names::host());
    (server_name, client(), over()).prop_map(|(server_name, client, over)| Hello {
        server_name,
        client,
        over,
    })
}

/// QUIC is rarer, for its handshakes take several times as long.
fn over() -> impl Strategy<Value = Over> {
    use Over::{Quic, Tls12, Tls13};
    select(&[Tls12, Tls12, Tls12, Tls12, Tls13, Tls13, Tls13, Tls13, Quic][..])
}

fn client() -> impl Strategy<Value = Client> {
    prop_oneof![
        2 => Just(Client::Nobody),
        2 => Just(Client::One),
        1 => Just(Client::Two),
    ]
}
