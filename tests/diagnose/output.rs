//! The text output, and text of servers in it.

use crate::findings::{coalesced, findings};
use crate::matrix::print;
use crate::table::seen;
use crate::text::{list, plain};

#[test]
fn the_matrix_has_a_row_for_each_connection_and_findings_under_it() {
    let table = "
        a.test 1.1     | a.test *.a.test | 200 421cx
        admin.a.test ? | a.test *.a.test | 200 400
        a.test         | a.test *.a.test | 200 421g
        -              | refused         |";
    let seen = seen(&["a.test", "admin.a.test"], table);
    let text = print(&seen, &coalesced(&seen), &findings(&seen));
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for expected in [
        "[1] a.test",
        "[2] admin.a.test",
        "HTTP/1.1, server name [1] [2]",
        "a.test 200= 421+cx",
        "HTTP/2, server name [1] [2]",
        "admin.a.test 200+ 400= asks for a client certificate",
        "a.test 200= 421+g",
        "(none) the server sent the TLS alert unrecognized_name",
        "Browsers share connections: a.test <-> admin.a.test",
        "note: wildcard-over-client-certificates: admin.a.test",
        "Nothing to mend; notes: 4.",
    ] {
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected} in {text}"
        );
    }
    assert!(
        text.lines()
            .all(|line| line.len() <= 120 && line == line.trim_end()),
        "{text}"
    );
}

#[test]
fn what_needs_no_mending_says_so() {
    let seen = seen(&["a.test"], "a.test | a.test | 200\n- | a.test | 200");
    let text = print(&seen, &coalesced(&seen), &findings(&seen));
    assert!(
        text.ends_with("\nNothing to mend, and nothing to note.\n"),
        "{text}"
    );
}

#[test]
fn the_last_line_counts_what_there_is_to_mend() {
    let table = "
        a.test | a.test | 200 421
        b.test | a.test | 200 421
        -      | a.test | 200 421";
    let seen = seen(&["a.test", "b.test"], table);
    let text = print(&seen, &coalesced(&seen), &findings(&seen));
    assert!(
        text.ends_with("\nTo mend: 2, warnings: 0, notes: 0.\n"),
        "{text}"
    );
}

#[test]
fn a_host_without_the_port_that_clients_send_is_named() {
    let text = |target: &str, hosts: &[&str]| {
        let mut seen = seen(hosts, "a.test | a.test | 200\n- | a.test | 200");
        seen.target = target.to_owned();
        print(&seen, &coalesced(&seen), &findings(&seen))
    };
    let hint =
        "Clients of port 8443 also send the port. To see what they get, ask for a.test:8443\n";
    assert!(text("192.0.2.1:8443", &["a.test"]).contains(hint));
    assert!(text("[2001:db8::1]:8443", &["a.test"]).contains(hint));
    assert!(!text("192.0.2.1:443", &["a.test"]).contains("port"));
    assert!(!text("192.0.2.1:8443", &["a.test:8443"]).contains("port"));
}

#[test]
fn a_host_that_was_not_asked_without_a_certificate_is_named() {
    let table = "
        a.test     | a.test *.a.test | 200 421
        b.a.test ? | a.test *.a.test |
        -          | a.test *.a.test | 200 421";
    let seen = seen(&["a.test", "b.a.test"], table);
    let text = print(&seen, &coalesced(&seen), &findings(&seen));
    let expected =
        "Without a client certificate (--cert, --key) there is no connection for: b.a.test\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.ends_with("\nNothing to mend; notes: 1.\n"), "{text}");
}

#[test]
fn text_of_a_server_is_printable_and_short() {
    assert_eq!(plain("Apache/2.4 (Debian)"), "Apache/2.4 (Debian)");
    assert_eq!(plain("\u{1b}]0;title\u{7}\r\n"), r"\u{1b}]0;title\u{7}\r\n");
    // A right-to-left override.
    assert_eq!(plain("a\u{202e}b\u{e9}"), r"a\u{202e}b\u{e9}");
    let long = plain(&"\u{1b}".repeat(100_000));
    assert!(long.len() < 2_000 && long.ends_with("..."));
}

#[test]
fn lists_are_sentences() {
    assert_eq!(list(&["a"]), "a");
    assert_eq!(list(&["a", "b"]), "a and b");
    assert_eq!(list(&["a", "b", "c"]), "a, b and c");
}
