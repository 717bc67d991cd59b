//! Rule D6. The input is what a connection begins with.
#![no_main]

use std::io::ErrorKind;
use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use oracle::proxy_protocol::{header, read};
use proxy_protocol_rs::ParseError;

fuzz_target!(|data: &[u8]| {
    check(data);
    if let Some(corrected) = with_right_checksum(data) {
        check(&corrected);
    }
});

fn check(octets: &[u8]) {
    let expected = header(octets);
    for piece in [usize::MAX, 1, 1 + octets.len() % 40] {
        let (result, taken) = read(octets, piece);
        assert!(taken <= 4096, "{taken} octets are read");
        match (result, expected) {
            (Ok(client), Some((length, expected))) => {
                let canonical = |it: SocketAddr| SocketAddr::new(it.ip().to_canonical(), it.port());
                assert_eq!(client, expected.map(canonical), "in pieces of {piece}");
                assert_eq!(taken, length, "what follows is not touched");
            }
            (Err(error), None) => {
                let kind = error.kind();
                let ended = kind == ErrorKind::UnexpectedEof;
                assert!(ended || kind == ErrorKind::InvalidData, "{error}");
                assert!(!ended || taken == octets.len(), "more would have come");
                let text = error.to_string();
                assert!(text.len() <= 400, "{text}");
                assert!(text.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
            }
            (Ok(client), None) => panic!("accepted, with the client {client:?}"),
            (Err(error), Some(expected)) => panic!("{error}; expected {expected:?}"),
        }
    }
}

/// No fuzzer finds a checksum, so it is put in place of a wrong one.
fn with_right_checksum(octets: &[u8]) -> Option<Vec<u8>> {
    let Err(ParseError::CrcMismatch { expected, actual }) = proxy_protocol_rs::parse(octets) else {
        return None;
    };
    let [a, b, c, d] = expected.to_be_bytes();
    let field = [3, 0, 4, a, b, c, d];
    let at = octets.windows(field.len()).position(|it| it == field)?;
    let mut octets = octets.to_owned();
    octets[at + 3..at + 7].copy_from_slice(&actual.to_be_bytes());
    Some(octets)
}
