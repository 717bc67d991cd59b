//! Reads a PROXY protocol header from a connection, and not one octet more. The grammar of a header lives in `version`,
//! and the peers that send a header live in `settings`.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::invalid::Invalid;
use super::version::{least_length, parse};
use crate::connection::canonical;
use crate::peers::Peers;

/// The header of one connection while it is read.
pub(crate) struct HeaderReader {
    /// The peer that sends the header, for errors.
    peer: Option<SocketAddr>,
    /// The octets that have arrived, and space for the least number of octets that must follow.
    header: Vec<u8>,
    read: usize,
}

impl HeaderReader {
    /// Returns the reader for a connection from `peer`, if `peer` must send a header.
    pub(crate) fn of(peers: &Peers, peer: Option<SocketAddr>) -> Option<Self> {
        peers.contains_peer(peer).then(|| Self {
            peer: peer.map(canonical),
            header: Vec::new(),
            read: 0,
        })
    }

    /// Reads the rest of the header. Returns the address of the client, if the header contains one.
    ///
    /// # Errors
    ///
    /// - `InvalidData` if the header is missing or invalid
    /// - `UnexpectedEof` if the connection ends before the header does
    /// - the error of the transport
    pub(crate) fn poll<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<SocketAddr>>> {
        loop {
            let read = &self.header[..self.read];
            let least = least_length(read).map_err(|invalid| self.invalid(&invalid))?;
            if least <= self.read {
                let client = parse(read).map_err(|invalid| self.invalid(&invalid))?;
                return Poll::Ready(Ok(client.map(canonical)));
            }
            // The length is exact before it can be large, so no memory is reserved without need.
            self.header.resize(least, 0);
            let mut rest = ReadBuf::new(&mut self.header[self.read..]);
            ready!(Pin::new(&mut *io).poll_read(context, &mut rest))?;
            match rest.filled().len() {
                0 => return Poll::Ready(Err(self.ended())),
                filled => self.read += filled,
            }
        }
    }

    fn invalid(&self, invalid: &Invalid) -> io::Error {
        self.error(io::ErrorKind::InvalidData, &invalid.to_string())
    }

    fn ended(&self) -> io::Error {
        let problem = format!("the connection ended after {} octets", self.read);
        self.error(io::ErrorKind::UnexpectedEof, &problem)
    }

    fn error(&self, kind: io::ErrorKind, problem: &str) -> io::Error {
        let text = match self.peer {
            Some(peer) => format!("PROXY protocol header from {peer}: {problem}"),
            None => format!("PROXY protocol header: {problem}"),
        };
        io::Error::new(kind, text)
    }
}
