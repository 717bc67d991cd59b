//! The versions of TLS, so that handlers can compare them without a TLS stack. Nothing here decides which versions are
//! acceptable.

use std::fmt;

/// A version of TLS. [`Display`](fmt::Display) writes the number, such as `1.3`.
///
/// ```
/// assert_eq!(tower_misdirected::TlsVersion::V1_3.to_string(), "1.3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.0 (RFC 2246), deprecated by RFC 8996.
    V1_0,
    /// TLS 1.1 (RFC 4346), deprecated by RFC 8996.
    V1_1,
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        })
    }
}
