//! Lists of hosts: `allowed_hosts` (B1), the names of virtual hosts (B6) and those of certificates (B5).
//! The input is text: patterns a line each, an empty line, then hosts a line each.
#![no_main]

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use http::Request;
use libfuzzer_sys::fuzz_target;
use oracle::grammar;
use oracle::pattern::Pattern;
use oracle::{exchange, made};
use rustls::ServerConfig;
use tower_misdirected::{
    CertificateNames, Coalescing, Host, MisdirectedLayer, Rejection, VirtualHosts,
    VirtualHostsBuilder, VirtualHostsError,
};

static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(made::config);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (patterns, hosts) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut read: Vec<(&str, Pattern)> = Vec::new();
    for text in patterns.lines() {
        let pattern = alone(text);
        // Each name once, for virtual hosts refuse a second.
        if let Some(pattern) = pattern.filter(|new| read.iter().all(|(_, old)| old != new)) {
            read.push((text, pattern));
        }
    }
    if read.is_empty() {
        return;
    }
    let neighbours = read.iter().flat_map(|(_, pattern)| pattern.neighbours());
    let hosts = hosts.lines().map(str::to_owned).chain(neighbours);
    matching(&read, hosts.take(60));
});

/// Accepted exactly where the oracle accepts it, by every list alike, and what it is shown as is a name
/// for the same thing.
fn alone(text: &str) -> Option<Pattern> {
    let pattern = Pattern::read(text);
    // Virtual hosts take no mapped addresses, and allowed hosts take networks too.
    if matches!(pattern, Some(Pattern::Ip(IpAddr::V6(ip))) if ip.to_ipv4_mapped().is_some())
        || text
            .split_once('/')
            .is_some_and(|(ip, _)| ip.parse::<IpAddr>().is_ok())
    {
        return None;
    }
    let allowed = MisdirectedLayer::new().allowed_hosts([text]);
    assert_eq!(
        allowed.is_ok(),
        pattern.is_some(),
        "allowed_hosts: {text:?}"
    );
    let virtual_host = VirtualHosts::builder().host(text, CONFIG.clone()).build();
    assert_eq!(
        virtual_host.is_ok(),
        pattern.is_some(),
        "VirtualHosts: {text:?}"
    );
    if let Err(error) = allowed {
        assert_eq!(error.value(), text);
    }
    let pattern = pattern?;
    let shown = shown(text, text);
    assert_eq!(
        Pattern::read(&shown).as_ref(),
        Some(&pattern),
        "{text:?} is shown as {shown:?}"
    );
    assert_eq!(self::shown(text, &shown), shown, "{text:?}: no fixed point");
    Some(pattern)
}

/// What a name is shown as, which can be seen where it is given twice.
fn shown(one: &str, other: &str) -> String {
    let names = [one, other].map(str::to_owned);
    let twice = VirtualHosts::builder().virtual_host("id", names, CONFIG.clone());
    match twice.build() {
        Err(VirtualHostsError::DuplicateName(name)) => name,
        result => panic!("{one:?} and {other:?} are one: {result:?}"),
    }
}

/// Every list has what the oracle says of every host. The best match is the most exact.
fn matching(patterns: &[(&str, Pattern)], hosts: impl Iterator<Item = String>) {
    let texts = || patterns.iter().map(|(text, _)| *text);
    let allowed = MisdirectedLayer::new().coalescing(Coalescing::Unchecked);
    let allowed = allowed.allowed_hosts(texts()).expect("each is accepted");
    let add = |hosts: VirtualHostsBuilder, name| hosts.host(name, CONFIG.clone());
    let without_default = texts().fold(VirtualHosts::builder(), add);
    let with_default = without_default.clone().default(CONFIG.clone());
    // An entry called `default` has the default's id.
    let with_default = with_default.build().ok();
    let virtual_hosts = without_default.build().expect("each is there once");
    let (addresses, names): (Vec<_>, _) = patterns
        .iter()
        .partition(|(_, pattern)| matches!(pattern, Pattern::Ip(_)));
    let certificate = CertificateNames::from_sans(
        names.iter().map(|(text, _): &&(&str, Pattern)| *text),
        addresses.iter().filter_map(|(_, pattern)| match pattern {
            Pattern::Ip(ip) => Some(*ip),
            Pattern::Labels(_) => None,
        }),
    );

    for text in hosts {
        let Some(host) = grammar::host(&text) else {
            continue;
        };
        let ours: Host = text.parse().expect("A6");
        let best = patterns
            .iter()
            .filter(|(_, pattern)| pattern.matches(&host))
            .max_by_key(|(_, pattern)| pattern.precedence());

        let request = Request::get("/")
            .header("host", &text)
            .body(())
            .expect("A6");
        let served = match exchange::send(&allowed, request) {
            Ok(_) => true,
            Err(Rejection::UnknownHost) => false,
            Err(other) => panic!("{text:?}: {other:?}"),
        };
        assert_eq!(served, best.is_some(), "B1: {text:?} of {patterns:?}");

        let id = virtual_hosts.get(&ours).map(|found| found.id().to_owned());
        assert_eq!(
            id.as_deref(),
            best.map(|(text, _)| *text),
            "B7: {text:?} of {patterns:?}"
        );
        if let Some(hosts) = &with_default {
            let found = hosts.get(&ours).expect("a default matches all");
            let best = best.map_or("default", |(text, _)| *text);
            assert_eq!(found.id(), best, "B9: {text:?} of {patterns:?}");
        }
        let covered = patterns
            .iter()
            .any(|entry| is_taken(entry) && entry.1.matches(&host));
        assert_eq!(
            certificate.covers(&ours),
            Some(covered),
            "B5: {text:?} of {patterns:?}"
        );
    }
}

/// Returns whether some client accepts this name in a certificate. None accepts a trailing dot, a label that begins or
/// ends with a hyphen, or a wildcard for several labels.
fn is_taken((text, pattern): &(&str, Pattern)) -> bool {
    let Pattern::Labels(labels) = pattern else {
        return true;
    };
    let hyphen = |label: &String| label.starts_with('-') || label.ends_with('-');
    !text.ends_with('.') && !labels.iter().any(hyphen) && !pattern.is_for_several_labels()
}
