//! PROXY protocol headers as gateways send them, without fields. Headers of every other kind are in `proxy_protocol`.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::net::{IpAddr, SocketAddr};

/// Version 1 for a client whose address is not known.
pub const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

/// Version 2 for a connection of the gateway's own, as in health checks.
pub const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Version 1 for this client.
pub fn v1(client: SocketAddr) -> Vec<u8> {
    let (family, server) = match client {
        SocketAddr::V4(_) => ("TCP4", "203.0.113.1"),
        SocketAddr::V6(_) => ("TCP6", "2001:db8::1"),
    };
    let (ip, port) = (client.ip(), client.port());
    format!("PROXY {family} {ip} {server} {port} 443\r\n").into_bytes()
}

/// Version 2 for this client.
pub fn v2(client: SocketAddr) -> Vec<u8> {
    let (family, ip) = match client.ip() {
        IpAddr::V4(ip) => (0x11, ip.octets().to_vec()),
        IpAddr::V6(ip) => (0x21, ip.octets().to_vec()),
    };
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    header.extend([family, 0, u8::try_from(2 * ip.len() + 4).unwrap()]);
    header.extend(&ip);
    header.extend(vec![0xcb; ip.len()]);
    header.extend(client.port().to_be_bytes());
    header.extend(443_u16.to_be_bytes());
    header
}

/// Both versions for this client.
pub fn both(client: &str) -> [Vec<u8>; 2] {
    let client = client.parse().unwrap();
    [v1(client), v2(client)]
}
