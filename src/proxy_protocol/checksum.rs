//! The checksum of a version 2 header (RFC 9260 appendix A). Where it is in the header lives in `fields`.

use crc::{CRC_32_ISCSI, Crc};

static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Returns the CRC32c of octets that are in three parts.
pub(super) fn checksum(parts: [&[u8]; 3]) -> u32 {
    let mut digest = CRC32C.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}
