//! B5: which hosts a certificate covers. webpki judges the matching, except for wildcards before a single label,
//! which it rejects. x509-parser judges the reading.

mod pki;

use std::net::IpAddr;

use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension};
use rustls::pki_types::{CertificateDer, ServerName};
use tower_misdirected::{CertificateNames, Host};
use x509_parser::prelude::*;

use crate::pki::Leaf;

fn names(leaf: &Leaf) -> CertificateNames {
    CertificateNames::from_der(&leaf.der)
}

fn covers(names: &CertificateNames, host: &str) -> Option<bool> {
    names.covers(&host.parse().unwrap())
}

#[test]
fn exact_names_wildcards_and_addresses_are_read() {
    let leaf = pki::leaf(&["a.test", "*.w.test", "192.0.2.1", "2001:db8::1"]);
    let names = names(&leaf);
    let all = ["a.test", "*.w.test", "192.0.2.1", "[2001:db8::1]"];
    assert_eq!(names.to_strings(), all);
    for (host, covered) in [
        ("a.test", true),
        ("A.TEST.", true),
        ("x.a.test", false),
        ("x.w.test", true),
        ("X.W.test", true),
        ("w.test", false),
        ("x.y.w.test", false),
        ("192.0.2.1", true),
        ("192.0.2.2", false),
        ("[2001:db8:0::1]", true),
        ("[::ffff:192.0.2.1]", false),
    ] {
        assert_eq!(covers(&names, host), Some(covered), "{host}");
    }
}

#[test]
fn upper_case_names_are_read_in_lower_case() {
    let names = names(&pki::leaf(&["APP.Test", "*.W.TEST"]));
    assert_eq!(names.to_strings(), ["app.test", "*.w.test"]);
}

#[test]
fn a_thousand_names_are_read() {
    let many: Vec<_> = (0..1000).map(|n| format!("h{n}.test")).collect();
    let texts: Vec<_> = many.iter().map(String::as_str).collect();
    let names = names(&pki::leaf(&texts));
    assert_eq!(names.to_strings().len(), 1000);
    assert_eq!(covers(&names, "h999.test"), Some(true));
    assert_eq!(covers(&names, "h1000.test"), Some(false));
}

/// A common name is no name of a host (RFC 9525 §2), and neither is a URI.
#[test]
fn b5_a_certificate_that_names_no_hosts_has_unknown_names() {
    for (leaf, why) in [
        (pki::common_name_only("a.test"), "only a common name"),
        (pki::uri_only("spiffe://a.test/service"), "a SPIFFE ID"),
        (pki::leaf(&[]), "no extension"),
        (with_raw_sans(b"", false), "an empty extension"),
        (with_raw_sans(b"\x81\x06a@test", false), "an e-mail address"),
        (
            with_raw_sans(b"\x81\x06a@test\x86\x0ehttp://a.test/", true),
            "two names of other kinds",
        ),
    ] {
        let names = names(&leaf);
        assert!(!names.is_known(), "{why}");
        assert_eq!(covers(&names, "a.test"), None, "{why}");
        assert_eq!(names.to_strings(), [""; 0], "{why}");
        assert_eq!(format!("{names:?}"), "unknown", "{why}");
    }
    assert!(!CertificateNames::from_sans([""; 0], []).is_known());
}

#[test]
fn b5_an_entry_that_no_client_matches_still_names_hosts() {
    for (odd, why) in [
        (&b"\x82\x01*"[..], "a wildcard before no label"),
        (b"\x82\x07a.test.", "a trailing dot"),
        (b"\x82\x00", "an empty name"),
        (b"\x82\x02\xff\xfe", "no text"),
        (b"\x87\x05\xc0\x00\x02\x01\x01", "an address of five octets"),
        (b"\x87\x00", "an empty address"),
        (
            b"\x86\x0ehttp://a.test/\x82\x01*",
            "a wildcard beside a URI",
        ),
    ] {
        let names = names(&with_raw_sans(odd, false));
        assert!(names.is_known(), "{why}");
        assert_eq!(covers(&names, "a.test"), Some(false), "{why}");
        assert_eq!(format!("{names:?}"), "[]", "{why}");
    }
    for name in ["*", "f*.test", "a.test.", "**.test", "bücher.test", ""] {
        let names = CertificateNames::from_sans([name], []);
        assert!(names.is_known(), "{name}");
        assert_eq!(covers(&names, "a.test"), Some(false), "{name}");
    }
}

/// `**.` is a pattern of virtual hosts, and no name of a certificate (RFC 9525 §6.3).
#[test]
fn b10_a_certificate_has_no_wildcard_for_several_labels() {
    let from_sans = CertificateNames::from_sans(["**.a.test", "b.test"], []);
    for names in [names(&pki::leaf(&["**.a.test", "b.test"])), from_sans] {
        assert_eq!(names.to_strings(), ["b.test"]);
        for host in ["x.a.test", "x.y.a.test", "a.test"] {
            assert_eq!(covers(&names, host), Some(false), "{host}");
        }
    }
}

