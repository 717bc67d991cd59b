//! Causes that look alike from outside, and hosts that are given with a port. Tables as in `causes`.

use crate::causes::{blames, finds};
use crate::findings::{coalesced, findings};
use crate::table::seen;

const AB: &[&str] = &["a.test", "b.test"];
const GUARDED: &[&str] = &["a.test", "admin.a.test"];

#[test]
fn one_refused_host_among_others_may_be_unknown_to_the_server() {
    let row = "| a.test b.test | 200 421\n";
    let table = format!("a.test {row} b.test {row} - {row}");
    blames(
        &seen(AB, &table),
        &[
            "mend fixed-sni: b.test",
            "mend no-sni: b.test",
            "mend always-421: b.test",
        ],
    );
    // A fixed server name is the name of one host.
    let row = "| a.test b.test c.test | 200 200 421\n";
    let table = format!("a.test {row} b.test {row} c.test {row} - {row}");
    blames(
        &seen(&["a.test", "b.test", "c.test"], &table),
        &["mend always-421: c.test", "mend fixed-sni: c.test"],
    );
}

#[test]
fn a_host_with_the_port_of_the_server_is_what_clients_ask_for() {
    let hosts = &["a.test:8443", "b.test:8443"];
    let table = "
        a.test | a.test b.test | 200 421
        b.test | a.test b.test | 421 200
        -      | a.test b.test | 421 421";
    let seen = seen(hosts, table);
    finds(
        &seen,
        &[
            "note http2-reuse heals: a.test:8443 b.test:8443",
            "note no-sni heals: a.test:8443 b.test:8443",
        ],
    );
    assert_eq!(coalesced(&seen).len(), 2);
}

/// Only the host without its port tells a server that compares the port from a proxy that sends no server name.
#[test]
fn a_server_may_compare_the_port_where_every_host_has_one() {
    let row = "| a.test b.test | 421 421\n";
    let table = format!("a.test {row} b.test {row} - {row}");
    blames(
        &seen(&["a.test:8443", "b.test:8443"], &table),
        &[
            "mend no-sni: a.test:8443 b.test:8443",
            "mend strict-sni: a.test:8443 b.test:8443",
            "mend always-421: a.test:8443 b.test:8443",
        ],
    );
    let table = "
        a.test | a.test | 200 421
        -      | a.test | 421 421";
    blames(
        &seen(&["a.test", "a.test:8443"], table),
        &["mend strict-sni: a.test:8443"],
    );
}

#[test]
fn a_404_without_the_client_certificate_may_be_a_bypass() {
    let table = "
        a.test         | *.a.test a.test | 404 404
        admin.a.test ? | *.a.test a.test | -   -
        -              | *.a.test a.test | 404 404";
    finds(&seen(GUARDED, table), &["note bypass: admin.a.test"]);
    // With the certificate there is content, so whoever answers 404 is not the host. Browsers do not know that.
    let table = "
        a.test         | *.a.test a.test | 404 404
        admin.a.test ! | *.a.test a.test | 404 200
        -              | *.a.test a.test | 404 404";
    finds(
        &seen(GUARDED, table),
        &["warning http2-reuse heals: admin.a.test"],
    );
}

#[test]
fn a_host_without_a_handshake_may_be_served_on_connections_for_others() {
    let table = "
        a.test | a.test  | 200 200
        b.test | refused |
        -      | refused |";
    let seen = seen(AB, table);
    blames(&seen, &["mend unknown-host: b.test"]);
    let cause = &findings(&seen)[0].cause;
    assert!(cause.contains("it has no certificate for it"), "{cause}");
}

/// Browsers reuse a connection by its certificate, and repeat a request only after a 421.
#[test]
fn another_error_than_421_on_a_connection_that_browsers_reuse_is_a_warning() {
    let table = "
        a.test | a.test b.test | 200 404
        b.test | a.test b.test | 404 200
        -      | a.test b.test | 200 404";
    let seen_by_browsers = seen(AB, table);
    finds(
        &seen_by_browsers,
        &["warning http2-reuse heals: a.test b.test"],
    );
    let cure = findings(&seen_by_browsers)[0].cure.to_string();
    assert!(cure.starts_with("Answer 421"), "{cure}");
    // Browsers reuse no connection of these.
    for table in [
        "
        a.test | a.test | 200 404
        b.test | b.test | 404 200
        -      | a.test | 200 404",
        "
        a.test 1.1 | a.test b.test | 200 404
        b.test 1.1 | a.test b.test | 404 200
        -      1.1 | a.test b.test | 200 404",
    ] {
        finds(&seen(AB, table), &[]);
    }
}
