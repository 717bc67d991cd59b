//! Headers as gateways make them, and connections that begin with one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub const LOCAL: u8 = 0x20;
pub const PROXY: u8 = 0x21;
pub const TCP4: u8 = 0x11;

pub const ALPN: u8 = 0x01;
pub const AUTHORITY: u8 = 0x02;
pub const CRC32C: u8 = 0x03;
pub const NOOP: u8 = 0x04;
pub const UNIQUE_ID: u8 = 0x05;
pub const SSL: u8 = 0x20;
pub const NETNS: u8 = 0x30;

/// A header of version 1 whose client is [`CLIENT`].
pub const V1: &[u8] = b"PROXY TCP4 192.0.2.7 203.0.113.1 49152 443\r\n";
pub const CLIENT: &str = "192.0.2.7:49152";

/// The addresses and ports of [`V1`], as version 2 has them.
pub const ADDRESSES: [u8; 12] = [192, 0, 2, 7, 203, 0, 113, 1, 0xc0, 0, 1, 0xbb];

/// A header of version 2.
pub fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap();
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(length.to_be_bytes());
    header.extend(rest);
    header
}

/// A header of version 2 whose client is [`CLIENT`], with these fields.
pub fn tcp4(fields: &[u8]) -> Vec<u8> {
    v2(PROXY, TCP4, &[&ADDRESSES, fields].concat())
}

/// A type, a length and a value.
pub fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    let mut field = vec![kind];
    field.extend(length.to_be_bytes());
    field.extend(value);
    field
}

/// The field about TLS: the client's TLS version, without a certificate.
pub fn ssl() -> Vec<u8> {
    field(
        SSL,
        &[&[1, 0, 0, 0, 0][..], &field(0x21, b"TLSv1.3")].concat(),
    )
}

/// The same header with its checksum, which has room for it at the end.
pub fn with_checksum(mut header: Vec<u8>) -> Vec<u8> {
    let at = header.len() - 4;
    header[at..].fill(0);
    // RFC 9260 appendix A, bit by bit.
    let sum = !header.iter().fold(u32::MAX, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 & 0_u32.wrapping_sub(sum & 1))
        })
    });
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

/// A client's transport whose first octets are a header. The header and the first write of the client are sent
/// together, in two parts: the server reads the first part before the second is sent.
pub struct Behind<IO> {
    io: IO,
    unsent: Vec<u8>,
    first_part: usize,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Waiting,
    Sending,
    Sent,
}

impl<IO> Behind<IO> {
    /// In one part.
    pub fn new(header: &[u8], io: IO) -> Self {
        Self::split_at(header, io, 0)
    }

    pub fn split_at(header: &[u8], io: IO, first_part: usize) -> Self {
        Self {
            io,
            unsent: header.to_owned(),
            first_part,
            state: State::Waiting,
        }
    }
}

impl<IO: AsyncWrite + Unpin> Behind<IO> {
    fn send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let part = match self.first_part {
                0 => self.unsent.len(),
                first => first.min(self.unsent.len()),
            };
            let sent = ready!(Pin::new(&mut self.io).poll_write(context, &self.unsent[..part]))?;
            self.unsent.drain(..sent);
            if self.first_part > 0 {
                self.first_part -= sent.min(self.first_part);
                if self.first_part == 0 {
                    // The task of the server has been woken before this one.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        self.state = State::Sent;
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Behind<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Behind<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.state == State::Waiting {
            self.unsent.extend_from_slice(octets);
            self.state = State::Sending;
            return Poll::Ready(Ok(octets.len()));
        }
        ready!(self.send(context))?;
        Pin::new(&mut self.io).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state == State::Sending {
            ready!(self.send(context))?;
        }
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
