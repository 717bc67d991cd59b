//! Finds the version of a PROXY protocol header by its first octets. The rest of the header lives in `v1` and `v2`.

use std::net::SocketAddr;

use super::invalid::{Invalid, quoted};
use super::{v1, v2};

enum Version {
    One,
    Two,
}

/// Returns the least length of a header that begins with these octets. If it already has this length, the header is
/// complete.
///
/// Reading this number of octets never reads beyond the header.
pub(super) fn least_length(begin: &[u8]) -> Result<usize, Invalid> {
    match (begin, version(begin)?) {
        // Version 2 has at least 16 octets.
        ([], _) => Ok(v1::SHORTEST),
        (_, Version::One) => v1::least_length(begin),
        (_, Version::Two) => v2::least_length(begin),
    }
}

/// Parses a complete header. Returns the address of the client, if the header contains one.
pub(super) fn parse(header: &[u8]) -> Result<Option<SocketAddr>, Invalid> {
    match version(header)? {
        Version::One => v1::parse(header),
        Version::Two => v2::parse(header),
    }
}

fn version(begin: &[u8]) -> Result<Version, Invalid> {
    let begins_like = |signature: &[u8]| begin.iter().zip(signature).all(|(a, b)| a == b);
    if begins_like(v1::SIGNATURE) {
        Ok(Version::One)
    } else if begins_like(v2::SIGNATURE) {
        Ok(Version::Two)
    } else {
        Err(Invalid::new(format!(
            "the connection begins with `{}`, which is not a PROXY protocol header; configure the peer to send one, \
             or remove it from the list of peers that do",
            quoted(begin)
        )))
    }
}