#[test]
fn an_unknown_critical_extension_leaves_the_names_unknown() {
    let names = names(&pki::unknown_critical_extension("a.test"));
    assert!(!names.is_known());
    assert_eq!(covers(&names, "a.test"), None);
}

#[test]
fn what_is_no_certificate_has_unknown_names() {
    let leaf = pki::leaf(&["a.test", "192.0.2.1"]);
    for length in 0..leaf.der.len() {
        assert!(!CertificateNames::from_der(&leaf.der[..length]).is_known());
    }
    let unknown = CertificateNames::unknown();
    assert!(unknown.ptr_eq(&unknown) && !unknown.ptr_eq(&names(&leaf)));
}

#[test]
fn malformed_wildcards_and_addresses_as_dns_names_cover_nothing() {
    // As the extension may hold them; the last one is an IP address in the wrong kind of name.
    for name in [
        "-a.test",
        "a-.test",
        "*.-.test",
        "f*.test",
        "*",
        "*.",
        "*.-test",
        "*.1",
        "a.*.test",
        "*.*.test",
        "*x.a.test",
    ] {
        let names = names(&pki::leaf(&[name]));
        assert_eq!(names.to_strings(), [""; 0], "{name}");
    }
    let names = CertificateNames::from_sans(["192.0.2.1", "::1", "[::1]", "*", "bücher.test"], []);
    assert_eq!(names.to_strings(), [""; 0]);
    assert_eq!(covers(&names, "192.0.2.1"), Some(false));
}

#[test]
fn b5_a_wildcard_needs_one_label_after_it() {
    // Go and Java accept `*.internal`; webpki does not list it.
    let read = names(&pki::leaf(&[
        "*.Internal",
        "*.com",
        "*",
        "f*.test",
        "a.*.test",
    ]));
    let from_sans = ["*.internal", "*.COM", "*", "*.", "f*.test", "a.*.test"];
    for names in [read, CertificateNames::from_sans(from_sans, [])] {
        assert_eq!(names.to_strings(), ["*.com", "*.internal"]);
        for (host, covered) in [
            ("app.internal", true),
            ("APP.Internal.", true),
            ("_app.internal", true),
            ("app.com", true),
            ("internal", false),
            ("a.app.internal", false),
            ("app.internal.test", false),
            ("f.test", false),
            ("a.b.test", false),
            ("test", false),
        ] {
            assert_eq!(covers(&names, host), Some(covered), "{host}");
        }
    }
}

/// A certificate whose subjectAltName holds these octets.
fn with_raw_sans(names: &[u8], critical: bool) -> Leaf {
    let content = [&[0x30, u8::try_from(names.len()).unwrap()], names].concat();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    let mut sans = CustomExtension::from_oid_content(&[2, 5, 29, 17], content);
    sans.set_criticality(critical);
    params.custom_extensions.push(sans);
    pki::sign(params)
}

#[test]
fn a_critical_extension_of_names_is_read_like_any_other() {
    for critical in [false, true] {
        let names = names(&with_raw_sans(
            b"\x82\x06a.test\x87\x04\xc0\x00\x02\x01",
            critical,
        ));
        assert_eq!(names.to_strings(), ["a.test", "192.0.2.1"]);
    }
}

#[test]
fn names_in_a_form_that_der_forbids_are_unknown() {
    for (odd, why) in [
        (
            &b"\x87\x81\x04\xc0\x00\x02\x01"[..],
            "a length that could be shorter",
        ),
        (
            b"\x82\x82\x00\x06a.test",
            "a length that could be shorter still",
        ),
        (
            b"\x89\x01x\x87\x04\xc0\x00\x02\x01",
            "a kind of name there is none of",
        ),
        (
            b"\x9f\x02\x01x\x87\x04\xc0\x00\x02\x01",
            "a tag of several octets",
        ),
        (
            b"\xa2\x06a.test\x87\x04\xc0\x00\x02\x01",
            "a constructed string",
        ),
        (b"\x82\x06a.test\x82\x09b.te", "a name that is cut off"),
        (b"\x82\x80a.test\x00\x00", "an indefinite length"),
    ] {
        assert!(!names(&with_raw_sans(odd, false)).is_known(), "{why}");
    }
}

