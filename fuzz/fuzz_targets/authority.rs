//! Rules A1 to A9. The input is text: a line `VERSION METHOD TARGET`, then a line for each `Host` field.
//! Every line is also read as an authority by itself. Any other text is the `Host` field of a request.
#![no_main]

use std::sync::LazyLock;

use http::header::HOST;
use http::{HeaderValue, Method, Request, Uri, Version};
use libfuzzer_sys::fuzz_target;
use oracle::request::Head;
use oracle::{exchange, grammar, request};
use tower_misdirected::{
    CertificateNames, Coalescing, ConnectionInfo, EffectiveAuthority, Host, MisdirectedLayer,
    Rejection,
};

const DEFAULT: &str = "Default.test:8080";

static LAYER: LazyLock<MisdirectedLayer> =
    LazyLock::new(|| MisdirectedLayer::new().coalescing(Coalescing::Unchecked));
static LAYER_WITH_DEFAULT: LazyLock<MisdirectedLayer> =
    LazyLock::new(|| LAYER.clone().default_host(DEFAULT).unwrap());

fuzz_target!(|data: &[u8]| {
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(text) = std::str::from_utf8(line) {
            authority_alone(text);
            host_alone(text);
        }
    }
    in_a_request(&read(data).unwrap_or(Head {
        version: Version::HTTP_11,
        method: Method::GET,
        target: "/",
        hosts: vec![data],
    }));
});

/// Accepted exactly where the grammar accepts it, and what it is read as is a fixed point.
fn authority_alone(text: &str) {
    let ours = text.parse::<EffectiveAuthority>();
    let Some(expected) = grammar::authority(text.as_bytes()) else {
        assert!(ours.is_err(), "A6, A7: {text:?} is read as {ours:?}");
        return;
    };
    let ours = ours.unwrap_or_else(|error| panic!("A6, A7: {text:?} is refused: {error}"));
    assert!(expected == ours, "{text:?}: {ours:?}, not {expected:?}");
    let shown = ours.to_string();
    let again: EffectiveAuthority = shown.parse().expect("the normal form is an authority");
    assert_eq!((&again, again.to_string()), (&ours, shown));
}

fn host_alone(text: &str) {
    let ours = text.parse::<Host>();
    let expected = grammar::host(text);
    let Ok(host) = ours else {
        assert!(expected.is_none(), "A6: {text:?} is refused");
        return;
    };
    assert!(
        expected.is_some_and(|expected| expected == host),
        "A6: {text:?}, {host:?}"
    );
    assert_eq!(host.to_string().parse(), Ok(host.clone()));
    // A8
    assert!(host == text && host == *host.to_string());
    for other in [text.to_ascii_uppercase(), text.to_ascii_lowercase()] {
        assert_eq!(other.parse(), Ok(host.clone()), "A8: case");
    }
    if host.name().is_some() {
        let other = match text.strip_suffix('.') {
            Some(without) => without.to_owned(),
            None => format!("{text}."),
        };
        assert_eq!(other.parse(), Ok(host.clone()), "A6: trailing dot");
        assert!(
            format!("{}..", text.trim_end_matches('.'))
                .parse::<Host>()
                .is_err()
        );
    }
}

fn read(data: &[u8]) -> Option<Head<'_>> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut parts = std::str::from_utf8(lines.next()?).ok()?.splitn(3, ' ');
    let version = match parts.next()? {
        "1.0" => Version::HTTP_10,
        "1.1" => Version::HTTP_11,
        "2" => Version::HTTP_2,
        "3" => Version::HTTP_3,
        _ => return None,
    };
    let method = Method::from_bytes(parts.next()?.as_bytes()).ok()?;
    let (target, hosts) = (parts.next()?, lines.collect());
    Some(Head {
        version,
        method,
        target,
        hosts,
    })
}

/// The layer and the rules have one verdict, and no handler sees another name than the one judged.
fn in_a_request(head: &Head<'_>) {
    let Ok(uri) = Uri::try_from(head.target) else {
        return;
    };
    let mut request = Request::new(());
    *request.version_mut() = head.version;
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    for host in &head.hosts {
        let Ok(host) = HeaderValue::from_bytes(host) else {
            return;
        };
        request.headers_mut().append(HOST, host);
    }
    judged_by_the_rules(head, &request, &LAYER, None);
    judged_by_the_rules(head, &request, &LAYER_WITH_DEFAULT, Some(DEFAULT));
    for text in stated(&request) {
        for connection in connections(&text) {
            request.extensions_mut().insert(connection);
            judged_by_the_rules(head, &request, &LAYER, None);
        }
    }
}

/// Returns the texts that may state an authority.
fn stated(request: &Request<()>) -> Vec<String> {
    let fields = request.headers().get_all(HOST).iter();
    let fields = fields.filter_map(|host| Some(host.to_str().ok()?.to_owned()));
    let in_target = request.uri().authority();
    fields.chain(in_target.map(ToString::to_string)).collect()
}

/// Returns connections that know the host of the text, or the name after its first label. They change no verdict, but
/// the layer then judges without reading the whole host.
fn connections(text: &str) -> [ConnectionInfo; 2] {
    let without_digits = text.trim_end_matches(|octet: char| octet.is_ascii_digit());
    let host = without_digits.strip_suffix(':').unwrap_or(text);
    let base = host.split_once('.').map_or(host, |(_, base)| base);
    let ip = match grammar::host(host) {
        Some(grammar::Host::Ip(ip)) => Some(ip),
        _ => None,
    };
    let names = CertificateNames::from_sans([host.to_owned(), format!("*.{base}")], ip);
    [
        ConnectionInfo::tls().server_name(host).build(),
        ConnectionInfo::tls().certificate_names(names).build(),
    ]
}

fn judged_by_the_rules(
    head: &Head<'_>,
    request: &Request<()>,
    layer: &MisdirectedLayer,
    default: Option<&str>,
) {
    let seen = exchange::send(layer, request.clone());
    let expected = head.target(default);
    let (seen, expected) = match (seen, expected) {
        (Err(Rejection::Malformed(_)), None) => return,
        (Ok(seen), Some(expected)) => (seen, expected),
        (seen, expected) => panic!("{head:?}: {seen:?}, not {expected:?}"),
    };
    let judged = EffectiveAuthority::of_parts(&seen).expect("what was served");
    assert!(
        expected.authority == judged,
        "{head:?}: {judged:?}, not {expected:?}"
    );
    let mut hosts = seen.headers.get_all(HOST).iter();
    if let Some(host) = hosts.next() {
        let host = grammar::authority(host.as_bytes()).expect("a valid Host goes in");
        let scheme = expected.scheme.as_deref();
        assert!(
            request::same(&host, &expected.authority, scheme),
            "A2: {head:?}"
        );
    }
    assert!(hosts.next().is_none());
}
