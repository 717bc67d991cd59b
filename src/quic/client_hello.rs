//! The ClientHello of a QUIC handshake, which may span frames and packets.

use quinn_proto::TransportError;
use rustls::server::{Accepted, Acceptor};

use super::alert;

const DECODE_ERROR: u8 = 50;

/// The largest payload of a TLS record, and the type that says handshake (RFC 8446 §5.1).
const MAX_RECORD: usize = 1 << 14;
const HANDSHAKE: u8 = 22;

/// The bytes that have come so far, and a parser of rustls's that has seen them.
#[derive(Default)]
pub(super) struct ClientHello {
    acceptor: Acceptor,
    bytes: Vec<u8>,
}

/// A ClientHello that is whole.
pub(super) struct Whole {
    pub(super) accepted: Accepted,
    /// Everything that has come, for the session that is to read it again.
    pub(super) bytes: Vec<u8>,
}

impl ClientHello {
    /// Adds what a CRYPTO frame brought. rustls parses it as it would over TCP, so it gets the record
    /// headers that QUIC does without (RFC 9001 §4).
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Whole>, TransportError> {
        self.bytes.extend_from_slice(bytes);
        for payload in bytes.chunks(MAX_RECORD) {
            let [high, low] = (payload.len() as u16).to_be_bytes();
            let record = [&[HANDSHAKE, 3, 3, high, low], payload].concat();
            if let Some(accepted) = self.read_record(&record)? {
                let bytes = std::mem::take(&mut self.bytes);
                return Ok(Some(Whole { accepted, bytes }));
            }
        }
        Ok(None)
    }

    fn read_record(&mut self, mut record: &[u8]) -> Result<Option<Accepted>, TransportError> {
        while !record.is_empty() {
            let read = self.acceptor.read_tls(&mut record);
            if read.is_err() {
                return Err(alert(DECODE_ERROR));
            }
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(accepted) => return Ok(accepted),
                Err((_, mut sent)) => {
                    // The record of an alert ends with the alert's number.
                    let mut record = Vec::new();
                    let _ = sent.write_all(&mut record);
                    return Err(alert(record.last().copied().unwrap_or(DECODE_ERROR)));
                }
            }
        }
        Ok(None)
    }
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
        // The long one is near rustls's limit, which counts the record headers.
        for (hello, sizes) in [
            (hello(0), &[1, 7, 100, 1200][..]),
            (hello(300), &[1200, MAX_RECORD, MAX_RECORD + 1, usize::MAX]),
        ] {
            for &size in sizes {
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
    fn anything_else_ends_the_connection_with_an_alert() {
        let mut cut = hello(0);
        cut.truncate(100);
        let length = (cut.len() - 4) as u8;
        cut[1..4].copy_from_slice(&[0, 0, length]);
        for (bytes, name) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "plain text"),
            (&[2, 0, 0, 0], "a ServerHello"),
            (&[1, 0, 0, 0], "an empty ClientHello"),
            (&[1, 0xff, 0xff, 0xff], "sixteen megabytes to come"),
            (&cut, "an extension that is longer than the rest"),
        ] {
            let error = ClientHello::default().read(bytes).err();
            let error = error.unwrap_or_else(|| panic!("{name} is taken"));
            assert!(
                (0x100..0x200).contains(&u64::from(error.code)),
                "{name}: {error}"
            );
        }
    }
}
