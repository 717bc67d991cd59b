//! The boundaries between the HTTP/2 frames that a server writes (RFC 9113 §4.1). `draining` decides what to insert at
//! a boundary.

/// The length in octets of the head of a frame.
const HEAD: u8 = 9;

// RFC 9113 §6
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The position of the server in the frame that it is writing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frames {
    /// The number of octets of the payload that are not written yet. A 24-bit number, as in the head.
    payload: [u8; 3],
    /// The number of octets of the head that have been written. 0 between frames and in a payload.
    head: u8,
    block: Block,
    /// Whether the server has begun its first frame, which must be SETTINGS (RFC 9113 §3.4).
    begun: bool,
}

/// The state of a field block. No other frame may come between its frames (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Block {
    #[default]
    Closed,
    Open,
    /// The flags of the head decide, and have not been written yet.
    Undecided,
}

/// The reason for which no GOAWAY may be inserted any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server does not write HTTP/2.
    NotHttp2,
    /// The server writes a GOAWAY itself. Another one must not name a later stream (RFC 9113 §6.8).
    GoAway,
}

impl Frames {
    /// Returns whether another frame can be inserted here.
    #[inline]
    pub(super) fn at_boundary(&self) -> bool {
        self.begun && self.head == 0 && self.payload == [0; 3] && self.block == Block::Closed
    }

    /// Follows octets that have been written.
    #[inline]
    pub(super) fn advance(&mut self, written: &[u8]) -> Result<(), End> {
        self.follow(written, false).map(drop)
    }

    /// Returns the number of octets of `next` before the next boundary, or all of them if `next` contains no boundary.
    pub(super) fn until_boundary(mut self, next: &[u8]) -> usize {
        // `advance` reports an end once it has been written.
        self.follow(next, true).unwrap_or(next.len())
    }

    fn follow(&mut self, mut octets: &[u8], to_boundary: bool) -> Result<usize, End> {
        let length = octets.len();
        while let [first, rest @ ..] = octets {
            let [a, b, c] = self.payload;
            let payload = u32::from_be_bytes([0, a, b, c]);
            if self.head == 0 && payload > 0 {
                let skipped = octets.len().min(payload as usize);
                let [_, rest @ ..] = (payload - skipped as u32).to_be_bytes();
                self.payload = rest;
                octets = &octets[skipped..];
            } else {
                self.read_head(*first)?;
                octets = rest;
            }
            if to_boundary && self.at_boundary() {
                break;
            }
        }
        Ok(length - octets.len())
    }

    fn read_head(&mut self, octet: u8) -> Result<(), End> {
        match self.head {
            at @ 0..3 => self.payload[usize::from(at)] = octet,
            3 if !self.begun && octet != SETTINGS => return Err(End::NotHttp2),
            3 if octet == GOAWAY => return Err(End::GoAway),
            3 if matches!(octet, HEADERS | PUSH_PROMISE | CONTINUATION) => {
                self.block = Block::Undecided;
            }
            4 if !self.begun && octet & ACK != 0 => return Err(End::NotHttp2),
            4 if self.block == Block::Undecided => {
                self.block = match octet & END_HEADERS {
                    0 => Block::Open,
                    _ => Block::Closed,
                };
            }
            5.. if !self.begun && octet != 0 => return Err(End::NotHttp2),
            _ => {}
        }
        self.head = (self.head + 1) % HEAD;
        self.begun |= self.head == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
        let mut frame = (payload as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(vec![0xff; payload]);
        frame
    }

    fn written() -> (Vec<u8>, Vec<usize>) {
        let frames = [
            (frame(SETTINGS, 0, 0, 18), true),
            (frame(SETTINGS, ACK, 0, 0), true),
            // A field block of three frames.
            (frame(HEADERS, 0, 1, 300), false),
            (frame(CONTINUATION, 0, 1, 0), false),
            (frame(CONTINUATION, END_HEADERS, 1, 5), true),
            (frame(0, 0, 1, 70_000), true),
            (frame(0, 1, 1, 0), true),
            (frame(PUSH_PROMISE, 0, 1, 1), false),
            (frame(CONTINUATION, END_HEADERS, 1, 1), true),
            // A frame of an unknown type, with the flag that would end a field block.
            (frame(0xfa, END_HEADERS, 0, 3), true),
        ];
        let (mut written, mut boundaries) = (Vec::new(), Vec::new());
        for (frame, boundary) in frames {
            written.extend(frame);
            if boundary {
                boundaries.push(written.len());
            }
        }
        (written, boundaries)
    }

    #[test]
    fn boundaries_are_found_however_the_octets_are_cut() {
        let (written, boundaries) = written();
        for size in [1, 2, 8, 9, 10, 100, 16_384, written.len()] {
            let mut frames = Frames::default();
            assert!(!frames.at_boundary());
            let mut at = 0;
            for chunk in written.chunks(size) {
                frames.advance(chunk).unwrap();
                at += chunk.len();
                assert_eq!(
                    frames.at_boundary(),
                    boundaries.contains(&at),
                    "{at} by {size}"
                );
            }
        }
    }

    #[test]
    fn the_next_boundary_is_found_from_every_octet() {
        let (written, boundaries) = written();
        let mut frames = Frames::default();
        for at in 0..written.len() {
            let next = boundaries.iter().find(|&&boundary| boundary > at).unwrap();
            assert_eq!(frames.until_boundary(&written[at..]), next - at, "{at}");
            let cut = &written[at..written.len().min(at + 3)];
            assert_eq!(frames.until_boundary(cut), cut.len().min(next - at), "{at}");
            frames.advance(&written[at..=at]).unwrap();
        }
        assert_eq!(frames.until_boundary(&[]), 0);
    }

    #[test]
    fn anything_but_settings_at_first_is_not_http2() {
        for first in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            &frame(0, 0, 0, 0),
            &frame(HEADERS, END_HEADERS, 1, 9),
            &frame(SETTINGS, ACK, 0, 0),
            &frame(SETTINGS, 0, 1, 0),
            &frame(SETTINGS, 0, 1 << 31, 0),
        ] {
            assert_eq!(
                Frames::default().advance(first),
                Err(End::NotHttp2),
                "{first:?}"
            );
        }
    }

    #[test]
    fn a_goaway_of_the_server_is_found() {
        let mut frames = Frames::default();
        frames.advance(&frame(SETTINGS, 0, 0, 0)).unwrap();
        let goaway = frame(GOAWAY, 0, 0, 8);
        assert_eq!(frames.until_boundary(&goaway), goaway.len());
        frames.advance(&goaway[..3]).unwrap();
        assert_eq!(frames.advance(&goaway[3..4]), Err(End::GoAway));
    }

    #[test]
    fn a_connection_keeps_six_octets() {
        assert_eq!(size_of::<Frames>(), 6);
    }
}
