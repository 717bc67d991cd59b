//! Random sequences of what servers and clients do (swap the virtual hosts, connect, resume, renew, ask)
//! against a model that is written from the rules alone. The handshakes are real, over TLS and over QUIC, and so are
//! the layer and HTTP/3; requests of the other versions come as hyper hands them over.
//!
//! `SEQUENCES=10000 cargo test --all-features --test state_machine -- --nocapture` plays more of them and
//! prints what was seen. A difference is printed as the shortest sequence that shows it.

mod client;
mod generate;
mod http3;
mod material;
mod model;
mod names;
mod play;
mod request;
mod rules;
mod sequence;
mod settings;
mod tally;
mod world;

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../wire/mod.rs"]
mod wire;

use std::cell::RefCell;

use proptest::test_runner::{Config, TestRunner};

use crate::play::Play;
use crate::tally::Tally;

/// Every one of them happens in a few hundred sequences, or the test shows nothing.
const HAS_TO_HAPPEN: [&str; 45] = [
    "swap taken",
    "swap refused",
    "a connection that is outdated",
    "a connection that is not outdated",
    "an outdated connection that ended over HTTP/3",
    "handshake in full",
    "handshake refused: ServerName",
    "handshake refused: ClientCertificate",
    "handshake in full over QUIC",
    "handshake refused over QUIC: ServerName",
    "handshake refused over QUIC: ClientCertificate",
    "handshake that resumed over QUIC",
    "handshake that resumed one over the other transport",
    "handshake that resumed TLS 1.2",
    "handshake that resumed TLS 1.3",
    "handshake that resumed a client certificate",
    "handshake that resumed a session of another Arc",
    "session not resumed: Config",
    "session not resumed: ServerName",
    "session not resumed: Version",
    "200 at Unchecked",
    "200 at Certificate",
    "200 at SameTlsConfig",
    "200 at SameVirtualHost",
    "200 at Never",
    "200 for another host than the server name",
    "200 for a host that insists on a client certificate",
    "200 on a resumed connection",
    "200 on a connection of another Arc",
    "200 without a server name",
    "200 for a host that the certificate does not cover",
    "400",
    "200 over HTTP/3",
    "421 over HTTP/3",
    "421 different_tls_config",
    "421 insecure_connection",
    "421 not_in_certificate",
    "421 other_virtual_host",
    "421 scheme_mismatch",
    "421 server_name_mismatch",
    "421 server_name_not_in_certificate",
    "421 unknown_host",
    "421 unknown_port",
    "500 no_connection_info",
    "421 for a host that insists on a client certificate",
];

#[test]
fn sequences_go_as_the_rules_say() {
    let sequences = std::env::var("SEQUENCES").map_or(300, |count| count.parse().unwrap());
    let mut runner = TestRunner::new(Config {
        cases: sequences,
        failure_persistence: None,
        ..Config::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tally = RefCell::new(Tally::default());
    let played = runner.run(&generate::sequence(), |sequence| {
        runtime.block_on(Play::new(&sequence, &mut tally.borrow_mut()).play(&sequence.steps))
    });
    println!("{sequences} sequences:");
    tally.borrow().print();
    if let Err(difference) = played {
        panic!("{difference}");
    }
    assert_eq!(tally.borrow().missing(&HAS_TO_HAPPEN), [""; 0]);
}
