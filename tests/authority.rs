//! A6–A8: the grammar of an authority and how two compare, by table and by generated texts.

use http::{Request, Version};
use proptest::prelude::*;
use tower_misdirected::{EffectiveAuthority, Host, Malformed};

fn parse(text: &str) -> Result<String, Malformed> {
    text.parse().map(|a: EffectiveAuthority| a.to_string())
}

/// The authority of an HTTP/1.1 request with this `Host`, which unlike `str` may be any octets.
fn of_host_field(value: &[u8]) -> Result<EffectiveAuthority, Malformed> {
    let request = Request::get("/").version(Version::HTTP_11);
    EffectiveAuthority::of(&request.header("host", value).body(()).unwrap())
}

#[test]
fn a6_accepts_names_and_addresses_in_normal_form() {
    let label63 = "x".repeat(63);
    let name253 = format!("{label63}.{label63}.{label63}.{}", "y".repeat(61));
    for (text, normal) in [
        ("app.example", "app.example"),
        ("App.EXAMPLE", "app.example"),
        ("app.example.", "app.example"),
        ("localhost", "localhost"),
        ("a_b.example", "a_b.example"),
        ("_dmarc.example", "_dmarc.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.2.3.example", "1.2.3.example"),
        ("0x7f.1a", "0x7f.1a"),
        ("3com", "3com"),
        (&label63, &label63),
        (&name253, &name253),
        (&format!("{name253}."), &name253),
        ("192.0.2.1", "192.0.2.1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"),
        ("[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(normal), "{text}");
        let host: Host = text.parse().unwrap();
        assert_eq!(host.to_string(), normal, "{text}");
    }
}

#[test]
fn a6_every_letter_and_digit_is_taken_and_letters_have_no_case() {
    let letters = "abcdefghijklmnopqrstuvwxyz";
    let host: Host = format!("{letters}.0123456789-_.x").parse().unwrap();
    assert_eq!(
        host,
        format!("{}.0123456789-_.X", letters.to_uppercase()).as_str()
    );
    for letter in letters.chars().chain(letters.to_uppercase().chars()) {
        assert_eq!(
            parse(&letter.to_string()),
            Ok(letter.to_lowercase().to_string())
        );
    }
    for digit in '0'..='9' {
        assert_eq!(parse(&format!("{digit}.x")), Ok(format!("{digit}.x")));
        assert_eq!(parse(&digit.to_string()), Err(Malformed::InvalidHost));
    }
}

#[test]
fn a6_refuses_everything_else() {
    let label64 = "x".repeat(64);
    let name254 = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(62));
    for text in [
        "",
        ".",
        "..",
        ".example",
        "a..b",
        "a.example..",
        &label64,
        &name254,
        // Userinfo, percent-encoding, other characters
        "user@app.example",
        "user:password@app.example",
        "a@b@c",
        "app%2eexample",
        "app.example/",
        "app.example?x",
        "app.example#x",
        "app example",
        " app.example",
        "app.example ",
        "app.example\t",
        "app.example,b.example",
        "*.example",
        "*",
        "bücher.example",
        "app\u{3002}example",
        "app\0.example",
        "a\\b",
        "http://app.example",
        "//app.example",
        // IPv4 is four decimal numbers; a last label of digits is nothing else
        "192.0.2",
        "192.0.2.1.",
        "192.0.2.256",
        "192.0.2.01",
        "0192.0.2.1",
        "1.2.3.4.5",
        "example.123",
        "2130706433",
        "127.1",
        // IPv6 needs brackets and has no zone
        "::1",
        "2001:db8::1",
        "[::1",
        "::1]",
        "[]",
        "[not-ip]",
        "[192.0.2.1]",
        "[::1%25eth0]",
        "[fe80::1%eth0]",
        "[v1.x]",
        "[[::1]]",
        "x[::1]",
        "[::1]x",
        "[::1].example",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
        assert!(text.parse::<Host>().is_err(), "{text:?} as a host");
    }
    for octets in [&b"\xff"[..], b"a\xc0\x80b", b"app\x80.example"] {
        assert_eq!(of_host_field(octets), Err(Malformed::InvalidHost));
    }
}

