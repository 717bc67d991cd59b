//! Keeps a connection open after a refused upload, so that the answer arrives. If a server closes a connection while
//! the client still sends, the client's next write fails, and many clients then never read the answer. So the stream
//! closes its own direction, and continues to read for a bounded time (RFC 9112 §9.6).

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

use super::endings::Endings;
use crate::connection::{ConnectionInfo, Unread};

/// The longest time without data from the client while a connection lingers.
const SILENCE: Duration = Duration::from_secs(5);

/// The number of reads in one poll, so that other tasks get their turn.
const READS: usize = 16;

/// The end of a chunked body without trailers (RFC 9112 §7.1), including the end of the line before it. Without that
/// line end, a head whose last field ends in `0` would look the same.
const LAST_CHUNK: [u8; 7] = *b"\r\n0\r\n\r\n";

/// The state of the current request on an HTTP/1 connection.
pub(super) struct Lingering {
    endings: Arc<Endings>,
    time: Option<Box<Time>>,
    /// The number of octets of a refused request that may still arrive, or `CHUNKS`.
    rest: u64,
    kind: Rest,
    /// Whether the server has written since it last read.
    written: bool,
    /// Whether the server's direction is closed.
    begun: bool,
    /// The last octets that the server has read.
    tail: [u8; LAST_CHUNK.len()],
    /// The number of octets that the server has read since its last write.
    read: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Octets,
    /// Chunks, up to the last chunk.
    Chunks,
    /// Octets or chunks, unless the client waits for `100 (Continue)`.
    Unasked,
}

/// Used instead of a number of octets for a chunked body.
const CHUNKS: u64 = u64::MAX;

struct Time {
    limit: Instant,
    octets: u64,
    silence: Pin<Box<Sleep>>,
}

impl Lingering {
    pub(super) fn new(endings: Arc<Endings>) -> Self {
        Self {
            endings,
            time: None,
            rest: 0,
            kind: Rest::Nothing,
            written: false,
            begun: false,
            tail: [0; LAST_CHUNK.len()],
            read: 0,
        }
    }

    /// Follows octets that the server has read.
    #[inline]
    pub(super) fn read(&mut self, octets: &[u8]) {
        if self.written {
            self.written = false;
            self.read = 0;
        }
        let length = octets.len();
        self.read = self.read.saturating_add(length as u32);
        match octets.last_chunk() {
            Some(tail) => self.tail = *tail,
            None => {
                self.tail.rotate_left(length);
                let kept = self.tail.len() - length;
                self.tail[kept..].copy_from_slice(octets);
            }
        }
        if self.kind != Rest::Nothing {
            self.read_rest(length as u64);
        }
    }

    #[cold]
    fn read_rest(&mut self, length: u64) {
        if self.kind == Rest::Unasked && length > 0 {
            self.kind = match self.rest {
                CHUNKS => Rest::Chunks,
                _ => Rest::Octets,
            };
        }
        let over = match self.kind {
            Rest::Octets => {
                self.rest = self.rest.saturating_sub(length);
                self.rest == 0
            }
            Rest::Chunks => self.tail == LAST_CHUNK,
            Rest::Nothing | Rest::Unasked => false,
        };
        if over {
            self.kind = Rest::Nothing;
        }
    }

    /// Called when the server writes. If the server answers a refused request, computes how much of the request may
    /// still arrive.
    #[inline]
    pub(super) fn write(&mut self, info: &ConnectionInfo) {
        if let Some(unread) = info.take_unread() {
            self.refused(unread);
        }
        self.written = true;
    }

    #[cold]
    fn refused(&mut self, unread: Unread) {
        // If nothing has been read since the last answer, the request arrived together with an earlier request. It is
        // then unknown how much of it has arrived.
        let read = match self.written {
            true => 0,
            false => self.read.into(),
        };
        self.rest = match unread.length {
            Some(length) => length.saturating_sub(read),
            None if self.tail == LAST_CHUNK => 0,
            None => CHUNKS,
        };
        self.kind = match self.rest {
            0 => Rest::Nothing,
            _ if unread.expects_continue => Rest::Unasked,
            CHUNKS => Rest::Chunks,
            _ => Rest::Octets,
        };
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Waits until nothing more can arrive or a limit is reached. Called when the server's direction is closed.
    pub(super) fn poll<R: AsyncRead>(
        &mut self,
        io: Pin<&mut R>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        self.begun = true;
        // Without a runtime there are no timers.
        if self.endings.linger.is_some() && Handle::try_current().is_ok() {
            ready!(self.poll_rest(io, context));
        }
        self.kind = Rest::Nothing;
        Poll::Ready(())
    }

    fn poll_rest<R: AsyncRead>(
        &mut self,
        mut io: Pin<&mut R>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        for _ in 0..READS {
            if self.kind == Rest::Nothing {
                return Poll::Ready(());
            }
            let mut space = [MaybeUninit::uninit(); 8192];
            let mut buf = ReadBuf::uninit(&mut space);
            match io.as_mut().poll_read(context, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                // The client has closed its direction, or the connection failed.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if self.kind == Rest::Unasked => return Poll::Ready(()),
                Poll::Pending => return self.time().poll(context),
            }
            self.read(buf.filled());
            let length = buf.filled().len() as u64;
            if self.time().spend(length).is_none() {
                return Poll::Ready(());
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn time(&mut self) -> &mut Time {
        let endings = &self.endings;
        self.time.get_or_insert_with(|| {
            let now = Instant::now();
            let longest = Duration::from_secs(1 << 32);
            let limit = now + endings.linger.unwrap_or_default().min(longest);
            Box::new(Time {
                limit,
                octets: endings.linger_bytes,
                silence: Box::pin(tokio::time::sleep_until(limit.min(now + SILENCE))),
            })
        })
    }
}

impl Time {
    /// Ready when the limit is reached, or when the client has been silent for too long.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // If a client sends data without end, reading it uses up the task's budget, and no timer becomes ready.
        match Instant::now() < self.silence.deadline() {
            true => self.silence.as_mut().poll(context),
            false => Poll::Ready(()),
        }
    }

    /// Returns `None` if a limit is reached.
    fn spend(&mut self, octets: u64) -> Option<()> {
        self.octets = self.octets.checked_sub(octets)?;
        let now = Instant::now();
        let silence = self.limit.min(now + SILENCE);
        self.silence.as_mut().reset(silence);
        (now < self.limit).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io;

    use tokio::io::Repeat;

    use super::*;

    /// Octets that never become plaintext, such as TLS records without content.
    struct Empty(Repeat);

    impl AsyncRead for Empty {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let mut space = [0; 100];
            loop {
                ready!(Pin::new(&mut self.0).poll_read(context, &mut ReadBuf::new(&mut space)))?;
            }
        }
    }

    #[tokio::test]
    async fn w5_a_client_that_sends_nothing_without_end_is_not_read_for_ever() {
        let mut lingering = Lingering::new(Arc::new(Endings {
            linger: Some(Duration::from_millis(50)),
            ..Endings::default()
        }));
        lingering.refused(Unread {
            length: None,
            expects_continue: false,
        });
        let mut client = Empty(tokio::io::repeat(0));
        let late = Instant::now() + Duration::from_secs(10);
        poll_fn(|context| {
            assert!(Instant::now() < late, "it reads on");
            lingering.poll(Pin::new(&mut client), context)
        })
        .await;
    }

    #[test]
    fn a_connection_keeps_forty_octets() {
        assert_eq!(size_of::<Lingering>(), 40);
    }
}
