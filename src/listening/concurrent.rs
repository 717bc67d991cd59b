//! The loop of every listener: it accepts transports while earlier connections still begin, each in its own task. The
//! source of the transports lives in `inner`.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};

use super::addresses::Given;
use super::inner::InnerListener;
use super::pending::Pending;

/// The pause after an error of the listener, such as a lack of file descriptors. Other connections continue during the
/// pause and may free file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// The pause if the listener has ended pending connections, which frees file descriptors at once.
const SHORT_PAUSE: Duration = Duration::from_millis(10);

/// The largest number of connections that one poll handles. A tokio socket yields by itself, but another listener may
/// always have a connection. Without this bound, no other task of the thread would run, not even handshakes.
const TURNS: usize = 64;

/// A listener, and the accepted connections that have not begun yet. Dropping the value ends these connections.
pub(crate) struct Concurrent<L: InnerListener, T> {
    inner: L,
    beginning: JoinSet<Option<(T, L::Addr)>>,
    pause: Option<Pin<Box<Sleep>>>,
    /// The number of connections that had begun before the last long pause.
    begun: u64,
}

impl<L: InnerListener, T: Send + 'static> Concurrent<L, T> {
    pub(crate) fn new(inner: L) -> Self {
        Self {
            inner,
            beginning: JoinSet::new(),
            pause: None,
            begun: 0,
        }
    }

    pub(crate) fn inner(&self) -> &L {
        &self.inner
    }

    #[cfg(feature = "axum")]
    pub(crate) fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Waits for the next connection that `begin` has created from a transport. Failed connections are dropped.
    pub(crate) fn poll_accept<F>(
        &mut self,
        context: &mut Context<'_>,
        pending: &Pending,
        begin: impl Fn(L::Io, &L::Addr, Given) -> F,
    ) -> Poll<(T, L::Addr)>
    where
        F: Future<Output = io::Result<T>> + Send + 'static,
    {
        for _ in 0..TURNS {
            match self.beginning.poll_join_next(context) {
                Poll::Ready(Some(Ok(Some(connection)))) => return Poll::Ready(connection),
                // The connection failed, or user code panicked.
                Poll::Ready(Some(_)) => continue,
                Poll::Ready(None) | Poll::Pending => {}
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(self.inner.poll_accept(context)) {
                Ok((io, addr)) => {
                    // User code. If it panics, the transport is dropped, and the listener continues.
                    let found = || self.inner.addresses(&io, &addr).map(Box::new);
                    let Ok(given) = panic::catch_unwind(AssertUnwindSafe(found)) else {
                        continue;
                    };
                    let begun = begin(io, &addr, given);
                    let connection = async move { begun.await.ok().map(|begun| (begun, addr)) };
                    self.beginning.spawn(connection);
                }
                Err(error) => self.pause_after(&error, pending),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn pause_after(&mut self, error: &io::Error, pending: &Pending) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        // These errors affect only one connection, which is already closed.
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset
        ) {
            return;
        }
        #[cfg(feature = "tracing")]
        tracing::error!(
            %error,
            "cannot accept connections, trying again; if too many files are open, raise the limit of the process"
        );
        // Only connections that have been pending for a whole pause end. Otherwise honest clients would be cut off
        // as soon as there are more of them than file descriptors. It does not matter whether accepting succeeded
        // in between, because silent clients can take turns.
        let pause = match pending.end_older_half(self.begun) {
            true => SHORT_PAUSE,
            false => {
                self.begun = pending.begun();
                PAUSE
            }
        };
        self.pause = Some(Box::pin(sleep(pause)));
    }
}

impl<L: InnerListener + fmt::Debug, T> fmt::Debug for Concurrent<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrent")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