#[test]
fn a7_reads_ports_of_digits_only() {
    for (text, port) in [
        ("a", None),
        ("a:", None),
        ("[::1]:", None),
        ("a:0", Some(0)),
        ("a:443", Some(443)),
        ("a:65535", Some(65535)),
        ("a:00443", Some(443)),
        ("a.:8443", Some(8443)),
        ("[::1]:8443", Some(8443)),
        ("192.0.2.1:80", Some(80)),
    ] {
        let authority: EffectiveAuthority = text.parse().unwrap();
        assert_eq!(authority.port(), port, "{text}");
    }
    for text in [
        "a:65536",
        "a:99999",
        "a:+80",
        "a:-1",
        "a: 80",
        "a:80 ",
        "a:8o",
        "a::",
        "a:80:80",
        "a:0x50",
        "[::1]:+80",
        "a:٨٠",
        "a:999999999999999999999",
    ] {
        assert_eq!(parse(text), Err(Malformed::InvalidPort), "{text}");
    }
    // An attached port is no part of a host.
    assert!("a:443".parse::<Host>().is_err());
    assert!("a:".parse::<Host>().is_err());
}

#[test]
fn a8_compares_names_without_case_and_ipv6_as_addresses() {
    let host = |text: &str| text.parse::<Host>().unwrap();
    assert_eq!(host("App.Example."), host("aPP.eXAMPLE"));
    assert_eq!(host("[2001:db8::0:1]"), host("[2001:DB8:0:0::1]"));
    assert_ne!(host("app.example"), host("app.example.org"));
    assert_ne!(host("192.0.2.1"), host("[::ffff:192.0.2.1]"));
    assert_eq!(host("app.example"), "APP.example.");
    assert!(host("app.example") != "app.example:443");
    assert!(host("app.example") != "@");
}

#[test]
fn each_malformed_request_is_called_by_its_name() {
    use http::Method;

    let of = |method, target: &str, version, hosts: &[&str]| {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .version(version);
        for host in hosts {
            request = request.header("host", *host);
        }
        let request = request.body(()).unwrap();
        EffectiveAuthority::of(&request).map(|authority| authority.to_string())
    };
    let (h1, h2) = (Version::HTTP_11, Version::HTTP_2);
    for (result, expected) in [
        (of(Method::GET, "/", h1, &[]), Malformed::MissingAuthority),
        (of(Method::GET, "/", h2, &[]), Malformed::MissingAuthority),
        (
            of(Method::GET, "http://a/", h1, &[]),
            Malformed::MissingAuthority,
        ),
        (
            of(Method::GET, "/", h1, &["a", "a"]),
            Malformed::SeveralHosts,
        ),
        (of(Method::GET, "/", h1, &["a@b"]), Malformed::InvalidHost),
        (of(Method::GET, "/", h1, &["a:b"]), Malformed::InvalidPort),
        (
            of(Method::GET, "https://a/", h2, &["b"]),
            Malformed::ConflictingAuthorities,
        ),
        (
            of(Method::GET, "https://a/", Version::HTTP_3, &["b"]),
            Malformed::ConflictingAuthorities,
        ),
        (of(Method::GET, "foo", h1, &["a"]), Malformed::InvalidTarget),
        (of(Method::GET, "*", h1, &["a"]), Malformed::InvalidTarget),
        (of(Method::GET, "*", h2, &["a"]), Malformed::InvalidTarget),
        (
            of_star_beside_authority(Method::GET),
            Malformed::InvalidTarget,
        ),
        (
            of_star_beside_authority(Method::CONNECT),
            Malformed::InvalidTarget,
        ),
        // Extended CONNECT has a path, but not the one that is for OPTIONS (RFC 9113 §8.3.1).
        (
            of(Method::CONNECT, "*", h2, &["a"]),
            Malformed::InvalidTarget,
        ),
        (
            of(Method::CONNECT, "/", h1, &["a"]),
            Malformed::InvalidTarget,
        ),
        (
            of(Method::CONNECT, "http://a/", h1, &["a"]),
            Malformed::InvalidTarget,
        ),
    ] {
        assert_eq!(result, Err(expected));
    }
    assert_eq!(of(Method::OPTIONS, "*", h1, &["a"]).as_deref(), Ok("a"));
    // Extended CONNECT has a path, and may have `Host` for its authority.
    assert_eq!(of(Method::CONNECT, "/chat", h2, &["a"]).as_deref(), Ok("a"));
    // Plain CONNECT has neither; this is how h2 hands it over.
    let mut connect = Request::new(());
    *connect.method_mut() = Method::CONNECT;
    *connect.version_mut() = h2;
    *connect.uri_mut() = http::Uri::from_parts(http::uri::Parts::default()).unwrap();
    connect.headers_mut().insert("host", "a".parse().unwrap());
    assert_eq!(
        EffectiveAuthority::of(&connect),
        Err(Malformed::InvalidTarget)
    );
}

