//! Version 2 of the header, which is binary (PROXY protocol §2.2). The fields after its addresses live in `fields`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::fields;
use super::invalid::Invalid;

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The octets before the addresses: the signature, version and command, family and protocol, and the length of the
/// rest.
const FIXED: usize = 16;

/// The longest header, including the fixed part. Gateways send less than 600 octets, unless they forward client
/// certificates.
const LONGEST: usize = 4096;

/// The fixed part of a header.
struct Fixed {
    addresses: Addresses,
    length: usize,
}

/// The kind of the addresses of a header.
enum Addresses {
    /// The addresses have no meaning, and neither do the fields after them, because it is unknown where the fields
    /// begin. The connection is the gateway's own (`LOCAL`), or the gateway does not know the address of the client.
    Ignored,
    Ipv4,
    Ipv6,
    /// Addresses that are not the addresses of a TCP client, with their length in octets.
    Other(usize),
}

impl Fixed {
    fn parse(header: &[u8]) -> Result<Self, Invalid> {
        let [command, family, high, low] = header[SIGNATURE.len()..FIXED] else {
            return Err(Invalid::octets(header, "is cut off"));
        };
        let addresses = match (command, family >> 4, family & 0xf) {
            (0x20, ..) => Addresses::Ignored,
            (0x21, 0..=3, 0) | (0x21, 0, 1..=2) => Addresses::Ignored,
            (0x21, 1, 1) => Addresses::Ipv4,
            (0x21, 2, 1) => Addresses::Ipv6,
            // A receiver may treat UDP and Unix sockets as unspecified.
            (0x21, 1, 2) => Addresses::Other(12),
            (0x21, 2, 2) => Addresses::Other(36),
            (0x21, 3, 1..=2) => Addresses::Other(216),
            (0x20..=0x21, ..) => {
                return Err(Invalid::new(format!(
                    "family and protocol {family:#04x} are not defined"
                )));
            }
            (0x20..=0x2f, ..) => {
                return Err(Invalid::new(format!(
                    "command {:#x} is neither LOCAL (0x0) nor PROXY (0x1)",
                    command & 0xf
                )));
            }
            _ => {
                let version = command >> 4;
                return Err(Invalid::new(format!("version {version:#x} is not 0x2")));
            }
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        Ok(Self { addresses, length })
    }
}

/// Returns the least length of a header that begins with `begin`.
pub(super) fn least_length(begin: &[u8]) -> Result<usize, Invalid> {
    if begin.len() < FIXED {
        return Ok(FIXED);
    }
    let length = FIXED + Fixed::parse(begin)?.length;
    match length <= LONGEST {
        true => Ok(length),
        false => Err(Invalid::new(format!(
            "the header has {length} octets, and {LONGEST} are allowed; configure the peer to send fewer fields"
        ))),
    }
}

pub(super) fn parse(header: &[u8]) -> Result<Option<SocketAddr>, Invalid> {
    if least_length(header)? != header.len() {
        return Err(Invalid::octets(header, "has another length than it says"));
    }
    let rest = &header[FIXED..];
    let too_short = || {
        Invalid::new(format!(
            "{} octets are too few for the addresses",
            rest.len()
        ))
    };
    let (addresses, client) = match Fixed::parse(header)?.addresses {
        Addresses::Ignored => return Ok(None),
        Addresses::Ipv4 => {
            let (block, _) = rest.split_first_chunk::<12>().ok_or_else(too_short)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *block;
            let port = u16::from_be_bytes([high, low]);
            let ip = Ipv4Addr::new(a, b, c, d);
            (block.len(), Some(SocketAddr::new(ip.into(), port)))
        }
        Addresses::Ipv6 => {
            let (ip, after) = rest.split_first_chunk::<16>().ok_or_else(too_short)?;
            let (ports, _) = after.split_first_chunk::<20>().ok_or_else(too_short)?;
            let port = u16::from_be_bytes([ports[16], ports[17]]);
            let ip = Ipv6Addr::from(*ip);
            (36, Some(SocketAddr::new(ip.into(), port)))
        }
        Addresses::Other(length) if rest.len() < length => return Err(too_short()),
        Addresses::Other(length) => (length, None),
    };
    fields::check(header, FIXED + addresses)?;
    Ok(client)
}
