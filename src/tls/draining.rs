//! Ends an outdated HTTP/2 connection with one GOAWAY between the frames that the server writes (RFC 9113 §6.8).
//! `frames` finds the boundaries between frames.
//!
//! The server's HTTP stack does not notice the GOAWAY. The client opens another connection for its next request, and
//! closes this connection when the open streams are complete.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Sleep;

use super::frames::Frames;
use super::turn::turn;
use crate::connection::ConnectionInfo;
use crate::virtual_hosts::Watch;

/// GOAWAY with the last stream 2^31-1, so that no open stream is refused, and NO_ERROR.
const GOAWAY: [u8; 17] = [
    0, 0, 8, 7, 0, 0, 0, 0, 0, // length, type, flags, stream
    0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0,
];

/// The state of a connection that may become outdated.
pub(super) struct Draining {
    stage: Stage,
    frames: Frames,
    /// Whether the server waits for the transport to accept more octets or to flush. Then nothing else may wait for the
    /// transport, because it wakes only one task.
    writer_waits: bool,
}

enum Stage {
    /// The connection has not been idle yet.
    New {
        spread: u32,
    },
    Watching {
        watch: Watch,
        spread: u32,
    },
    /// The connection is outdated and idle, and waits for its turn.
    Queued(Box<Queued>),
    /// Some octets of the GOAWAY have been written.
    Begun {
        written: u8,
    },
    /// The GOAWAY has been written, but may not have been flushed yet.
    Flushing,
    /// The GOAWAY has been sent, or will never be sent.
    Over,
}

struct Queued {
    watch: Watch,
    spread: u32,
    turn: Option<Pin<Box<Sleep>>>,
}

impl Draining {
    /// Idle connections that become outdated at the same time get the GOAWAY within `spread`.
    pub(super) fn new(spread: Duration) -> Self {
        let spread = u32::try_from(spread.as_millis()).unwrap_or(u32::MAX);
        Self {
            stage: Stage::New { spread },
            frames: Frames::default(),
            writer_waits: false,
        }
    }

