//! Rule D8: whether a ServerHello resumes a session. The input is the parts of one, or octets after `raw`.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use oracle::hello;

/// Private in the crate, and so compiled here once more.
#[path = "../../src/quic/server_hello.rs"]
mod server_hello;

fuzz_target!(|input: Input| {
    match input {
        Input::Raw(octets) => check(octets),
        Input::Made(made) => check(&made.octets()),
    }
});

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a [u8]),
    Made(Made<'a>),
}

#[derive(Arbitrary, Debug)]
struct Made<'a> {
    retries: bool,
    session_id: u8,
    extensions: Vec<Extension<'a>>,
    /// How many octets are missing at the end.
    cut: Option<u8>,
    /// What comes after it, as another message does.
    rest: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Extension<'a> {
    SupportedVersions,
    KeyShare,
    PreSharedKey(u16),
    Other { kind: u8, content: &'a [u8] },
}

impl Made<'_> {
    fn octets(&self) -> Vec<u8> {
        let extensions: Vec<u8> = self.extensions.iter().flat_map(Extension::octets).collect();
        let random = match self.retries {
            // RFC 8446 §4.1.3
            true => {
                *b"\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\
                       \xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"
            }
            false => [0x29; 32],
        };
        let session_id = vec![0x29; usize::from(self.session_id % 33)];
        let body = [
            &[3, 3][..],
            &random,
            &[session_id.len() as u8],
            &session_id,
            &[0x13, 0x01, 0],
            &(extensions.len() as u16).to_be_bytes(),
            &extensions,
        ]
        .concat();
        let mut octets = hello::message(2, &body);
        octets.truncate(octets.len() - usize::from(self.cut.unwrap_or(0)).min(octets.len()));
        octets.extend(self.rest);
        octets
    }
}

impl Extension<'_> {
    fn octets(&self) -> Vec<u8> {
        match self {
            Self::SupportedVersions => hello::extension(43, &[3, 4]),
            Self::KeyShare => hello::extension(51, &[&[0, 29, 0, 32], &[9; 32][..]].concat()),
            Self::PreSharedKey(identity) => hello::extension(41, &identity.to_be_bytes()),
            Self::Other { kind, content } => {
                hello::extension((*kind).into(), &content[..content.len().min(400)])
            }
        }
    }
}

/// Nothing is said of a message that is no ServerHello. rustls writes none that is not well-formed, so of those only
/// that they do no harm.
fn check(octets: &[u8]) {
    let ours = server_hello::resumes(octets);
    match hello::server(octets) {
        Ok(resumes) => assert_eq!(ours, Some(resumes)),
        Err(hello::Unread::NoServerHello) => assert_eq!(ours, None),
        Err(hello::Unread::Malformed) => {}
    }
}
