//! The grammar of `host[:port]` (RFC 3986 §3.2.2, RFC 9110 §4.2). How two hosts compare lives in `borrowed`.
//!
//! `http::uri::Authority` cannot decide this: it accepts `a@b@c`, `[not-ip]` and port `99999`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::borrowed::HostRef;
use super::name::NameRef;
use crate::malformed::Malformed;

/// Reads `host[:port]`. The port is `None` if it is absent or empty.
#[inline(always)]
pub(crate) fn parse(text: &[u8]) -> Result<(HostRef<'_>, Option<u16>), Malformed> {
    let (host, rest) = split(text).ok_or(Malformed::InvalidHost)?;
    Ok((host, parse_port(rest)?))
}

/// Splits text into a host and what follows the host, which is empty or begins with a colon.
#[inline(always)]
pub(super) fn split(text: &[u8]) -> Option<(HostRef<'_>, &[u8])> {
    let name = || NameRef::read(text).map(|(name, rest)| (HostRef::of_name(name), rest));
    // No text is both a name and an address, so the order does not matter.
    match text.first()? {
        b'[' | b'0'..=b'9' => split_ip(text).or_else(name),
        _ => name(),
    }
}

fn split_ip(text: &[u8]) -> Option<(HostRef<'_>, &[u8])> {
    let (ip, rest) = match text {
        [b'[', bracketed @ ..] => {
            let end = bracketed.iter().position(|&byte| byte == b']')?;
            let ip = std::str::from_utf8(&bracketed[..end]).ok()?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            (IpAddr::from(ip), &bracketed[end + 1..])
        }
        _ => {
            let colon = text.iter().position(|&byte| byte == b':');
            let (ip, rest) = text.split_at(colon.unwrap_or(text.len()));
            let ip: Ipv4Addr = std::str::from_utf8(ip).ok()?.parse().ok()?;
            (ip.into(), rest)
        }
    };
    matches!(rest, [] | [b':', ..]).then_some((HostRef::of_ip(ip), rest))
}

/// Reads what follows a host: nothing, or a colon and an optional port. RFC 3986 §3.2.3 allows digits only,
/// while `str::parse` would accept `+80`.
#[inline]
pub(crate) fn parse_port(after_host: &[u8]) -> Result<Option<u16>, Malformed> {
    let ([] | [b':'], digits) = after_host.split_at(after_host.len().min(1)) else {
        return Err(Malformed::InvalidPort);
    };
    if digits.is_empty() {
        return Ok(None);
    }
    let port = digits.iter().try_fold(0_u16, |port, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        port.checked_mul(10)?.checked_add(digit as u16)
    });
    port.map(Some).ok_or(Malformed::InvalidPort)
}
