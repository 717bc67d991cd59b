//! ClientHellos for QUIC, well-formed and not, made of parts. Reading them lives in `hello`.

use arbitrary::Arbitrary;

use crate::hello::{extension, message};

#[derive(Arbitrary, Debug)]
pub struct Hello<'a> {
    /// Added to what a ClientHello says of its length.
    off: Off,
    session_id: u8,
    cipher_suites: CipherSuites,
    extensions: Vec<Extension<'a>>,
    without: Option<u8>,
    server_name: Option<Name<'a>>,
    rest: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Off {
    Not,
    NotEither,
    NorHere,
    By(i8),
}

#[derive(Arbitrary, Debug)]
enum CipherSuites {
    All,
    Odd(u8),
    Others,
}

/// Beside those that rustls requires.
#[derive(Arbitrary, Debug)]
enum Extension<'a> {
    Alpn(Vec<Protocol>),
    ServerName(Name<'a>),
    ServerNames(Vec<(u8, Name<'a>)>),
    EarlyData,
    PskModes(u8),
    PreSharedKey {
        identity: &'a [u8],
        binder: u8,
    },
    Raw {
        kind: u8,
        content: &'a [u8],
    },
    /// As long as one packet, and more.
    Padding(u16),
}

#[derive(Arbitrary, Debug)]
enum Protocol {
    Http3,
    X,
    Http2,
    Acme,
    Empty,
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    A,
    Capitals,
    Dot,
    Wild,
    WildDeep,
    WildApex,
    Deep,
    Other,
    Address,
    Address6,
    Underscore,
    Long,
    Octets(&'a [u8]),
}

impl Hello<'_> {
    pub fn octets(&self) -> Vec<u8> {
        let mut extensions = vec![
            // supported_versions, supported_groups, key_share, signature_algorithms, QUIC's transport parameters.
            extension(43, &[2, 3, 4]),
            extension(10, &[0, 6, 0, 29, 0, 23, 0, 24]),
            extension(51, &[&[0, 36, 0, 29, 0, 32], &[9; 32][..]].concat()),
            extension(13, &[0, 6, 4, 3, 8, 4, 8, 7]),
            extension(57, &[]),
            extension(16, b"\0\x03\x02h3"),
        ];
        if let Some(without) = self.without {
            // Mostly the key share, which makes the server ask for another ClientHello.
            let at = usize::from(without).checked_sub(100).map_or(2, |at| at % 6);
            extensions[at] = match at {
                2 => extension(51, &[0, 0]),
                _ => Vec::new(),
            };
        }
        if let Some(name) = &self.server_name {
            extensions.push(extension(0, &list(&name.entry(0))));
        }
        extensions.extend(self.extensions.iter().take(20).map(Extension::octets));
        let extensions = extensions.concat();
        let session_id = vec![7; usize::from(self.session_id % 34)];
        let suites = match self.cipher_suites {
            CipherSuites::All => vec![0x13, 1, 0x13, 2, 0x13, 3],
            CipherSuites::Odd(length) => vec![0x13; length.into()],
            CipherSuites::Others => vec![0xc0, 0x2b],
        };
        let body = [
            &[3, 3],
            &[0x29; 32][..],
            &[session_id.len() as u8],
            &session_id,
            &(suites.len() as u16).to_be_bytes(),
            &suites,
            &[1, 0],
            &(extensions.len() as u16).to_be_bytes(),
            &extensions,
        ]
        .concat();
        let mut octets = message(1, &body);
        if let Off::By(off) = self.off {
            octets[3] = octets[3].wrapping_add_signed(off);
        }
        octets.extend(self.rest);
        octets
    }
}

impl Extension<'_> {
    fn octets(&self) -> Vec<u8> {
        match self {
            Self::Alpn(protocols) => {
                let protocols = protocols.iter().take(50).map(|protocol| {
                    let name: &[u8] = match protocol {
                        Protocol::Http3 => b"h3",
                        Protocol::X => b"x",
                        Protocol::Http2 => b"h2",
                        Protocol::Acme => b"acme-tls/1",
                        Protocol::Empty => b"",
                    };
                    [&[name.len() as u8], name].concat()
                });
                extension(16, &list(&protocols.collect::<Vec<_>>().concat()))
            }
            Self::ServerName(name) => extension(0, &list(&name.entry(0))),
            Self::ServerNames(names) => {
                // The kinds of names that there are not are rarer than chance has them.
                let names = names
                    .iter()
                    .take(5)
                    .map(|(kind, name)| name.entry(kind % 3));
                extension(0, &list(&names.collect::<Vec<_>>().concat()))
            }
            Self::EarlyData => extension(42, &[]),
            Self::PskModes(mode) => extension(45, &[1, *mode]),
            Self::PreSharedKey { identity, binder } => {
                let identity = &identity[..identity.len().min(100)];
                let identity = [&list(identity)[..], &[0; 4]].concat();
                let binder = vec![5; usize::from(*binder)];
                let binder = [&[binder.len() as u8], &binder[..]].concat();
                extension(41, &[list(&identity), list(&binder)].concat())
            }
            Self::Raw { kind, content } => {
                extension((*kind).into(), &content[..content.len().min(400)])
            }
            Self::Padding(length) => extension(21, &vec![0; usize::from(*length) / 4]),
        }
    }
}

impl<'a> Name<'a> {
    fn text(&self) -> &'a [u8] {
        match self {
            Self::A => b"a.test",
            Self::Capitals => b"A.Test",
            Self::Dot => b"a.test.",
            Self::Wild => b"x.w.test",
            Self::WildDeep => b"y.x.w.test",
            Self::WildApex => b"w.test",
            Self::Deep => b"z.y.x.d.test",
            Self::Other => b"other.test",
            Self::Address => b"192.0.2.1",
            Self::Address6 => b"2001:db8::1",
            Self::Underscore => b"_x.w.test",
            Self::Long => {
                b"a63456789012345678901234567890123456789012345678901234567890123.\
                  b63456789012345678901234567890123456789012345678901234567890123.\
                  c63456789012345678901234567890123456789012345678901234567890123.\
                  d634567890123456789012345678901234567890123456789012345.d.test"
            }
            Self::Octets(octets) => &octets[..octets.len().min(300)],
        }
    }

    fn entry(&self, kind: u8) -> Vec<u8> {
        [&[kind][..], &list(self.text())].concat()
    }
}

/// Octets after their length in two octets.
fn list(octets: &[u8]) -> Vec<u8> {
    [&(octets.len() as u16).to_be_bytes(), octets].concat()
}
