//! One handshake over TCP, from the first byte to the `ConnectionInfo`, within its time limit. The bound on pending
//! handshakes lives in `pending`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{Accept, LazyConfigAcceptor};

use super::endings::Endings;
use super::established::info;
#[cfg(feature = "proxy-protocol")]
use super::header::{Header, is_gateways_own};
use super::stream::{Protocol, TlsStream};
use crate::handshake::{
    ACME_TLS, Chooser, Chosen, Ended, FailureReason, HandshakeFailure, Transport,
};
#[cfg(feature = "proxy-protocol")]
use crate::listening::is_reset;
use crate::listening::{Bounds, Given, Late, Pending, local_addr, peer_addr};
#[cfg(feature = "proxy-protocol")]
use crate::proxy_protocol::HeaderReader;

/// The state that all handshakes of an acceptor share.
#[derive(Clone)]
pub(super) struct Handshakes {
    pub(super) chooser: Chooser,
    pub(super) timeout: Duration,
    pub(super) pending: Arc<Pending>,
    pub(super) endings: Arc<Endings>,
    #[cfg(feature = "proxy-protocol")]
    /// The peers that send a header before the handshake.
    pub(super) proxy_protocol: Option<crate::Peers>,
}

impl Handshakes {
    /// Returns whether the peer must be known before the handshake: for a report if the handshake fails, or because
    /// only some peers send PROXY protocol headers.
    #[inline]
    pub(super) fn asks_for_peer(&self) -> bool {
        #[cfg(feature = "proxy-protocol")]
        if self.proxy_protocol.is_some() {
            return true;
        }
        self.chooser.reports()
    }
}

pin_project! {
    /// The future of a handshake. It is written by hand, because a connection is large and every async function that
    /// returns one copies it.
    #[project = AcceptingProjection]
    pub(super) struct Accepting<IO, F> {
        handshakes: Arc<Handshakes>,
        transport: Transport,
        given: Given,
        refuse: fn(IO, Option<String>) -> F,
        stage: Stage<IO, F>,
        chosen: Option<Chosen>,
        // Set by the first poll, which starts the time limit, and unset by the last poll.
        #[pin]
        bounds: Option<Bounds>,
    }
}

enum Stage<IO, F> {
    /// Reads the header before the handshake. Boxed, because most connections have no header.
    #[cfg(feature = "proxy-protocol")]
    Header(Box<Header<IO>>),
    /// Waits for the ClientHello.
    Choosing(LazyConfigAcceptor<IO>),
    Begun(Accept<IO>),
    Refusing(Pin<Box<F>>),
    /// The peer reset the connection before it was accepted.
    #[cfg(feature = "proxy-protocol")]
    Reset,
    Over,
}

impl<IO, F> Accepting<IO, F>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    #[inline]
    pub(super) fn new(
        handshakes: Arc<Handshakes>,
        transport: Transport,
        io: IO,
        mut given: Given,
        refuse: fn(IO, Option<String>) -> F,
    ) -> Self {
        // A failed handshake drops its transport, so the address is read first.
        if handshakes.chooser.reports() {
            let peer = peer_addr(&given, &io);
            given.get_or_insert_default().peer = peer;
        }
        #[cfg(feature = "proxy-protocol")]
        if let Some(peers) = &handshakes.proxy_protocol {
            if let Some(reader) = HeaderReader::of(peers, peer_addr(&given, &io)) {
                let header = Box::new(Header::new(io, reader));
                return Self::at(
                    Stage::Header(header),
                    None,
                    handshakes,
                    transport,
                    given,
                    refuse,
                );
            }
            // The address of the peer is gone, so it is unknown whether a header was required. Most likely this is a
            // health check.
            if is_reset(&given, &io) {
                given.get_or_insert_default().is_gateways_own = true;
                return Self::at(Stage::Reset, None, handshakes, transport, given, refuse);
            }
        }
        let chosen = handshakes.chooser.choose_early(transport);
        let stage = Stage::of_handshake(chosen.as_ref(), io);
        Self::at(stage, chosen, handshakes, transport, given, refuse)
    }

    #[inline]
    fn at(
        stage: Stage<IO, F>,
        chosen: Option<Chosen>,
        handshakes: Arc<Handshakes>,
        transport: Transport,
        given: Given,
        refuse: fn(IO, Option<String>) -> F,
    ) -> Self {
        Self {
            handshakes,
            transport,
            given,
            refuse,
            stage,
            chosen,
            bounds: None,
        }
    }
}

impl<IO, F> Stage<IO, F>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    #[inline]
    fn of_handshake(chosen: Option<&Chosen>, io: IO) -> Self {
        match chosen {
            Some(chosen) => {
                let config = chosen.config.clone();
                Self::Begun(tokio_rustls::TlsAcceptor::from(config).accept(io))
            }
            None => Self::Choosing(LazyConfigAcceptor::new(Acceptor::default(), io)),
        }
    }
}

