//! Rule W2: where the crate inserts a GOAWAY between the frames that a server writes. The input is frames, octets after
//! them, and the pieces in which both are written.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use oracle::frames::{self as expected, Written};

/// Private in the crate, and so compiled here once more.
#[path = "../../src/tls/frames.rs"]
mod frames;

use frames::{End, Frames};

fuzz_target!(|input: Input| {
    let octets = input.octets();
    let written = expected::read(&octets);
    let octets = &octets[..written.length];
    for pieces in [&input.pieces[..], &[1], &[255]] {
        follows(octets, &written, pieces);
    }
});

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    without_settings: bool,
    frames: Vec<Frame>,
    rest: &'a [u8],
    pieces: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Payload,
}

#[derive(Arbitrary, Debug)]
enum Payload {
    Empty,
    Short(u8),
    Long(u16),
    /// Longer than what follows.
    Cut(u8),
}

impl Input<'_> {
    fn octets(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        if !self.without_settings {
            octets.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]);
        }
        for frame in self.frames.iter().take(40) {
            let (claimed, length) = match frame.payload {
                Payload::Empty => (0, 0),
                Payload::Short(length) => (length.into(), length.into()),
                Payload::Long(length) => (u32::from(length / 8), usize::from(length / 8)),
                Payload::Cut(length) => (u32::from(length) << 16 | 0xff, length.into()),
            };
            octets.extend(&claimed.to_be_bytes()[1..]);
            // The unknown ones are rarer than chance has them.
            octets.extend([frame.kind % 16, frame.flags]);
            octets.extend(frame.stream.to_be_bytes());
            // It looks like heads, in case somebody takes it for some.
            octets.extend([0, 0, 0, 7].iter().cycle().take(length));
        }
        octets.extend(self.rest);
        octets
    }
}

fn follows(octets: &[u8], written: &Written, pieces: &[u8]) {
    let mut frames = Frames::default();
    assert!(!frames.at_boundary());
    let mut pieces = pieces.iter().cycle();
    let mut at = 0;
    // In small pieces, as far as a run goes quickly.
    for _ in 0..4000 {
        if at == octets.len() {
            break;
        }
        let piece = pieces.next().map_or(octets.len(), |size| match *size {
            255 => octets.len(),
            size => 1 + usize::from(size) * usize::from(size),
        });
        let next = &octets[at..octets.len().min(at + piece)];
        let boundary = written.boundaries.iter().find(|boundary| **boundary > at);
        let until = boundary.map_or(next.len(), |boundary| next.len().min(boundary - at));
        assert_eq!(frames.until_boundary(next), until, "from {at}");
        let before = at;
        at += next.len();
        match frames.advance(next) {
            Ok(()) => {
                let is_over = |end: &expected::End| end.at + 9 <= at;
                assert!(
                    !written.end.as_ref().is_some_and(is_over),
                    "missed: {written:?}"
                );
                assert_eq!(
                    frames.at_boundary(),
                    written.boundaries.contains(&at),
                    "at {at}"
                );
            }
            Err(found) => {
                // The head that ends everything is known with its last octet, and not before its type.
                let Some(end) = &written.end else {
                    panic!("{found:?} within {before}..{at}: {written:?}");
                };
                assert_eq!(found == End::GoAway, end.goaway);
                assert!(
                    before < end.at + 9 && end.at + 3 < at,
                    "{end:?}, not within {before}..{at}"
                );
                return;
            }
        }
    }
}
