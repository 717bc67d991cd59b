//! The type-length-value fields after the addresses of a version 2 header (PROXY protocol §2.2). They are checked for
//! well-formedness, and their content is not used.

use super::checksum::checksum;
use super::invalid::Invalid;

const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CIPHER: u8 = 0x23;
const SSL_SIG_ALG: u8 = 0x24;
const SSL_KEY_ALG: u8 = 0x25;
const NETNS: u8 = 0x30;

/// Checks the fields of a header from `begin` on, and the checksum if there is one.
pub(super) fn check(header: &[u8], begin: usize) -> Result<(), Invalid> {
    let mut at = begin;
    let mut sum = None;
    while let Some((kind, value)) = next(header, at)? {
        let value_at = at + 3;
        let is_well_formed = match kind {
            AUTHORITY => std::str::from_utf8(value).is_ok(),
            CRC32C => value.len() == 4,
            UNIQUE_ID => value.len() <= 128,
            SSL => {
                check_ssl(value)?;
                true
            }
            NETNS => value.is_ascii(),
            // An ALPN protocol can be any octets, a NOOP has no meaning, and unknown types are allowed.
            _ => true,
        };
        if !is_well_formed {
            return Err(malformed(kind, value));
        }
        if kind == CRC32C && sum.replace(value_at).is_some() {
            return Err(Invalid::new("there are two checksums"));
        }
        at = value_at + value.len();
    }
    match sum {
        Some(at) => check_sum(header, at),
        None => Ok(()),
    }
}

/// Checks the field about the client's TLS connection.
fn check_ssl(value: &[u8]) -> Result<(), Invalid> {
    // Flags, and the result of verifying a client certificate.
    let mut at = 5;
    if value.len() < at {
        return Err(malformed(SSL, value));
    }
    while let Some((kind, inner)) = next(value, at)? {
        // The common name (0x22) comes from a client certificate, and may not be UTF-8.
        let is_text = matches!(kind, SSL_VERSION | SSL_CIPHER | SSL_SIG_ALG | SSL_KEY_ALG);
        if is_text && !inner.is_ascii() {
            return Err(malformed(kind, inner));
        }
        at += 3 + inner.len();
    }
    Ok(())
}

/// Returns the type and the value of the field at `at`, or `None` at the end.
fn next(octets: &[u8], at: usize) -> Result<Option<(u8, &[u8])>, Invalid> {
    let field = &octets[at..];
    let [kind, high, low, value @ ..] = field else {
        return match field {
            [] => Ok(None),
            _ => Err(Invalid::octets(field, "is too short for a field")),
        };
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    match value.get(..length) {
        Some(value) => Ok(Some((*kind, value))),
        None => Err(Invalid::new(format!(
            "field {kind:#04x} has {length} octets, and {} are left",
            value.len()
        ))),
    }
}

fn malformed(kind: u8, value: &[u8]) -> Invalid {
    Invalid::octets(value, &format!("is not a value of field {kind:#04x}"))
}

fn check_sum(header: &[u8], at: usize) -> Result<(), Invalid> {
    let (before, rest) = header.split_at(at);
    let (told, after) = rest.split_at(4);
    match checksum([before, &[0; 4], after]).to_be_bytes() == told {
        true => Ok(()),
        false => Err(Invalid::octets(told, "is not the checksum of the header")),
    }
}
