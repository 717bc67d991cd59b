//! `ProxyProtocol` as an acceptor of plaintext connections. Reading only the header lives in `proxy_protocol`.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};

use super::stream::PlaintextStream;
use crate::connection::ConnectionInfo;
use crate::listening::{Addresses, Bounds, Given, Late, Pending, local_addr, peer_addr};
use crate::proxy_protocol::ProxyProtocol;

impl ProxyProtocol {
    /// Accepts a plaintext connection: reads the header, if the peer must send one, and returns the stream after the
    /// header. If `io` is a `TcpStream`, the acceptor also records the addresses of the socket.
    ///
    /// Use it for a server behind a gateway that terminates TLS. [`PlaintextListener`](crate::PlaintextListener) calls
    /// this method, and so does axum-server with `.acceptor(proxy_protocol)`.
    ///
    /// # Errors
    ///
    /// An error affects only this connection. With the feature `tracing`, it is logged at debug level.
    ///
    /// - the errors of [`read`](Self::read)
    /// - [`TimedOut`](io::ErrorKind::TimedOut), if the header did not arrive within the
    ///   [time limit](Self::header_timeout)
    /// - [`Other`](io::ErrorKind::Other), if [too many connections](Self::max_pending_headers) waited for their header,
    ///   and this one was the oldest
    ///
    /// ```
    /// use tokio::net::TcpStream;
    /// use tower_misdirected::{Peers, ProxyProtocol};
    ///
    /// async fn accept(tcp: TcpStream) -> std::io::Result<()> {
    ///     let stream = ProxyProtocol::from_peers(Peers::any()).accept(tcp).await?;
    ///     println!("from {:?}", stream.connection_info().client_addr());
    ///     Ok(())
    /// }
    /// ```
    pub fn accept<IO>(
        &self,
        io: IO,
    ) -> impl Future<Output = io::Result<PlaintextStream<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.accept_given(io, None)
    }

    /// Accepts a plaintext connection on a transport whose addresses the caller provides. Otherwise like
    /// [`accept`](Self::accept), with the same errors.
    ///
    /// ```
    /// use tokio::io::DuplexStream;
    /// use tower_misdirected::{Addresses, Peers, ProxyProtocol};
    ///
    /// async fn accept(io: DuplexStream) -> std::io::Result<()> {
    ///     let addresses = Addresses::new().peer_addr(std::net::SocketAddr::from(([10, 0, 0, 1], 50000)));
    ///     let proxy_protocol = ProxyProtocol::from_peers(Peers::any());
    ///     let stream = proxy_protocol.accept_with_addresses(io, addresses).await?;
    ///     println!("from {:?}", stream.connection_info().client_addr());
    ///     Ok(())
    /// }
    /// ```
    pub fn accept_with_addresses<IO>(
        &self,
        io: IO,
        addresses: Addresses,
    ) -> impl Future<Output = io::Result<PlaintextStream<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.accept_given(io, Some(Box::new(addresses)))
    }

    pub(super) fn accept_given<IO>(
        &self,
        mut io: IO,
        given: Given,
    ) -> impl Future<Output = io::Result<PlaintextStream<IO>>> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let settings = self.clone();
        async move {
            let peer = peer_addr(&given, &io);
            let mut client = None;
            if let Some(mut header) = settings.header_from(peer) {
                let mut bounds = pin!(Bounds::new(&settings.pending, settings.timeout));
                let header = poll_fn(|context| {
                    if let Poll::Ready(header) = header.poll(&mut io, context) {
                        return Poll::Ready(header);
                    }
                    let late = bounds.as_mut().poll(context);
                    late.map(|late| Err(late_header(late)))
                });
                client = header.await.inspect_err(|_error| {
                    #[cfg(feature = "tracing")]
                    tracing::debug!(
                        error = %_error,
                        network.peer.address = peer.map(|peer| tracing::field::display(peer.ip())),
                        network.peer.port = peer.map(|peer| peer.port()),
                        "connection closed: no valid PROXY protocol header"
                    );
                })?;
            }
            let mut info = ConnectionInfo::plaintext();
            if let Some(peer) = peer {
                info = info.peer_addr(peer);
            }
            if let Some(local) = local_addr(&given, &io) {
                info = info.local_addr(local);
            }
            if let Some(client) = client {
                info = info.client_addr(client);
            }
            Ok(PlaintextStream::new(io, info.build()))
        }
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }
}

fn late_header(late: Late) -> io::Error {
    match late {
        Late::TimedOut => io::Error::new(
            io::ErrorKind::TimedOut,
            "the PROXY protocol header took longer than `header_timeout` allows; check that the peer sends one",
        ),
        Late::TooManyPending => io::Error::other(
            "more connections wait for their PROXY protocol header than `max_pending_headers` allows, and this is the \
             oldest; check that the peers send one",
        ),
    }
}
