//! RFC 9113 §4.1, §4.3 and §6.8: where a frame may be inserted between those of a server. Reads what was written as a
//! whole, frame by frame, with h2's reader of heads, where the crate follows it octet by octet.

use h2::frame::{Head, Kind};

const HEAD: usize = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a server has written.
#[derive(Debug, Default)]
pub struct Written {
    /// The offsets at which another frame may come, in order.
    pub boundaries: Vec<usize>,
    /// How much of it has whole heads.
    pub length: usize,
    /// The head that no other frame may follow, if there is one.
    pub end: Option<End>,
}

/// A head after which nothing may be inserted any more.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    /// The offset of the head.
    pub at: usize,
    /// The server says GOAWAY itself. Otherwise it does not speak HTTP/2.
    pub goaway: bool,
}

pub fn read(octets: &[u8]) -> Written {
    let mut written = Written::default();
    let mut block_is_open = false;
    let mut at = 0;
    while let Some(head) = octets.get(at..at + HEAD) {
        if let Some(goaway) = ends(head, at == 0) {
            written.end = Some(End { at, goaway });
            break;
        }
        let parsed = Head::parse(head);
        if let Kind::Headers | Kind::PushPromise | Kind::Continuation = parsed.kind() {
            block_is_open = parsed.flag() & END_HEADERS == 0;
        }
        at += HEAD + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if at <= octets.len() && !block_is_open {
            written.boundaries.push(at);
        }
    }
    let of_end = written.end.as_ref().map_or(0, |_| HEAD);
    written.length = octets.len().min(at + of_end);
    written
}

/// Whether nothing may be inserted after this head, and whether it is that of a GOAWAY.
fn ends(head: &[u8], is_first: bool) -> Option<bool> {
    let parsed = Head::parse(head);
    if is_first {
        // RFC 9113 §3.4, §6.5. h2 drops the reserved bit, which a server has to leave unset.
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let settings = parsed.kind() == Kind::Settings && parsed.flag() & ACK == 0 && stream == 0;
        return (!settings).then_some(false);
    }
    (parsed.kind() == Kind::GoAway).then_some(true)
}
