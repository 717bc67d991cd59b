//! The form in which addresses are recorded, so that users can compare them. The acceptors provide the addresses.

use std::net::{IpAddr, SocketAddr};

/// Converts an IPv4-mapped IPv6 address to IPv4 (RFC 4291 §2.5.5.2). Sockets that are bound to `[::]` report IPv4 peers
/// in the mapped form. All other addresses stay unchanged, including their scopes.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, addr.port())),
        IpAddr::V6(_) => addr,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddrV6};

    use super::*;

    #[test]
    fn only_mapped_addresses_change() {
        for (addr, expected) in [
            ("[::ffff:192.0.2.7]:50000", "192.0.2.7:50000"),
            ("192.0.2.7:50000", "192.0.2.7:50000"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            // An IPv4-compatible address, which is another form, and addresses of this machine.
            ("[::192.0.2.7]:1", "[::192.0.2.7]:1"),
            ("[::1]:1", "[::1]:1"),
        ] {
            let addr: SocketAddr = addr.parse().unwrap();
            assert_eq!(canonical(addr), expected.parse().unwrap());
        }
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let scoped = SocketAddr::V6(SocketAddrV6::new(link_local, 443, 7, 3));
        assert_eq!(canonical(scoped), scoped);
    }
}
