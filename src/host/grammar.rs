//! The grammar of `host[:port]` (RFC 3986 §3.2.2, RFC 9110 §4.2). Comparing hosts lives in `borrowed`.
//!
//! `http::uri::Authority` is not strict enough: it accepts `a@b@c`, `[not-ip]` and port `99999`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::borrowed::HostRef;
use super::name::NameRef;
use crate::malformed::Malformed;

/// Parses `host[:port]`. The port is `None` if it is absent or empty.
#[inline(always)]
pub(crate) fn parse(text: &[u8]) -> Result<(HostRef<'_>, Option<u16>), Malformed> {
    let (host, rest) = split(text).ok_or(Malformed::InvalidHost)?;
    Ok((host, parse_port(rest)?))
}

/// Splits text into a host and the rest, which is empty or begins with a colon.
#[inline(always)]
pub(super) fn split(text: &[u8]) -> Option<(HostRef<'_>, &[u8])> {
    let name = || NameRef::read(text).map(|(name, rest)| (HostRef::of_name(name), rest));
    // No text is both a name and an address, so the order does not matter.
    match text.first()? {
        b'[' | b'0'..=b'9' => split_ip(text).or_else(name),
        _ => name(),
    }
}

pub(super) fn split_ip(text: &[u8]) -> Option<(HostRef<'_>, &[u8])> {
    let (ip, rest) = match text {
        [b'[', bracketed @ ..] => {
            let end = bracketed.iter().position(|&byte| byte == b']')?;
            let ip = std::str::from_utf8(&bracketed[..end]).ok()?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            (IpAddr::from(ip), &bracketed[end + 1..])
        }
        _ => {
            let (ip, rest) = split_ipv4(text)?;
            (ip.into(), rest)
        }
    };
    matches!(rest, [] | [b':', ..]).then_some((HostRef::of_ip(ip), rest))
}

/// Splits off four decimal octets. `Ipv4Addr` parses only a `str` without a rest, so the text would be traversed three
/// times.
#[inline]
pub(super) fn split_ipv4(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let (first, rest) = split_octet(text)?;
    let (second, rest) = split_octet(rest.strip_prefix(b".")?)?;
    let (third, rest) = split_octet(rest.strip_prefix(b".")?)?;
    let (fourth, rest) = split_octet(rest.strip_prefix(b".")?)?;
    Some((Ipv4Addr::new(first, second, third, fourth), rest))
}

/// Splits off a number up to 255. Only 0 begins with 0 (RFC 3986 §3.2.2), so the rest of `01` is `1`.
#[inline(always)]
fn split_octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |octet: u8| octet.wrapping_sub(b'0');
    match text {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            let tens = digit(*a) * 10 + digit(*b);
            Some((tens.checked_mul(10)?.checked_add(digit(*c))?, rest))
        }
        [a @ b'1'..=b'9', b @ b'0'..=b'9', rest @ ..] => Some((digit(*a) * 10 + digit(*b), rest)),
        [a @ b'0'..=b'9', rest @ ..] => Some((digit(*a), rest)),
        _ => None,
    }
}

/// Splits off a colon and at most five digits at the end. Neither the value of the digits nor the host is checked.
#[inline]
pub(crate) fn split_port(text: &[u8]) -> (&[u8], &[u8]) {
    let longest = text.len().min(1 + 5);
    for length in 1..=longest {
        let (host, port) = text.split_at(text.len() - length);
        match port {
            [b'0'..=b'9', ..] => {}
            [b':', ..] => return (host, port),
            _ => break,
        }
    }
    (text, b"")
}

/// Parses the text after a host: nothing, or a colon and an optional port. RFC 3986 §3.2.3 allows only digits, but
/// `str::parse` would accept `+80`.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a6_an_ipv4_address_is_what_the_standard_library_reads(
            text in "([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9.]{0,16}|(0|25[0-9]|1[0-9]{2})(\\.(0|00|01|255|256|2[0-9])){2,4}",
        ) {
            let ours = split_ipv4(text.as_bytes()).filter(|(_, rest)| rest.is_empty());
            prop_assert_eq!(ours.map(|(ip, _)| ip), text.parse::<Ipv4Addr>().ok(), "{}", text);
        }

        #[test]
        fn a7_what_is_split_off_as_a_port_is_what_the_grammar_reads_as_one(
            host in "[a-z1.]{0,5}|\\[::1\\]|[a:1\\]]{0,5}",
            port in ":?[0-9]{0,7}|:[a+]?1?|::1",
        ) {
            let text = host + &port;
            let (host, port) = split_port(text.as_bytes());
            prop_assert_eq!([host, port].concat(), text.as_bytes());
            if let (Some((host, b"")), Ok(port)) = (split(host), parse_port(port)) {
                prop_assert_eq!(parse(text.as_bytes()), Ok((host, port)));
            }
        }
    }

    #[test]
    fn a7_a_port_is_split_off() {
        let cases = [
            ("a:80", "a", ":80"),
            ("a:", "a", ":"),
            ("a", "a", ""),
            ("a1", "a1", ""),
            ("a:65535", "a", ":65535"),
            ("[::1]:443", "[::1]", ":443"),
            ("[::1]", "[::1]", ""),
            ("1.2.3.4", "1.2.3.4", ""),
            ("", "", ""),
            (":", "", ":"),
            // Longer than any port, so the grammar decides.
            ("a:000080", "a:000080", ""),
        ];
        for (text, host, port) in cases {
            assert_eq!(
                split_port(text.as_bytes()),
                (host.as_bytes(), port.as_bytes()),
                "{text}"
            );
        }
    }
}
