//! Which causes are found where a connection for one host carries requests for another. Tables as in `causes`.

use crate::causes::{AB, blames, finds, line};
use crate::findings::{coalesced, findings};
use crate::table::seen;

const GUARDED: &[&str] = &["a.test", "admin.a.test"];

#[test]
fn a_421_between_hosts_of_one_certificate_heals() {
    let table = "
        a.test | a.test b.test | 200 421
        b.test | a.test b.test | 421 200
        -      | a.test b.test | 200 421";
    finds(
        &seen(AB, table),
        &[
            "note http2-reuse heals: a.test b.test",
            "note no-sni heals: b.test",
        ],
    );
}

#[test]
fn without_http2_browsers_reuse_nothing() {
    let table = "
        a.test 1.1 | a.test b.test | 200 421
        b.test 1.1 | a.test b.test | 421 200
        -      1.1 | a.test b.test | 200 200";
    finds(&seen(AB, table), &["note fixed-sni heals: a.test b.test"]);
    assert!(coalesced(&seen(AB, table)).is_empty());
}

#[test]
fn a_421_between_certificates_concerns_clients_with_one_fixed_server_name() {
    let table = "
        a.test | a.test | 200 421
        b.test | b.test | 421 200
        -      | a.test | 200 421";
    finds(
        &seen(AB, table),
        &[
            "note no-sni heals: b.test",
            "note fixed-sni heals: a.test b.test",
        ],
    );
}

#[test]
fn a_421_for_a_host_with_client_certificates_heals() {
    let expected = ["note wildcard-over-client-certificates heals: admin.a.test"];
    // nginx answers 400 without a certificate, others end the handshake.
    for own in ["400 400", "- -"] {
        let table = format!(
            "a.test         | a.test *.a.test | 200 421
             admin.a.test ? | a.test *.a.test | {own}
             -              | a.test *.a.test | 200 400"
        );
        finds(&seen(GUARDED, &table), &expected);
    }
    // In the other direction alone, with a certificate.
    let table = "
        a.test         | a.test       | 200 200
        admin.a.test ! | *.a.test a.test | 421 200
        -              | a.test       | 200 421";
    let found = findings(&seen(GUARDED, table));
    assert_eq!(
        line(&found[1]),
        "note wildcard-over-client-certificates heals: admin.a.test"
    );
}

#[test]
fn a_certificate_that_lacks_the_host_of_its_connection_is_reused_by_nobody() {
    let hosts = &["a.test", "admin.a.test", "other.test"];
    let table = "
        a.test         | a.test *.a.test | 200 421 421
        admin.a.test ? | a.test *.a.test | 421 400 421
        other.test     | a.test *.a.test | 200 421 421
        -              | a.test *.a.test | 200 421 421";
    let findings = findings(&seen(hosts, table));
    let mut causes = findings.iter().map(|finding| &finding.cause);
    assert!(causes.any(|cause| cause.contains("shares a certificate with a.test, ")));
}

#[test]
fn a_host_served_past_its_client_certificates_looks_like_a_bypass() {
    let bypass = "warning bypass: admin.a.test";
    for own in ["200 400", "200 403", "- -"] {
        for (a, without) in [("200", "421"), ("421", "200"), ("421", "302")] {
            let table = format!(
                "a.test         | a.test *.a.test | 200 {a}
                 admin.a.test ? | a.test *.a.test | {own}
                 -              | a.test *.a.test | 200 {without}"
            );
            blames(&seen(GUARDED, &table), &[bypass]);
        }
    }
    // The handshake without a certificate fails as a whole.
    let mut failed = seen(
        GUARDED,
        "a.test | a.test *.a.test | 200 200\nadmin.a.test ? | refused |",
    );
    failed.connections[1].asks_client_certificate = true;
    blames(&failed, &[bypass]);
    // With a certificate, a connection that was not asked for it.
    let table = "
        a.test         | a.test *.a.test | 200 200
        admin.a.test ! | a.test *.a.test | 200 200
        -              | a.test *.a.test | 421 421";
    blames(&seen(GUARDED, table), &[bypass]);
}

#[test]
fn an_optional_client_certificate_is_no_bypass() {
    let table = "
        a.test         | a.test *.a.test | 200 200
        admin.a.test ? | a.test *.a.test | 200 200
        -              | a.test *.a.test | 200 200";
    finds(&seen(GUARDED, table), &[]);
    // Where both connections have sent the certificate, nobody got past it.
    let table = "
        a.test       ! | a.test *.a.test | 200 200
        admin.a.test ! | a.test *.a.test | 200 200
        -            ! | a.test *.a.test | 200 200";
    finds(&seen(GUARDED, table), &[]);
}

#[test]
fn a_cacheable_421_is_a_warning_if_it_says_for_how_long() {
    for (flag, severity) in [("c", "note"), ("f", "warning")] {
        let table = format!(
            "a.test | a.test b.test | 200 421{flag}
             b.test | a.test b.test | 200 200
             -      | a.test b.test | 200 200"
        );
        let found: Vec<_> = findings(&seen(AB, &table)).iter().map(line).collect();
        let expected = format!("{severity} cacheable-421 heals: b.test");
        assert!(found.contains(&expected), "{found:?}");
    }
}

#[test]
fn a_connection_that_ends_is_a_warning_only_if_others_requests_end_with_it() {
    let cases = [
        ("1.1", "k", "note"),
        ("1.1", "x", "note"),
        ("", "g", "note"),
        ("", "x", "warning"),
    ];
    for (http, flag, severity) in cases {
        let table = format!(
            "a.test {http} | a.test b.test | 200 421{flag}
             b.test {http} | a.test b.test | 200 200
             -      {http} | a.test b.test | 200 200"
        );
        let found: Vec<_> = findings(&seen(AB, &table)).iter().map(line).collect();
        let expected = format!("{severity} connection-ended heals: b.test");
        assert!(found.contains(&expected), "{http} {flag}: {found:?}");
    }
    // The end after another answer is nobody's concern.
    let table = "
        a.test 1.1 | a.test b.test | 200k 200x
        b.test 1.1 | a.test b.test | 200k 200x
        -      1.1 | a.test b.test | 200k 200x";
    finds(&seen(AB, table), &[]);
}

#[test]
fn browsers_reuse_a_connection_whose_certificate_covers_both_hosts() {
    let hosts = &["a.test", "b.test", "c.test", "a.test.", "192.0.2.1"];
    let table = "
        a.test | a.test b.test 192.0.2.1 | 200 200 200 200 200
        b.test | b.test                  | 200 200 200 200 200
        c.test | a.test b.test           | 200 200 200 200 200
        -      | a.test b.test c.test    | 200 200 200 200 200";
    assert_eq!(coalesced(&seen(hosts, table)), [["a.test", "b.test"]]);
}
