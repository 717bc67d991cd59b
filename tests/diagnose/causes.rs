//! Which causes are found for which observations. Each table is what a server with one mistake looks like from outside.

use crate::findings::{Finding, exit, findings};
use crate::observation::Observations;
use crate::table::seen;

/// A finding in one line: severity, id, `heals` if it does, and the hosts.
pub fn line(finding: &Finding) -> String {
    let value = serde_json::to_value(finding).unwrap();
    let word = |key: &str| value[key].as_str().unwrap().to_owned();
    let heals = if finding.heals { " heals" } else { "" };
    format!(
        "{} {}{heals}: {}",
        word("severity"),
        word("id"),
        finding.hosts.join(" ")
    )
}

#[track_caller]
pub fn finds(seen: &Observations, expected: &[&str]) {
    let findings = findings(seen);
    let found: Vec<_> = findings.iter().map(line).collect();
    assert_eq!(found, expected);
    let healthy = found.iter().all(|line| line.starts_with("note "));
    assert_eq!(exit(&findings), u8::from(!healthy));
}

/// Without the notes.
#[track_caller]
pub fn blames(seen: &Observations, expected: &[&str]) {
    let mut found: Vec<_> = findings(seen).iter().map(line).collect();
    found.retain(|line| !line.starts_with("note"));
    assert_eq!(found, expected);
}

pub const AB: &[&str] = &["a.test", "b.test"];

#[test]
fn a_server_that_serves_everything_has_nothing_to_mend() {
    let table = "
        a.test | a.test b.test | 200 200
        b.test | a.test b.test | 200 200
        -      | a.test b.test | 200 200";
    finds(&seen(AB, table), &[]);
}

#[test]
fn a_certificate_that_lacks_the_host_is_to_mend_whether_it_is_served_or_not() {
    for own in ["200", "421"] {
        let table = format!(
            "a.test | a.test       | 200 421
             b.test | other.b.test | 421 {own}
             -      | a.test       | 200 421"
        );
        let heals = if own == "200" { " heals" } else { "" };
        blames(
            &seen(AB, &table),
            &[&format!("mend certificate-lacks-host{heals}: b.test")],
        );
    }
}

#[test]
fn one_of_several_certificates_that_also_comes_without_a_server_name_is_a_default() {
    let hosts = &["a.test", "b.test", "c.test"];
    let table = |own: &str| {
        format!(
            "a.test | a.test | 200 421 421
             b.test | b.test | 421 200 421
             c.test | a.test | 200 421 {own}
             -      | a.test | 200 421 421"
        )
    };
    blames(
        &seen(hosts, &table("421")),
        &[
            "mend default-certificate: c.test",
            "mend unknown-host: c.test",
        ],
    );
    blames(
        &seen(hosts, &table("200")),
        &["mend default-certificate heals: c.test"],
    );
}

#[test]
fn with_a_single_certificate_both_causes_are_named() {
    let table = "
        a.test | a.test | 200 421
        b.test | a.test | 200 421
        -      | a.test | 200 421";
    blames(
        &seen(AB, table),
        &[
            "mend certificate-lacks-host: b.test",
            "mend default-certificate: b.test",
        ],
    );
}

#[test]
fn a_host_that_is_not_found_under_a_foreign_certificate_is_unknown() {
    let table = "
        a.test | a.test  | 200 404
        b.test | traefik | 404 404
        -      | a.test  | 200 404";
    blames(
        &seen(AB, table),
        &[
            "mend default-certificate heals: b.test",
            "mend certificate-lacks-host heals: b.test",
        ],
    );
}

#[test]
fn a_refused_handshake_is_an_unknown_host() {
    for covered in ["a.test", "*.test"] {
        let table = format!(
            "
            a.test | {covered} | 200 421
            b.test | refused |
            -      | refused |"
        );
        finds(
            &seen(AB, &table),
            &["mend unknown-host: b.test", "note no-sni heals: a.test"],
        );
    }
}

#[test]
fn a_version_of_http_that_the_server_does_not_speak_is_no_matter_of_the_server_name() {
    let table = "
        a.test 1.1 | refused |
        -      1.1 | refused |
        a.test     | a.test  | 200
        -          | a.test  | 200";
    finds(&seen(&["a.test"], table), &[]);
}

#[test]
fn a_proxy_without_a_server_name_gets_421_for_every_host() {
    let table = "
        a.test | a.test b.test | 421 421
        b.test | a.test b.test | 421 421
        -      | a.test b.test | 421 421";
    blames(
        &seen(AB, table),
        &[
            "mend no-sni: a.test b.test",
            "mend always-421: a.test b.test",
        ],
    );
}

#[test]
fn a_proxy_with_a_fixed_server_name_gets_421_for_all_but_one_host() {
    let hosts = &["a.test", "b.test", "c.test"];
    let row = "| a.test b.test c.test | 421 200 421\n";
    let table = format!("a.test {row} b.test {row} c.test {row} - {row}");
    blames(
        &seen(hosts, &table),
        &[
            "mend fixed-sni: a.test c.test",
            "mend no-sni: a.test c.test",
        ],
    );
}

