//! The checksum of a version 2 header (RFC 9260 appendix A). `fields` finds the checksum in the header.

use crc::{CRC_32_ISCSI, Crc};

static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Returns the CRC32c of the concatenation of three parts.
pub(super) fn checksum(parts: [&[u8]; 3]) -> u32 {
    let mut digest = CRC32C.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}