/// A second grammar, written as generators: what it produces must be read as what it was made of.
mod generated {
    use super::*;

    pub fn name() -> impl Strategy<Value = String> {
        let label = "[a-zA-Z0-9_-]{1,63}";
        let last = "[a-zA-Z0-9_-]{0,31}[a-zA-Z_-][a-zA-Z0-9_-]{0,31}";
        (proptest::collection::vec(label, 0..4), last)
            .prop_map(|(mut labels, last)| {
                labels.push(last);
                labels.join(".")
            })
            .prop_filter("too long", |name| name.len() <= 253)
    }

    pub fn address() -> impl Strategy<Value = (String, std::net::IpAddr)> {
        prop_oneof![
            any::<std::net::Ipv4Addr>().prop_map(|ip| (ip.to_string(), ip.into())),
            any::<std::net::Ipv6Addr>().prop_map(|ip| {
                // Every group in full and in upper case, which is not how it would be printed.
                let groups = ip.segments().map(|group| format!("{group:04X}"));
                (format!("[{}]", groups.join(":")), ip.into())
            }),
        ]
    }

    pub fn port() -> impl Strategy<Value = (String, Option<u16>)> {
        prop_oneof![
            Just((String::new(), None)),
            Just((":".to_owned(), None)),
            any::<u16>().prop_map(|port| (format!(":{port}"), Some(port))),
            any::<u16>().prop_map(|port| (format!(":000{port}"), Some(port))),
        ]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_generated_name_is_read_as_it_was_made(
        name in generated::name(),
        dot in any::<bool>(),
        (port_text, port) in generated::port(),
    ) {
        let text = format!("{name}{}{port_text}", if dot { "." } else { "" });
        let authority: EffectiveAuthority = text.parse().unwrap();
        prop_assert_eq!(authority.host().name(), Some(&*name.to_lowercase()));
        prop_assert_eq!(authority.host().ip(), None);
        prop_assert_eq!(authority.port(), port);
    }

    #[test]
    fn a_generated_address_is_read_as_it_was_made(
        (text, ip) in generated::address(),
        (port_text, port) in generated::port(),
    ) {
        let authority: EffectiveAuthority = format!("{text}{port_text}").parse().unwrap();
        prop_assert_eq!(authority.host().ip(), Some(ip));
        prop_assert_eq!(authority.port(), port);
    }

    #[test]
    fn one_foreign_octet_spoils_a_name(
        name in generated::name(),
        at in any::<proptest::sample::Index>(),
        octet in any::<u8>(),
    ) {
        prop_assume!(!octet.is_ascii_alphanumeric() && !b"-_.:".contains(&octet));
        let mut text = name.into_bytes();
        text.insert(at.index(text.len() + 1), octet);
        let request = Request::get("/").header("host", text);
        // Where http takes the value at all, the authority does not.
        if let Ok(request) = request.body(()) {
            let result = EffectiveAuthority::of(&request);
            prop_assert_eq!(result, Err(Malformed::InvalidHost));
        }
    }

    #[test]
    fn any_octets_are_read_without_panic_into_a_fixed_point(
        octets in proptest::collection::vec(any::<u8>(), 0..300),
        tame in "[a-zA-Z0-9.:\\[\\]@%_-]{0,40}",
    ) {
        for octets in [&octets[..], tame.as_bytes()] {
            let request = Request::get("/").header("host", octets).body(());
            let Ok(Ok(authority)) = request.map(|request| EffectiveAuthority::of(&request)) else {
                continue;
            };
            let again: EffectiveAuthority = authority.to_string().parse().unwrap();
            prop_assert_eq!(&again, &authority);
            // Nothing that needs escaping is left in it.
            let safe = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
            prop_assert!(authority.to_string().chars().all(safe));
        }
    }
}

#[test]
fn a8_an_address_is_no_other_address_of_either_family() {
    let addresses = ["0.0.0.1", "1.0.0.0", "[::1]", "[1::1]", "[::ffff:0.0.0.1]"];
    for one in addresses {
        let host: Host = one.parse().unwrap();
        for other in addresses {
            assert_eq!(host == *other, one == other, "{one} and {other}");
        }
    }
}

/// HTTP/2 sends `*` in `:path` beside `:authority` (RFC 9113 §8.3.1).
fn of_star_beside_authority(method: http::Method) -> Result<String, Malformed> {
    let uri = http::Uri::builder().scheme("https").authority("a");
    let uri = uri.path_and_query("*").build().unwrap();
    let request = Request::builder().version(Version::HTTP_2).method(method);
    let authority = EffectiveAuthority::of(&request.uri(uri).body(()).unwrap());
    authority.map(|authority| authority.to_string())
}

#[test]
fn a9_an_asterisk_beside_an_authority_is_for_options() {
    let options = of_star_beside_authority(http::Method::OPTIONS);
    assert_eq!(options, Ok("a".to_owned()));
}

/// The layer looks for a leading `Host` first. `HeaderMap` promises no order, so a second `Host` must be found in
/// any.
#[test]
fn a4_a_second_host_is_found_wherever_it_stands() {
    const FIELDS: [(&str, &str); 5] = [
        ("host", "a.test"),
        ("host", "b.test"),
        ("accept", "*/*"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ];
    /// Calls `check` with every order of the fields.
    fn orders(fields: &mut [usize; 5], fixed: usize, check: &mut impl FnMut(&[usize])) {
        check(&fields[..fixed]);
        for next in fixed..fields.len() {
            fields.swap(fixed, next);
            orders(fields, fixed + 1, check);
            fields.swap(fixed, next);
        }
    }
    let mut seen = [0; 3];
    orders(&mut [0, 1, 2, 3, 4], 0, &mut |order| {
        let mut request = Request::get("/").version(Version::HTTP_11);
        for &number in order {
            let (name, value) = FIELDS[number];
            request = request.header(name, value);
        }
        let hosts: Vec<_> = order.iter().filter(|&&number| number < 2).collect();
        let expected = match hosts[..] {
            [] => Err(Malformed::MissingAuthority),
            [&host] => Ok(FIELDS[host].1.to_owned()),
            _ => Err(Malformed::SeveralHosts),
        };
        let authority = EffectiveAuthority::of(&request.body(()).unwrap());
        let authority = authority.map(|authority| authority.to_string());
        assert_eq!(authority, expected, "{order:?}");
        seen[hosts.len()] += 1;
    });
    assert_eq!(seen, [16, 98, 212]);
}
