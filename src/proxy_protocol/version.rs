//! Tells the versions of a PROXY protocol header apart by its first octets. What follows them lives in `v1` and `v2`.

use std::net::SocketAddr;

use super::invalid::{Invalid, quoted};
use super::{v1, v2};

enum Version {
    One,
    Two,
}

/// Returns the length that a header which begins with these octets has at least. The header is complete if it has
/// that length already.
///
/// Reading that many octets never takes one that belongs to what follows the header.
pub(super) fn least_length(begin: &[u8]) -> Result<usize, Invalid> {
    match (begin, version(begin)?) {
        // Version 2 has at least 16 octets.
        ([], _) => Ok(v1::SHORTEST),
        (_, Version::One) => v1::least_length(begin),
        (_, Version::Two) => v2::least_length(begin),
    }
}

/// Reads a complete header. Returns the address of the client, if the header has one.
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