#[test]
fn names_that_clients_do_not_match_are_left_out() {
    for (odd, why) in [
        (&b"\x82\x07a.test."[..], "a trailing dot"),
        (b"\x82\x09*.w.test.", "a wildcard with a trailing dot"),
        (b"\x82\x06a\x00test", "a zero octet"),
        (b"\x82\x00", "an empty name"),
        (b"\x82\x02\xff\xfe", "no text"),
        (b"\x87\x05\xc0\x00\x02\x01\x01", "an address of five octets"),
        (
            b"\x87\x08\xc0\x00\x02\x00\xff\xff\xff\x00",
            "a range of addresses",
        ),
        (b"\x87\x00", "an empty address"),
        (b"\x81\x06a@test", "an e-mail address"),
        (b"\x86\x0ehttp://a.test/", "a URI"),
    ] {
        let all = [odd, b"\x82\x06b.test"].concat();
        let leaf = with_raw_sans(&all, false);
        assert_eq!(names(&leaf).to_strings(), ["b.test"], "{why}");
        let oracle = webpki::EndEntityCert::try_from(&leaf.der).unwrap();
        for host in ["a.test", "x.w.test", "192.0.2.1"] {
            let name = ServerName::try_from(host).unwrap();
            let covered = oracle.verify_is_valid_for_subject_name(&name).is_ok();
            assert_eq!(covers(&names(&leaf), host), Some(covered), "{why}: {host}");
        }
    }
}

#[test]
fn damaged_certificates_never_panic() {
    let leaf = pki::leaf(&["a.test", "*.w.test", "192.0.2.1"]);
    for at in 0..leaf.der.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut der = leaf.der.to_vec();
            der[at] ^= flip;
            let _ = CertificateNames::from_der(&der).to_strings();
        }
    }
}

/// Presented names of every kind, good and bad, around few labels so that they meet.
fn san() -> impl Strategy<Value = String> {
    let label = prop_oneof![
        4 => "[ab]{1,2}",
        1 => "[A-Bx-z0-9_-]{1,8}",
        1 => Just("*".to_owned()),
        1 => Just("a*".to_owned()),
    ];
    let dns = proptest::collection::vec(label, 1..5).prop_map(|labels| labels.join("."));
    prop_oneof![
        8 => dns,
        1 => any::<[u8; 4]>().prop_map(|ip| IpAddr::from(ip).to_string()),
        1 => any::<[u8; 16]>().prop_map(|ip| IpAddr::from(ip).to_string()),
        1 => Just("192.0.2.1".to_owned()),
    ]
}

fn reference() -> impl Strategy<Value = String> {
    let dns = proptest::collection::vec("[abAB]{1,2}", 1..6).prop_map(|labels| labels.join("."));
    prop_oneof![
        8 => dns,
        1 => Just("192.0.2.1".to_owned()),
        1 => any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn webpki_and_we_agree_on_what_a_certificate_covers(
        sans in proptest::collection::vec(san(), 0..12),
        references in proptest::collection::vec(reference(), 40),
    ) {
        let texts: Vec<_> = sans.iter().map(String::as_str).collect();
        let leaf = pki::leaf(&texts);
        let names = names(&leaf);
        prop_assert_eq!(names.is_known(), !sans.is_empty());
        let oracle = webpki::EndEntityCert::try_from(&leaf.der).unwrap();
        // Each certificate is asked for names of its own too, with wildcards filled in.
        let own = sans.iter().map(|san| san.replace('*', "b"));
        for reference in references.into_iter().chain(own) {
            let Ok(host) = reference.parse::<Host>().or_else(|_| format!("[{reference}]").parse()) else {
                continue;
            };
            let Ok(server_name) = ServerName::try_from(reference.as_str()) else {
                continue;
            };
            let expected = oracle.verify_is_valid_for_subject_name(&server_name).is_ok()
                || sans.iter().any(|san| is_single_label_wildcard_of(san, &reference));
            let expected = names.is_known().then_some(expected);
            prop_assert_eq!(names.covers(&host), expected, "{} in {:?}", reference, sans);
        }
    }

    #[test]
    fn x509_parser_and_we_read_the_same_names(
        sans in proptest::collection::vec(san(), 0..12),
    ) {
        let texts: Vec<_> = sans.iter().map(String::as_str).collect();
        let leaf = pki::leaf(&texts);
        let (dns, ips) = read_with_x509_parser(&leaf.der);
        let expected = CertificateNames::from_sans(dns, ips);
        let names = names(&leaf);
        prop_assert_eq!(names.to_strings(), expected.to_strings());
        prop_assert_eq!(names.is_known(), expected.is_known());
    }
}

/// Returns whether the wildcard is before a single label, and covers the name. webpki accepts no such wildcard.
fn is_single_label_wildcard_of(san: &str, reference: &str) -> bool {
    match (san.split_once('.'), reference.split_once('.')) {
        (Some(("*", base)), Some((_, rest))) => {
            base.eq_ignore_ascii_case(rest)
                && base.bytes().any(|c| !c.is_ascii_digit())
                && base
                    .bytes()
                    .all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c))
                && !base.starts_with('-')
                && !base.ends_with('-')
        }
        _ => false,
    }
}

fn read_with_x509_parser(der: &CertificateDer<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let (mut dns, mut ips) = (Vec::new(), Vec::new());
    let names = certificate.subject_alternative_name().unwrap();
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => ips.push(match octets.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(*octets).unwrap()),
                _ => IpAddr::from(<[u8; 16]>::try_from(*octets).unwrap()),
            }),
            other => panic!("{other:?}"),
        }
    }
    (dns, ips)
}
