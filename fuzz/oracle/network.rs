//! Networks of addresses, read and compared by ipnet. An IPv4 network has the addresses of IPv6 that it is mapped to,
//! and no IPv6 network has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// The network, or what is wrong: with a network that would be right, if only bits behind the prefix are.
pub fn read(text: &str) -> Result<IpNet, Option<IpNet>> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, without_zeros(prefix)),
        None => (text, if text.contains(':') { "128" } else { "32" }),
    };
    if stands_for_nothing(address) || may_be_octal(address) {
        return Err(None);
    }
    let network: IpNet = format!("{address}/{prefix}").parse().map_err(|_| None)?;
    let corrected = network.trunc();
    match corrected == network {
        true => Ok(network),
        false => Err(Some(corrected)),
    }
}

/// Whether `::` is beside eight groups, where RFC 4291 §2.2 wants it to stand for at least one. ipnet takes it.
fn stands_for_nothing(address: &str) -> bool {
    let groups = address.split(':').filter(|group| !group.is_empty());
    let groups = groups.map(|group| if group.contains('.') { 2 } else { 1 });
    address.contains("::") && groups.sum::<usize>() >= 8
}

/// Whether a number of an IPv4 address has a zero before it, which some readers take for octal. ipnet takes it.
fn may_be_octal(address: &str) -> bool {
    let (_, ipv4) = address.rsplit_once(':').unwrap_or(("", address));
    let mut numbers = ipv4.split('.');
    ipv4.contains('.') && numbers.any(|number| number.len() > 1 && number.starts_with('0'))
}

/// Zeros before a prefix mean nothing, and ipnet takes few of them.
fn without_zeros(prefix: &str) -> &str {
    match prefix.trim_start_matches('0') {
        "" if !prefix.is_empty() => "0",
        rest => rest,
    }
}

pub fn contains(network: &IpNet, address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    unmapped(network).contains(&address)
}

/// The IPv4 network that an IPv6 network is mapped to.
fn unmapped(network: &IpNet) -> IpNet {
    match network {
        IpNet::V6(mapped) if mapped.prefix_len() >= 96 => match mapped.addr().to_ipv4_mapped() {
            Some(ip) => Ipv4Net::new(ip, mapped.prefix_len() - 96)
                .expect("up to 32")
                .into(),
            None => *network,
        },
        network => *network,
    }
}

/// The addresses at both ends of a network and right beside it, and those that they are mapped to.
pub fn neighbours(network: &IpNet) -> Vec<IpAddr> {
    let (first, last) = (network.network(), network.broadcast());
    let before = |ip| match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits().wrapping_sub(1)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits().wrapping_sub(1)).into(),
    };
    let after = |ip| match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits().wrapping_add(1)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits().wrapping_add(1)).into(),
    };
    let mut neighbours = vec![first, last, before(first), after(last)];
    for at in 0..neighbours.len() {
        neighbours.push(match neighbours[at] {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().into(),
            IpAddr::V6(ip) => ip.to_canonical(),
        });
    }
    neighbours
}
