//! One handshake over TCP, from the first byte to the `ConnectionInfo`, within its time and its place among
//! the others.

use std::any::Any;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use rustls::server::Acceptor;
use rustls::{ProtocolVersion, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{Unconstrained, unconstrained};
use tokio::time::Sleep;
use tokio_rustls::{Accept, LazyConfigAcceptor};

use super::pending::Place;
use super::{Chosen, Recorder, TlsAcceptor, TlsStream, Transport, UNRECOGNIZED_NAME};
use crate::certificate::CertificateNames;
use crate::connection::{ConnectionInfo, TlsVersion};
use crate::host::Host;
use crate::virtual_hosts::Binding;

pin_project! {
    /// The future of a handshake. Written by hand, because a connection is large, and each async function
    /// that hands it on copies it.
    pub(super) struct Accepting<IO, F> {
        acceptor: TlsAcceptor,
        // Until the first poll, from which the time counts.
        arrived: Option<IO>,
        refuse: fn(IO, Option<String>) -> F,
        stage: Stage<IO, F>,
        #[pin]
        bounds: Option<Bounds>,
    }
}

enum Stage<IO, F> {
    /// Waits for the ClientHello, which chooses the configuration.
    Choosing(LazyConfigAcceptor<IO>),
    Begun(Begun<IO>),
    Refusing(Pin<Box<F>>),
    /// Before the first poll, and after the last.
    Idle,
}

/// A handshake that has its configuration.
struct Begun<IO> {
    accept: Accept<IO>,
    recorder: Arc<Recorder>,
    binding: Option<Binding>,
    server_name: Option<Host>,
}

impl<IO, F> Accepting<IO, F> {
    pub(super) fn new(acceptor: TlsAcceptor, io: IO, refuse: fn(IO, Option<String>) -> F) -> Self {
        Self {
            acceptor,
            arrived: Some(io),
            refuse,
            stage: Stage::Idle,
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
        let acceptor = this.acceptor;
        if let Some(io) = this.arrived.take() {
            this.bounds.set(Some(Bounds::new(acceptor)));
            *this.stage = match acceptor.source.fixed(Transport::Tcp) {
                Some(chosen) => Stage::Begun(Begun::new(chosen, |config| {
                    tokio_rustls::TlsAcceptor::from(config).accept(io)
                })),
                None => Stage::Choosing(LazyConfigAcceptor::new(Acceptor::default(), io)),
            };
        }
        let mut result = this.stage.poll(acceptor, *this.refuse, context);
        if result.is_pending() {
            let Some(bounds) = this.bounds.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            result = Poll::Ready(Err(ready!(bounds.poll(context))));
        }
        this.bounds.set(None);
        *this.stage = Stage::Idle;
        #[cfg(feature = "tracing")]
        if let Poll::Ready(Err(error)) = &result {
            // In debug form, which escapes whatever a peer may have put there.
            tracing::debug!(?error, "TLS handshake failed");
        }
        result
    }
}

impl<IO, F> Stage<IO, F>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = io::Error>,
{
    #[inline]
    fn poll(
        &mut self,
        acceptor: &TlsAcceptor,
        refuse: fn(IO, Option<String>) -> F,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<TlsStream<IO>>> {
        if let Self::Choosing(start) = self {
            let start = ready!(Pin::new(start).poll(context))?;
            let client_hello = start.client_hello();
            *self = match acceptor.choose(&client_hello, Transport::Tcp) {
                Some(chosen) => Self::Begun(Begun::new(chosen, |config| start.into_stream(config))),
                None => {
                    let server_name = client_hello.server_name().map(str::to_owned);
                    Self::Refusing(Box::pin(refuse(start.io, server_name)))
                }
            };
        }
        match self {
            Self::Begun(begun) => {
                let accepted = Pin::new(&mut begun.accept).poll(context);
                accepted.map_ok(|stream| {
                    let info = begun.info(acceptor, &stream);
                    TlsStream::new(stream, info)
                })
            }
            Self::Refusing(refused) => refused.as_mut().poll(context).map(Err),
            Self::Choosing(_) | Self::Idle => Poll::Pending,
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

impl<IO> Begun<IO> {
    fn new(chosen: Chosen, accept: impl FnOnce(Arc<ServerConfig>) -> Accept<IO>) -> Self {
        Self {
            accept: accept(Arc::new(chosen.config)),
            recorder: chosen.recorder,
            binding: chosen.binding,
            server_name: chosen.server_name,
        }
    }

    fn info(
        &mut self,
        acceptor: &TlsAcceptor,
        stream: &tokio_rustls::server::TlsStream<IO>,
    ) -> ConnectionInfo
    where
        IO: 'static,
    {
        let names = acceptor.names_presented(&self.recorder);
        let (io, connection) = stream.get_ref();
        let info = match self.server_name.take() {
            Some(host) => ConnectionInfo::tls().server_host(Some(host)),
            None => ConnectionInfo::tls().server_name(connection.server_name()),
        };
        let mut info = info
            .certificate_names(names.unwrap_or_else(CertificateNames::unknown))
            .client_certificates(connection.peer_certificates().unwrap_or_default())
            .binding(self.binding.take());
        if let Some(protocol) = connection.alpn_protocol() {
            info = info.alpn(protocol);
        }
        match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => info = info.tls_version(TlsVersion::V1_2),
            Some(ProtocolVersion::TLSv1_3) => info = info.tls_version(TlsVersion::V1_3),
            _ => {}
        }
        if let Some(tcp) = (io as &dyn Any).downcast_ref::<TcpStream>() {
            if let Ok(peer) = tcp.peer_addr() {
                info = info.peer_addr(peer);
            }
            if let Ok(local) = tcp.local_addr() {
                info = info.local_addr(local);
            }
        }
        info.build()
    }
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
