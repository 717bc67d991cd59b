//! Networks of IP addresses, such as `10.0.0.0/8`. Lists of networks live in `peers` and in `layer::allowed_hosts`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses with a common prefix. IPv4-mapped IPv6 addresses count as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    prefix: u32,
}

impl Network {
    /// Parses an IP address, or an address with a prefix length. The error describes the problem of the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let expected = || {
            "is not a network; expected an IP address, or an address and a prefix such as `10.0.0.0/8`"
                .to_owned()
        };
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let longest = width(address);
        let prefix = match prefix {
            // `parse` would accept a sign.
            Some(digits) if is_number(digits) => digits.parse(),
            Some(_) => return Err(expected()),
            None => Ok(longest),
        };
        let prefix = prefix.ok().filter(|prefix| *prefix <= longest);
        let Some(prefix) = prefix else {
            return Err(format!(
                "has a prefix of more than {longest} bits; write one from 0 to {longest}"
            ));
        };
        let first = masked(address, prefix);
        if first != address {
            return Err(format!(
                "has address bits behind its prefix; write `{first}/{prefix}`"
            ));
        }
        // An IPv4-mapped IPv6 address has bits set before the IPv4 address, so the prefix covers all of these bits.
        let first = address.to_canonical();
        let prefix = prefix - (longest - width(first));
        Ok(Self { first, prefix })
    }

    /// Returns whether the network contains an address, which must be in canonical form.
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.first.is_ipv4() && masked(ip, self.prefix) == self.first
    }
}

fn is_number(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Returns the number of bits of an address.
fn width(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    }
}

/// Returns the address with zeros after the prefix.
fn masked(ip: IpAddr, prefix: u32) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let behind = u32::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & !behind).into()
        }
        IpAddr::V6(ip) => {
            let behind = u128::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & !behind).into()
        }
    }
}
