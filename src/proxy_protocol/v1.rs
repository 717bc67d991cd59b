//! Version 1 of the header, a line of text (PROXY protocol §2.1). Version 2 lives in `v2`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::invalid::Invalid;

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The shortest line: `PROXY UNKNOWN`, CR and LF.
pub(super) const SHORTEST: usize = "PROXY UNKNOWN\r\n".len();
/// The longest line, including CRLF.
const LONGEST: usize = 107;

/// Returns the least length of a line that begins with `begin`, which is not empty.
pub(super) fn least_length(begin: &[u8]) -> Result<usize, Invalid> {
    let is_end = |octet: &u8| matches!(octet, b'\r' | b'\n');
    if let Some(end) = begin.iter().position(is_end) {
        return match begin[end..] {
            [b'\r'] | [b'\r', b'\n', ..] => within_limit(end + 2, begin),
            _ => Err(Invalid::octets(begin, "does not end with CR and LF")),
        };
    }
    // Assuming the shortest line of the protocol keeps the number of reads small. The shortest addresses are `0.0.0.0`
    // and `::`, and a port has at least one digit.
    let shortest = match begin.get(SIGNATURE.len()..SIGNATURE.len() + 4) {
        Some(b"TCP4") => "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".len(),
        Some(b"TCP6") => "PROXY TCP6 :: :: 0 0\r\n".len(),
        _ => SHORTEST,
    };
    within_limit(shortest.max(begin.len() + 2), begin)
}

fn within_limit(length: usize, line: &[u8]) -> Result<usize, Invalid> {
    match length <= LONGEST {
        true => Ok(length),
        false => Err(Invalid::octets(line, "is longer than 107 octets")),
    }
}

pub(super) fn parse(line: &[u8]) -> Result<Option<SocketAddr>, Invalid> {
    if least_length(line)? != line.len() {
        return Err(Invalid::octets(line, "has octets behind its end"));
    }
    let fields = line.strip_prefix(SIGNATURE);
    let fields = fields.and_then(|fields| fields.strip_suffix(b"\r\n"));
    let mut fields = fields.unwrap_or_default().split(|octet| *octet == b' ');
    let source = match fields.next() {
        Some(b"TCP4") => addresses::<Ipv4Addr>(&mut fields, "an IPv4 address")?,
        Some(b"TCP6") => addresses::<Ipv6Addr>(&mut fields, "an IPv6 address")?,
        // The rest of the line has no meaning (PROXY protocol §2.1).
        Some(b"UNKNOWN") => return Ok(None),
        other => {
            let problem = "is not a protocol; expected `TCP4`, `TCP6` or `UNKNOWN`";
            return Err(Invalid::octets(other.unwrap_or_default(), problem));
        }
    };
    match fields.next() {
        None => Ok(Some(source)),
        Some(_) => Err(Invalid::octets(line, "has more than six fields")),
    }
}

/// Parses both addresses and both ports, and returns the address and port of the source.
fn addresses<'a, A>(
    fields: &mut impl Iterator<Item = &'a [u8]>,
    expected: &str,
) -> Result<SocketAddr, Invalid>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let mut next = || fields.next().unwrap_or_default();
    let address = |field: &[u8]| -> Result<A, Invalid> {
        let address = std::str::from_utf8(field).ok();
        let address = address.and_then(|text| text.parse().ok());
        address.ok_or_else(|| Invalid::octets(field, &format!("is not {expected}")))
    };
    let source = address(next())?;
    let _destination = address(next())?;
    let source = SocketAddr::new(source.into(), port(next())?);
    let _destination = port(next())?;
    Ok(source)
}

fn port(field: &[u8]) -> Result<u16, Invalid> {
    // `parse` would accept a sign and leading zeros.
    let digits = field.iter().all(u8::is_ascii_digit);
    let leading_zero = field.len() > 1 && field.starts_with(b"0");
    let port = std::str::from_utf8(field).ok();
    let port = port.filter(|_| digits && !leading_zero);
    let port = port.and_then(|text| text.parse().ok());
    port.ok_or_else(|| Invalid::octets(field, "is not a port between 0 and 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d6_lengths_never_reach_beyond_a_line() {
        for line in [
            "PROXY UNKNOWN\r\n",
            "PROXY UNKNOWN \r\n",
            "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            "PROXY TCP6 :: :: 0 0\r\n",
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ::1 65535 65535\r\n",
        ] {
            let line = line.as_bytes();
            for read in 1..line.len() {
                let least = least_length(&line[..read]).unwrap();
                assert!(read < least && least <= line.len(), "{read}: {least}");
            }
            assert_eq!(least_length(line), Ok(line.len()));
            parse(line).unwrap();
        }
    }
}
