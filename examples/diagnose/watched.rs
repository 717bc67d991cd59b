//! A TLS connection that remembers the alert with which the server ended it. hyper and h2 drop the alert, or keep only
//! its text.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::failure::alert;

/// The alert that a connection has received, if any.
pub type Alert = Arc<OnceLock<AlertDescription>>;

pub struct Watched {
    io: TlsStream<TcpStream>,
    received: Alert,
    /// Why a write failed, while the rest is read.
    failed: Option<io::Error>,
}

impl Watched {
    pub fn new(io: TlsStream<TcpStream>) -> (Self, Alert) {
        let received = Alert::default();
        (
            Self {
                io,
                received: received.clone(),
                failed: None,
            },
            received,
        )
    }

    fn note(&self, error: &io::Error) {
        if let Some(alert) = alert(error) {
            let _ = self.received.set(alert);
        }
    }

    /// Holds an error of a write back until everything is read. The server may have closed after an alert that is
    /// still unread, or on its way.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let error = match written {
            Poll::Ready(Err(error)) => error,
            other => return other,
        };
        self.failed.get_or_insert(error);
        self.read_to_end(cx)
    }

    fn read_to_end<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            let mut octets = [0; 1024];
            let mut octets = ReadBuf::new(&mut octets);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut octets));
            if let Err(error) = &read {
                self.note(error);
            }
            if read.is_err() || octets.filled().is_empty() {
                let ended = || io::ErrorKind::BrokenPipe.into();
                return Poll::Ready(Err(self.failed.take().unwrap_or_else(ended)));
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &read {
            this.note(error);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.failed.is_some() {
            return this.read_to_end(cx);
        }
        let written = Pin::new(&mut this.io).poll_write(cx, buf);
        this.written(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.failed.is_some() {
            return this.read_to_end(cx);
        }
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.written(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.failed.is_some() {
            return this.read_to_end(cx);
        }
        let ended = Pin::new(&mut this.io).poll_shutdown(cx);
        this.written(cx, ended)
    }
}
