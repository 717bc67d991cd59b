//! The ClientHello of a QUIC handshake, which may span frames and packets. Choosing a configuration by it lives in
//! `handshake`.

use quinn_proto::TransportError;
use rustls::server::{Accepted, Acceptor};

use super::alert::{DECODE_ERROR, UNEXPECTED_MESSAGE, alert};

/// The longest ClientHello that rustls accepts, without its header.
const MAX_LENGTH: usize = 0xffff;

/// The largest payload of a TLS record (RFC 8446 §5.1).
const MAX_RECORD: usize = 1 << 14;

/// The bytes that have arrived so far.
#[derive(Default)]
pub(super) struct ClientHello(Vec<u8>);

/// A complete ClientHello.
pub(super) struct Whole {
    pub(super) accepted: Accepted,
    /// All bytes that have arrived, because the session must read them again.
    pub(super) bytes: Vec<u8>,
}

impl ClientHello {
    /// Adds the content of a CRYPTO frame. Until the message is complete, only its type and length are parsed
    /// (RFC 8446 §4).
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Whole>, TransportError> {
        const CLIENT_HELLO: u8 = 1;
        self.0.extend_from_slice(bytes);
        let &[kind, a, b, c, ref body @ ..] = &self.0[..] else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if kind != CLIENT_HELLO {
            return Err(alert(UNEXPECTED_MESSAGE));
        }
        if length > MAX_LENGTH {
            return Err(alert(DECODE_ERROR));
        }
        if body.len() < length {
            return Ok(None);
        }
        let bytes = std::mem::take(&mut self.0);
        let accepted = parse(&bytes[..4 + length])?;
        Ok(Some(Whole { accepted, bytes }))
    }
}

/// Parses a ClientHello. rustls expects the form of TCP, so this function adds the record headers that QUIC omits
/// (RFC 9001 §4).
fn parse(hello: &[u8]) -> Result<Accepted, TransportError> {
    const HANDSHAKE: u8 = 22;
    let mut acceptor = Acceptor::default();
    for payload in hello.chunks(MAX_RECORD) {
        let [high, low] = (payload.len() as u16).to_be_bytes();
        let record = [&[HANDSHAKE, 3, 3, high, low], payload].concat();
        let mut record = &record[..];
        while !record.is_empty() {
            if acceptor.read_tls(&mut record).is_err() {
                return Err(alert(DECODE_ERROR));
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return Ok(accepted),
                Err((_, mut sent)) => {
                    // The record of an alert ends with the alert's number.
                    let mut record = Vec::new();
                    let _ = sent.write_all(&mut record);
                    return Err(alert(record.last().copied().unwrap_or(DECODE_ERROR)));
                }
            }
        }
    }
    Err(alert(DECODE_ERROR))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    /// A ClientHello without record headers, made longer by this many ALPN protocols of 200 octets.
    fn hello(protocols: usize) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![vec![b'x'; 200]; protocols];
        let name = ServerName::try_from("a.test").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut records = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut records).unwrap();
        }
        let mut hello = Vec::new();
        let mut rest = &records[..];
        while let [_, _, _, high, low, tail @ ..] = rest {
            let (payload, tail) = tail.split_at(u16::from_be_bytes([*high, *low]).into());
            hello.extend_from_slice(payload);
            rest = tail;
        }
        hello
    }

    #[test]
    fn it_is_whole_with_its_last_byte_however_it_is_cut() {
        for hello in [hello(0), hello(300)] {
            for size in [1, 4, 7, 1200, MAX_RECORD, MAX_RECORD + 1, hello.len()] {
                let mut reader = ClientHello::default();
                let mut chunks = hello.chunks(size);
                let last = chunks.next_back().unwrap();
                for chunk in chunks {
                    assert!(reader.read(chunk).unwrap().is_none());
                }
                assert!(reader.read(&[]).unwrap().is_none());
                let whole = reader.read(last).unwrap().unwrap();
                assert_eq!(whole.accepted.client_hello().server_name(), Some("a.test"));
                assert_eq!(whole.bytes, hello);
            }
        }
    }

    #[test]
    fn what_comes_with_its_end_is_left_to_the_session() {
        let mut bytes = hello(0);
        bytes.extend_from_slice(b"more");
        let whole = ClientHello::default().read(&bytes).unwrap().unwrap();
        assert_eq!(whole.accepted.client_hello().server_name(), Some("a.test"));
        assert_eq!(whole.bytes, bytes);
    }

    #[test]
    fn anything_else_ends_the_connection_with_an_alert() {
        // An extension that is longer than the rest.
        let mut cut = hello(0);
        cut.truncate(100);
        let length = (cut.len() - 4) as u8;
        cut[1..4].copy_from_slice(&[0, 0, length]);
        // Without signature_algorithms: handshake_failure.
        let mut bare = vec![1, 0, 0, 43, 3, 3];
        bare.extend([0; 32]);
        bare.extend([0, 0, 2, 0x13, 0x01, 1, 0, 0, 0]);
        for (bytes, number) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], UNEXPECTED_MESSAGE),
            (&[2, 0, 0, 0], UNEXPECTED_MESSAGE),
            (&[1, 0, 0, 0], DECODE_ERROR),
            (&[1, 1, 0, 0], DECODE_ERROR),
            (&cut, DECODE_ERROR),
            (&bare, 40),
        ] {
            let error = ClientHello::default().read(bytes).err();
            let code = error.map(|error| u64::from(error.code));
            assert_eq!(code, Some(0x100 + u64::from(number)), "{bytes:?}");
        }
        // The longest ClientHello that may still arrive.
        let reader = &mut ClientHello::default();
        assert!(reader.read(&[1, 0, 0xff, 0xff]).unwrap().is_none());
    }
}