#[test]
fn where_the_server_name_matters_no_proxy_hides_it() {
    let hosts = &["a.test", "b.test", "c.test"];
    let table = "
        a.test | a.test b.test c.test | 200 421 421
        b.test | a.test b.test c.test | 421 200 421
        c.test | a.test b.test c.test | 200 421 421
        -      | a.test b.test c.test | 200 421 421";
    blames(&seen(hosts, table), &["mend always-421: c.test"]);
}

#[test]
fn a_421_over_one_version_of_http_is_no_matter_of_the_host() {
    let table = "
        a.test   | a.test | 200
        -        | a.test | 200
        a.test 3 | a.test | 421
        -      3 | a.test | 421";
    let seen = seen(&["a.test"], table);
    blames(&seen, &["mend always-421: a.test"]);
    assert!(findings(&seen)[0].cause.starts_with("Over HTTP/3, "));
}

#[test]
fn a_proxy_that_gets_no_connection_may_lack_a_server_name() {
    let row = "| a.test b.test | 502 502\n";
    let table = format!("a.test {row} b.test {row} - {row}");
    finds(&seen(AB, &table), &["warning no-sni heals: a.test b.test"]);
    // A server with one broken host is none.
    let row = "| a.test b.test | 200 502\n";
    let table = format!("a.test {row} b.test {row} - {row}");
    finds(&seen(AB, &table), &[]);
}

/// RFC 6066 §3: a server name has no trailing dot and no port and is no address.
#[test]
fn a_server_that_compares_text_refuses_what_a_server_name_cannot_be() {
    let hosts = &["a.test", "a.test.", "a.test:8443", "192.0.2.1"];
    let row = "| a.test 192.0.2.1 | 200 421 421 421\n";
    let table = format!("a.test {row} - | a.test 192.0.2.1 | 421 421 421 421");
    blames(
        &seen(hosts, &table),
        &["mend strict-sni: a.test. a.test:8443 192.0.2.1"],
    );
}

#[test]
fn a_refused_address_that_no_certificate_covers_has_two_causes_only_if_names_are_compared() {
    let hosts = &["a.test", "192.0.2.1"];
    let table = "
        a.test | a.test | 200 421
        -      | a.test | 421 421";
    blames(
        &seen(hosts, table),
        &[
            "mend strict-sni: 192.0.2.1",
            "mend certificate-lacks-host: 192.0.2.1",
        ],
    );
    let table = "
        a.test | a.test | 200 421
        -      | a.test | 200 421";
    blames(
        &seen(hosts, table),
        &["mend certificate-lacks-host: 192.0.2.1"],
    );
    // Whoever asks for an address that is served often knows about the certificate.
    let table = "
        a.test | a.test | 200 200
        -      | a.test | 200 200";
    finds(
        &seen(hosts, table),
        &["note certificate-lacks-host heals: 192.0.2.1"],
    );
}

#[test]
fn an_address_that_only_connections_with_a_server_name_serve_wants_one() {
    let hosts = &["a.test", "192.0.2.1"];
    let table = "
        a.test | a.test 192.0.2.1 | 200 200
        -      | a.test 192.0.2.1 | 421 421";
    blames(&seen(hosts, table), &["mend no-sni: 192.0.2.1"]);
    let table = "
        a.test | a.test 192.0.2.1 | 200 200
        -      | refused          |";
    blames(&seen(hosts, table), &["mend no-sni: 192.0.2.1"]);
    let found = findings(&seen(hosts, table));
    let cure = found[0].cure.to_string();
    assert!(cure.starts_with("Let the client use a name."), "{cure}");
}

#[test]
fn a_spelling_whose_plain_form_is_refused_too_is_not_what_matters() {
    let row = "| a.test | 421 421\n";
    let table = format!("a.test {row} - {row}");
    let found = findings(&seen(&["a.test", "a.test."], &table));
    assert_eq!(line(&found[0]), "mend no-sni: a.test a.test.");
}

#[test]
fn certificates_that_clients_refuse_are_grouped_by_reason() {
    let table = "
        a.test | untrusted a.test b.test | 200 200
        b.test | untrusted a.test b.test | 200 200
        -      | untrusted a.test b.test | 200 200";
    finds(
        &seen(AB, table),
        &["warning unverifiable-certificate heals: a.test b.test"],
    );
}

#[test]
fn the_cure_has_the_settings_of_the_servers_that_the_answers_name() {
    let table = "
        a.test | a.test b.test | 200 421
        b.test | a.test b.test | 421 200
        -      | a.test b.test | 200 200";
    let mut named = seen(AB, table);
    let cure = findings(&named)[0].cure.to_string();
    for server in [
        "nginx: ",
        "Apache httpd: ",
        "Caddy: ",
        "HAProxy: ",
        "Traefik: ",
        "Envoy: ",
        "tower-misdirected: ",
    ] {
        assert!(cure.contains(server), "{server} in {cure}");
    }
    for connection in &mut named.connections {
        for answer in &mut connection.answers {
            answer.software = vec!["Apache/2.4.66 (Debian)".to_owned(), "1.1 Caddy".to_owned()];
        }
    }
    let cure = &findings(&named)[0].cure;
    let servers: Vec<_> = cure
        .settings
        .iter()
        .map(|setting| setting.split(':').next().unwrap())
        .collect();
    assert_eq!(servers, ["Apache httpd", "Caddy"]);
}