impl<IO, F> Future for Accepting<IO, F>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = io::Error>,
{
    type Output = io::Result<TlsStream<IO>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.bounds.is_none() && !matches!(this.stage, Stage::Over) {
            this.bounds.set(Some(Bounds::new(
                &this.handshakes.pending,
                this.handshakes.timeout,
            )));
        }
        let mut accepted = this.poll_stage(context);
        if accepted.is_pending() {
            let Some(bounds) = this.bounds.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            accepted = Poll::Ready(Err(ended(ready!(bounds.poll(context)))));
        }
        if let Poll::Ready(Err(error)) = &accepted {
            this.report(error);
        }
        this.bounds.set(None);
        *this.stage = Stage::Over;
        let chosen = this.chosen.take();
        let is_challenge = chosen.as_ref().is_some_and(|chosen| chosen.is_challenge);
        // The stream is read in place, so that it is moved only once.
        let info = match accepted {
            Poll::Ready(Ok(ref stream)) => {
                info(&this.handshakes.chooser, chosen, stream, this.given)
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        if is_challenge || info.alpn() == Some(ACME_TLS) {
            return end_challenge(accepted, context);
        }
        let protocol = Protocol::of(&info, &this.handshakes.endings);
        accepted.map_ok(|stream| TlsStream::new(stream, info, protocol))
    }
}

#[cold]
fn ended(late: Late) -> io::Error {
    match late {
        Late::TimedOut => Ended::TimedOut.into(),
        Late::TooManyPending => Ended::TooManyPending.into(),
    }
}

/// Closes a connection that carries nothing after its handshake. Octets that the socket does not accept at once are
/// dropped, because the client does not wait for them.
#[cold]
fn end_challenge<IO: AsyncRead + AsyncWrite + Unpin, T>(
    accepted: Poll<io::Result<tokio_rustls::server::TlsStream<IO>>>,
    context: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if let Poll::Ready(Ok(mut stream)) = accepted {
        let _ = Pin::new(&mut stream).poll_shutdown(context);
    }
    Poll::Ready(Err(Ended::Challenge.into()))
}

impl<IO, F> AcceptingProjection<'_, IO, F>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = io::Error>,
{
    #[inline]
    fn poll_stage(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<tokio_rustls::server::TlsStream<IO>>> {
        #[cfg(feature = "proxy-protocol")]
        if let Stage::Header(_) = self.stage {
            ready!(self.poll_header(context))?;
        }
        if let Stage::Choosing(start) = self.stage {
            let start = ready!(Pin::new(start).poll(context))?;
            let client_hello = start.client_hello();
            let transport = *self.transport;
            let given = &*self.given;
            *self.chosen = self
                .handshakes
                .chooser
                .choose(&client_hello, transport, || {
                    Some(local_addr(given, &start.io)?.ip())
                });
            if let Some(chosen) = self.chosen {
                *self.stage = Stage::Begun(start.into_stream(chosen.config.clone()));
            } else {
                let server_name = client_hello.server_name().map(str::to_owned);
                let refused = (self.refuse)(start.io, server_name);
                *self.stage = Stage::Refusing(Box::pin(refused));
            }
        }
        match self.stage {
            Stage::Begun(accept) => Pin::new(accept).poll(context),
            Stage::Refusing(refused) => refused.as_mut().poll(context).map(Err),
            #[cfg(feature = "proxy-protocol")]
            Stage::Header(_) => Poll::Pending,
            #[cfg(feature = "proxy-protocol")]
            Stage::Reset => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the connection was reset before it was accepted",
            ))),
            Stage::Choosing(_) | Stage::Over => Poll::Pending,
        }
    }

    /// Reports to the operator why the handshake failed.
    #[cold]
    fn report(&self, error: &io::Error) {
        #[cfg(feature = "proxy-protocol")]
        let in_header = matches!(self.stage, Stage::Header(_));
        #[cfg(not(feature = "proxy-protocol"))]
        let in_header = false;
        let given = self.given.as_deref().copied().unwrap_or_default();
        let failure = HandshakeFailure {
            error,
            reason: FailureReason::of(error, in_header),
            peer_addr: given.peer,
            client_addr: given.client,
            server_name: self
                .chosen
                .as_ref()
                .and_then(|chosen| chosen.server_name.as_ref()),
            virtual_host: self.chosen.as_ref().and_then(Chosen::virtual_host),
        };
        // A health check of a gateway ends after its header. That is not a failure.
        let is_check = given.is_gateways_own && failure.reason == FailureReason::Closed;
        if !is_check {
            self.handshakes.chooser.report(&failure);
        }
    }

    /// Reads the header, and starts the handshake after it. A separate function, so that other handshakes do not pay
    /// for it.
    #[cfg(feature = "proxy-protocol")]
    #[cold]
    fn poll_header(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Stage::Header(header) = self.stage {
            let (io, client_addr) = ready!(header.poll(context))?;
            let handshakes = &*self.handshakes;
            let peers = handshakes.proxy_protocol.as_ref();
            let peer = peer_addr(self.given, &io);
            let given = self.given.get_or_insert_default();
            given.client = client_addr;
            given.is_gateways_own =
                peers.is_some_and(|peers| is_gateways_own(peers, peer, client_addr));
            *self.chosen = handshakes.chooser.choose_early(*self.transport);
            *self.stage = Stage::of_handshake(self.chosen.as_ref(), io);
        }
        Poll::Ready(Ok(()))
    }
}
