//! What the rule and other people's readers say about a header. Shares no code with the crate, and the fuzz target
//! uses it too.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use ppp::v1::Addresses;
use ppp::v2::{Addresses as Addresses2, Protocol, TypeLengthValues};
use tokio::io::{AsyncRead, ReadBuf};
use tower_misdirected::{Peers, ProxyProtocol};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header that begins the octets: its length, and the address of the client if it has one.
pub type Header = (usize, Option<SocketAddr>);

/// The header that these octets begin with, or `None` if there is no valid and complete one.
pub fn header(octets: &[u8]) -> Option<Header> {
    match octets.starts_with(SIGNATURE) {
        true => version_2(octets),
        false => version_1(octets),
    }
}

fn version_1(octets: &[u8]) -> Option<Header> {
    let end = octets.windows(2).take(106).position(|two| two == b"\r\n")?;
    let line = &octets[..end];
    if line.iter().any(|octet| b"\r\n".contains(octet)) {
        return None;
    }
    if line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ") {
        return Some((end + 2, None));
    }
    // All of the readers take a sign before a port.
    if line.contains(&b'+') {
        return None;
    }
    let header = ppp::v1::Header::try_from(octets).ok()?;
    let client = match header.addresses {
        Addresses::Unknown => None,
        Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
        Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
    };
    Some((header.header.len(), client))
}

fn version_2(octets: &[u8]) -> Option<Header> {
    let [.., command, family, high, low] = *octets.first_chunk::<16>()?;
    let length = 16 + usize::from(u16::from_be_bytes([high, low]));
    let header = octets.get(..length).filter(|_| length <= 4096)?;
    let unspecified = matches!((family >> 4, family & 15), (0..4, 0) | (0, 0..3));
    match command {
        0x20 => return Some((length, None)),
        0x21 if unspecified => return Some((length, None)),
        _ => {}
    }
    let parsed = ppp::v2::Header::try_from(header).ok()?;
    // Its checksum, the length of a unique id, and how the fields about TLS fit into each other.
    proxy_protocol_rs::parse(header).ok()?;
    let mut checksums = 0;
    for field in parsed.tlvs() {
        let field = field.ok()?;
        let is_well_formed = match field.kind {
            0x02 => std::str::from_utf8(&field.value).is_ok(),
            0x03 => {
                checksums += 1;
                checksums == 1
            }
            0x20 => ssl_has_text(&field.value),
            0x30 => field.value.is_ascii(),
            _ => true,
        };
        if !is_well_formed {
            return None;
        }
    }
    let client = match parsed.addresses {
        _ if parsed.protocol != Protocol::Stream => None,
        Addresses2::IPv4(ip) => Some((ip.source_address, ip.source_port).into()),
        Addresses2::IPv6(ip) => Some((ip.source_address, ip.source_port).into()),
        Addresses2::Unspecified | Addresses2::Unix(_) => None,
    };
    Some((length, client))
}

/// Whether the fields about TLS that are text are ASCII.
fn ssl_has_text(value: &[u8]) -> bool {
    TypeLengthValues::from(&value[5..]).all(|field| match field {
        Ok(field) if [0x21, 0x23, 0x24, 0x25].contains(&field.kind) => field.value.is_ascii(),
        Ok(_) => true,
        Err(_) => false,
    })
}

/// Reads a header with the crate from octets that arrive in pieces of this size. Returns how many octets it took.
pub fn read(octets: &[u8], piece: usize) -> (io::Result<Option<SocketAddr>>, usize) {
    let mut io = Pieces {
        octets,
        piece,
        pending: false,
    };
    let any = ProxyProtocol::from_peers(Peers::any());
    let result = {
        let mut reading = pin!(any.read(&mut io, None));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(result) = reading.as_mut().poll(&mut context) {
                break result;
            }
        }
    };
    (result, octets.len() - io.octets.len())
}

struct Pieces<'a> {
    octets: &'a [u8],
    piece: usize,
    pending: bool,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pending = !self.pending;
        if self.pending {
            return Poll::Pending;
        }
        let length = buffer.remaining().min(self.piece).min(self.octets.len());
        let (read, rest) = self.octets.split_at(length);
        buffer.put_slice(read);
        self.octets = rest;
        Poll::Ready(Ok(()))
    }
}
