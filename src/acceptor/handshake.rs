//! One handshake over TCP, from the first byte to the `ConnectionInfo`, within its time and its place among
//! the others.

use std::any::Any;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use rustls::ProtocolVersion;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{Unconstrained, unconstrained};
use tokio::time::Sleep;
use tokio_rustls::{Accept, LazyConfigAcceptor};

use super::pending::Place;
use super::{Chosen, TlsAcceptor, TlsStream, Transport, UNRECOGNIZED_NAME};
use crate::connection::{ConnectionInfo, Facts, Security, TlsVersion};

pin_project! {
    /// The future of a handshake. Written by hand, because a connection is large, and each async function
    /// that hands it on copies it.
    #[project = AcceptingProjection]
    pub(super) struct Accepting<IO, F> {
        acceptor: TlsAcceptor,
        refuse: fn(IO, Option<String>) -> F,
        stage: Stage<IO, F>,
        chosen: Option<Chosen>,
        // From the first poll, from which the time counts, to the last.
        #[pin]
        bounds: Option<Bounds>,
    }
}

enum Stage<IO, F> {
    /// Waits for the ClientHello, which chooses the configuration.
    Choosing(LazyConfigAcceptor<IO>),
    Begun(Accept<IO>),
    Refusing(Pin<Box<F>>),
    Over,
}

impl<IO, F> Accepting<IO, F>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn new(acceptor: TlsAcceptor, io: IO, refuse: fn(IO, Option<String>) -> F) -> Self {
        let chosen = acceptor.source.fixed(Transport::Tcp);
        let stage = match &chosen {
            Some(chosen) => {
                let config = chosen.config.clone();
                Stage::Begun(tokio_rustls::TlsAcceptor::from(config).accept(io))
            }
            None => Stage::Choosing(LazyConfigAcceptor::new(Acceptor::default(), io)),
        };
        Self {
            acceptor,
            refuse,
            stage,
            chosen,
            bounds: None,
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
            this.bounds.set(Some(Bounds::new(this.acceptor)));
        }
        let mut accepted = this.poll_stage(context);
        if accepted.is_pending() {
            let Some(bounds) = this.bounds.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            accepted = Poll::Ready(Err(ready!(bounds.poll(context))));
        }
        this.bounds.set(None);
        *this.stage = Stage::Over;
        let chosen = this.chosen.take();
        // A stream is looked at where it is, and moved once.
        let info = match accepted {
            Poll::Ready(Ok(ref stream)) => info(this.acceptor, chosen, stream),
            Poll::Ready(Err(error)) => {
                // In debug form, which escapes whatever a peer may have put there.
                #[cfg(feature = "tracing")]
                tracing::debug!(?error, "TLS handshake failed");
                return Poll::Ready(Err(error));
            }
            Poll::Pending => return Poll::Pending,
        };
        accepted.map_ok(|stream| TlsStream::new(stream, info))
    }
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
        if let Stage::Choosing(start) = self.stage {
            let start = ready!(Pin::new(start).poll(context))?;
            let client_hello = start.client_hello();
            *self.chosen = self.acceptor.choose(&client_hello, Transport::Tcp);
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
            Stage::Choosing(_) | Stage::Over => Poll::Pending,
        }
    }
}

pin_project! {
    /// How long a handshake may take, and how many there may be.
    struct Bounds {
        // Even a client whose data never ends is no reason not to look at the time.
        #[pin]
        time_limit: Unconstrained<Sleep>,
        place: Place,
    }
}

impl Bounds {
    fn new(acceptor: &TlsAcceptor) -> Self {
        Self {
            time_limit: unconstrained(tokio::time::sleep(acceptor.handshake_timeout)),
            place: acceptor.pending.enter(),
        }
    }

    /// Ready with an error when the handshake is to end.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Error> {
        let this = self.project();
        if this.place.poll_lost(context).is_ready() {
            return Poll::Ready(io::Error::other(
                "too many TLS handshakes are pending, and this is the oldest",
            ));
        }
        let late = "the TLS handshake took too long";
        let time_limit = this.time_limit.poll(context);
        time_limit.map(|()| io::Error::new(io::ErrorKind::TimedOut, late))
    }
}

/// What the handshake came to.
fn info<IO: 'static>(
    acceptor: &TlsAcceptor,
    chosen: Option<Chosen>,
    stream: &tokio_rustls::server::TlsStream<IO>,
) -> ConnectionInfo {
    let (io, connection) = stream.get_ref();
    let mut facts = Facts::new(Security::Tls);
    let mut server_name = None;
    if let Some(chosen) = chosen {
        if let Some(names) = acceptor.names_presented(&chosen.recorder) {
            facts.certificate_names = names;
        }
        facts.binding = chosen.binding;
        server_name = chosen.server_name;
    }
    let unread = || connection.server_name()?.parse().ok();
    facts.set_server_name(server_name.or_else(unread));
    facts.alpn = connection.alpn_protocol().map(Into::into);
    facts.tls_version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Some(TlsVersion::V1_2),
        Some(ProtocolVersion::TLSv1_3) => Some(TlsVersion::V1_3),
        _ => None,
    };
    if let Some(chain) = connection.peer_certificates() {
        facts.client_certificates = chain.iter().map(|der| der.as_ref().into()).collect();
    }
    if let Some(tcp) = (io as &dyn Any).downcast_ref::<TcpStream>() {
        facts.peer_addr = tcp.peer_addr().ok();
        facts.local_addr = tcp.local_addr().ok();
    }
    facts.into_info()
}

/// Tells the client that no virtual host has its server name (RFC 6066 §3), in the clear, as nothing else
/// has been agreed on.
pub(super) async fn refuse<IO: AsyncWrite + Unpin>(
    mut io: IO,
    server_name: Option<String>,
) -> io::Error {
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    let alert = [ALERT, 3, 3, 0, 2, FATAL, UNRECOGNIZED_NAME];
    let sent = async {
        io.write_all(&alert).await?;
        io.shutdown().await
    };
    match sent.await {
        Ok(()) => io::Error::new(
            io::ErrorKind::InvalidData,
            format!("no virtual host for the server name {server_name:?}, and no default"),
        ),
        Err(error) => error,
    }
}