    pub(super) fn poll_write<W: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut W>,
        context: &mut Context<'_>,
        mut next: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_due() {
            next = &next[..ready!(self.poll_boundary(io.as_mut(), context, next))?];
        }
        let result = io.poll_write(context, next);
        self.follow(&result, &[IoSlice::new(next)]);
        result
    }

    pub(super) fn poll_write_vectored<W: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut W>,
        context: &mut Context<'_>,
        next: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_due() {
            if !self.frames.at_boundary() {
                let first = next.iter().find(|slice| !slice.is_empty());
                return self.poll_write(io, context, first.map_or(&[], |slice| slice));
            }
            ready!(self.poll_goaway(io.as_mut(), context))?;
        }
        let result = io.poll_write_vectored(context, next);
        self.follow(&result, next);
        result
    }

    pub(super) fn poll_flush<W: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut W>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_ripe() && self.frames.at_boundary() {
            ready!(self.poll_goaway(io.as_mut(), context))?;
        }
        let result = io.poll_flush(context);
        self.writer_waits = result.is_pending();
        result
    }

    /// Completes a partly written GOAWAY, and starts no other GOAWAY.
    pub(super) fn poll_close<W: AsyncWrite>(
        &mut self,
        io: Pin<&mut W>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Stage::Begun { .. } = self.stage {
            ready!(self.poll_goaway(io, context))?;
        }
        self.stage = Stage::Over;
        Poll::Ready(Ok(()))
    }

    /// Called when the server waits for the client. Sends the GOAWAY if the connection is outdated and its turn has
    /// come.
    pub(super) fn poll_idle<W: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut W>,
        info: &ConnectionInfo,
        context: &mut Context<'_>,
    ) {
        if self.poll_turn(info, context).is_pending() {
            return;
        }
        // If the server waits for the transport, its next write sends the GOAWAY.
        if self.writer_waits {
            return;
        }
        if self.is_ripe() {
            if !self.frames.at_boundary() {
                return;
            }
            match self.poll_goaway(io.as_mut(), context) {
                Poll::Ready(Ok(())) => self.stage = Stage::Flushing,
                // The server will get the same error.
                Poll::Ready(Err(_)) => self.stage = Stage::Over,
                Poll::Pending => self.writer_waits = false,
            }
        }
        if let Stage::Flushing = self.stage {
            if io.poll_flush(context).is_ready() {
                self.stage = Stage::Over;
            }
        }
    }

    /// Waits until the connection is outdated and its turn has come. Ready at once if there is nothing to wait for.
    fn poll_turn(&mut self, info: &ConnectionInfo, context: &mut Context<'_>) -> Poll<()> {
        if let Stage::Watching { watch, .. } = &mut self.stage {
            ready!(watch.poll(context));
        }
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::New { spread } => match info.watch() {
                    Some(watch) => Stage::Watching { watch, spread },
                    None => Stage::Over,
                },
                Stage::Watching { mut watch, spread } => {
                    if watch.poll(context).is_pending() {
                        self.stage = Stage::Watching { watch, spread };
                        return Poll::Pending;
                    }
                    let turn = turn(spread);
                    Stage::Queued(Box::new(Queued {
                        watch,
                        spread,
                        turn,
                    }))
                }
                Stage::Queued(mut queued) => {
                    let turn = queued.turn.as_mut().map(|turn| turn.as_mut().poll(context));
                    let waits = turn.is_some_and(|turn| turn.is_pending());
                    if !waits {
                        queued.turn = None;
                    }
                    if waits || queued.watch.is_outdated() {
                        self.stage = Stage::Queued(queued);
                        return match waits {
                            true => Poll::Pending,
                            false => Poll::Ready(()),
                        };
                    }
                    // A later replacement made the connection current again.
                    let Queued { watch, spread, .. } = *queued;
                    Stage::Watching { watch, spread }
                }
                stage => {
                    self.stage = stage;
                    return Poll::Ready(());
                }
            };
        }
    }

    /// Returns whether the next frame must be a GOAWAY. A connection that is not idle does not wait for its turn.
    #[inline]
    fn is_due(&self) -> bool {
        match &self.stage {
            Stage::Watching { watch, .. } => watch.is_outdated(),
            Stage::Queued(queued) => queued.watch.is_outdated(),
            Stage::Begun { .. } => true,
            Stage::New { .. } | Stage::Flushing | Stage::Over => false,
        }
    }

    /// Returns whether the GOAWAY must be sent even if the connection is idle.
    fn is_ripe(&self) -> bool {
        match &self.stage {
            Stage::Queued(queued) => queued.turn.is_none() && queued.watch.is_outdated(),
            Stage::Begun { .. } => true,
            _ => false,
        }
    }

    /// Sends the GOAWAY if a frame can be inserted here. Returns how many octets of `next` to write then: all of them
    /// after the GOAWAY, or the octets before the next boundary.
    fn poll_boundary<W: AsyncWrite>(
        &mut self,
        io: Pin<&mut W>,
        context: &mut Context<'_>,
        next: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.frames.at_boundary() {
            return Poll::Ready(Ok(self.frames.until_boundary(next)));
        }
        self.poll_goaway(io, context).map_ok(|()| next.len())
    }

    /// Writes the rest of the GOAWAY.
    fn poll_goaway<W: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut W>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut written = match self.stage {
            Stage::Begun { written } => written,
            _ => 0,
        };
        while let rest @ [_, ..] = &GOAWAY[usize::from(written)..] {
            let result = io.as_mut().poll_write(context, rest);
            self.writer_waits = result.is_pending();
            match ready!(result)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => written += more as u8,
            }
            self.stage = Stage::Begun { written };
        }
        self.stage = Stage::Over;
        Poll::Ready(Ok(()))
    }

    fn follow(&mut self, result: &Poll<io::Result<usize>>, next: &[IoSlice<'_>]) {
        self.writer_waits = result.is_pending();
        let (Poll::Ready(Ok(written)), false) = (result, matches!(self.stage, Stage::Over)) else {
            return;
        };
        let mut rest = *written;
        for slice in next {
            let written = &slice[..slice.len().min(rest)];
            if self.frames.advance(written).is_err() {
                // The connection does not speak HTTP/2 after all, or the server sent its own GOAWAY.
                self.stage = Stage::Over;
                return;
            }
            rest -= written.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use super::*;
    use crate::virtual_hosts::VirtualHosts;

    #[test]
    fn a_connection_keeps_forty_eight_octets() {
        assert_eq!(size_of::<Draining>(), 48);
    }

    /// Accepts one octet per write, up to a total number.
    struct Narrow {
        takes: usize,
        taken: Vec<u8>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            next: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.taken.len() == self.takes {
                return Poll::Pending;
            }
            self.taken.push(next[0]);
            Poll::Ready(Ok(1))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn w2_a_goaway_that_has_begun_is_completed_before_anything_else() {
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let ping = [0, 0, 0, 6, 1, 0, 0, 0, 0];
        let context = &mut Context::from_waker(Waker::noop());
        for begun in 1..GOAWAY.len() {
            for closes in [true, false] {
                let hosts = || VirtualHosts::builder().host("a.test", Arc::new(()));
                let current = hosts().build().unwrap();
                let selection = current.select(Some("a.test")).unwrap();
                let info = ConnectionInfo::tls().selection(selection).build();
                let mut draining = Draining::new(Duration::ZERO);
                let mut io = Narrow {
                    takes: settings.len() + begun,
                    taken: Vec::new(),
                };
                draining.poll_idle(Pin::new(&mut io), &info, context);
                for octet in settings {
                    let written = draining.poll_write(Pin::new(&mut io), context, &[octet]);
                    assert!(written.is_ready());
                }
                current.replace(hosts()).unwrap();
                draining.poll_idle(Pin::new(&mut io), &info, context);
                assert_eq!(io.taken, [&settings[..], &GOAWAY[..begun]].concat());
                io.takes = usize::MAX;
                let mut expected = [&settings[..], &GOAWAY].concat();
                if closes {
                    assert!(draining.poll_close(Pin::new(&mut io), context).is_ready());
                } else {
                    let written = draining.poll_write(Pin::new(&mut io), context, &ping);
                    assert!(matches!(written, Poll::Ready(Ok(1))));
                    expected.push(ping[0]);
                }
                assert_eq!(io.taken, expected);
            }
        }
    }
}
