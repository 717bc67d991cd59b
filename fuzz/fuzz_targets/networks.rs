//! Networks of addresses: `Peers`, and as entries of `allowed_hosts` (B10). The input is text: networks a line each, an
//! empty line, then addresses a line each.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use oracle::network;
use tower_misdirected::{AllowedHosts, Host, Peers};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (networks, addresses) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut read = Vec::new();
    for text in networks.lines().take(20) {
        read.extend(alone(text).map(|network| (text, network)));
    }
    if read.is_empty() {
        return;
    }
    let given = addresses.lines().filter_map(|text| text.parse().ok());
    let near = read
        .iter()
        .flat_map(|(_, network)| network::neighbours(network));
    let addresses: Vec<IpAddr> = given.chain(near).take(80).collect();
    matching(&read, &addresses);
});

/// Accepted where ipnet accepts it and no address bit is behind the prefix. An error names the entry, and a fix that is
/// accepted.
fn alone(text: &str) -> Option<ipnet::IpNet> {
    let expected = network::read(text);
    let error = match (Peers::new([text]), &expected) {
        (Ok(_), Ok(network)) => {
            let allowed = AllowedHosts::new([network.to_string()]);
            assert!(allowed.is_ok(), "B10: {network}: {allowed:?}");
            return Some(*network);
        }
        (Err(error), Err(_)) => error,
        (ours, _) => panic!("{text:?}: {ours:?}, not {expected:?}"),
    };
    assert_eq!(error.value(), text);
    let shown = error.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    if let Err(Some(corrected)) = expected {
        assert!(shown.ends_with(&format!("write `{corrected}`")), "{shown}");
        assert!(Peers::new([corrected.to_string()]).is_ok(), "{corrected}");
    }
    None
}

fn matching(networks: &[(&str, ipnet::IpNet)], addresses: &[IpAddr]) {
    let texts = || networks.iter().map(|(text, _)| *text);
    let peers = Peers::new(texts()).expect("each is accepted");
    // A mapped address without a prefix is a host of its own there.
    let with_prefix = networks.iter().filter(|(text, _)| text.contains('/'));
    let allowed = AllowedHosts::new(with_prefix.clone().map(|(text, _)| *text)).ok();
    for address in addresses {
        let contain = |network: &ipnet::IpNet| network::contains(network, *address);
        let expected = networks.iter().any(|(_, network)| contain(network));
        assert_eq!(
            peers.contains(*address),
            expected,
            "{address} in {networks:?}"
        );
        let Some(allowed) = &allowed else { continue };
        let host: Host = match address {
            IpAddr::V4(ip) => ip.to_string().parse().expect("A6"),
            IpAddr::V6(ip) => format!("[{ip}]").parse().expect("A6"),
        };
        let expected = with_prefix.clone().any(|(_, network)| contain(network));
        assert_eq!(
            allowed.contains(&host),
            expected,
            "B10: {host} in {networks:?}"
        );
    }
}
