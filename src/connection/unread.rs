//! The message from the layer to the stream about a refused request: how much of the request may still arrive. The
//! stream reacts in `tls`.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{Method, Request, Version};

/// A refused HTTP/1 request whose body is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    /// The length of the whole request in octets, including the head. `None` if it is unknown.
    pub(crate) length: Option<u64>,
    /// Whether the client may be waiting for `100 (Continue)` before it sends the body (RFC 9110 §10.1.1).
    pub(crate) expects_continue: bool,
}

impl Unread {
    /// Returns `None` if the request has no body, or if the body does not affect the connection, as in HTTP/2.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        // The method is checked first, because comparing methods is cheaper than looking up fields. Content of GET and
        // HEAD has no defined meaning (RFC 9110 §9.3.1), so clients send little or none.
        let has_content = !matches!(*request.method(), Method::GET | Method::HEAD);
        if request.version() >= Version::HTTP_2 || !has_content {
            return None;
        }
        let headers = request.headers();
        let length = match headers.get(CONTENT_LENGTH) {
            _ if headers.contains_key(TRANSFER_ENCODING) => None,
            Some(length) => Some(length.to_str().ok()?.parse::<u64>().ok()?),
            None => return None,
        };
        if length == Some(0) {
            return None;
        }
        Some(Self {
            length: length.map(|length| length.saturating_add(head_length(request))),
            expects_continue: headers.contains_key(EXPECT),
        })
    }
}

/// Returns the length in octets of a request's head as clients write it, with one space after the colon of a field.
fn head_length<B>(request: &Request<B>) -> u64 {
    let uri = request.uri();
    let scheme = uri
        .scheme_str()
        .map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri
        .authority()
        .map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = request.method().as_str().len() + scheme + authority + path + "  HTTP/1.1\r\n".len();
    let field = |name: &str, value: &[u8]| name.len() + value.len() + ": \r\n".len();
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| field(name.as_str(), value.as_bytes()));
    (line + fields.sum::<usize>() + "\r\n".len()) as u64
}

/// A slot for one [`Unread`]. It has only four octets, because every open connection keeps one.
#[derive(Debug, Default)]
pub(super) struct UnreadSlot(AtomicU32);

/// The length of a request that is this long or longer, or of unknown length.
const UNKNOWN: u32 = u32::MAX >> 1;

impl UnreadSlot {
    pub(super) fn put(&self, unread: Unread) {
        let length = unread.length.and_then(|length| u32::try_from(length).ok());
        let length = length.unwrap_or(UNKNOWN).min(UNKNOWN);
        self.0
            .store(length << 1 | u32::from(unread.expects_continue), Relaxed);
    }

    #[cfg(feature = "rustls")]
    #[inline]
    pub(super) fn take(&self) -> Option<Unread> {
        // The layer and the stream run in turn: in the task of the connection, or in a task that it waits for.
        if self.0.load(Relaxed) == 0 {
            return None;
        }
        let value = self.0.swap(0, Relaxed);
        let length = value >> 1;
        Some(Unread {
            length: (length < UNKNOWN).then_some(length.into()),
            expects_continue: value & 1 == 1,
        })
    }
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken_once() {
        let slot = UnreadSlot::default();
        assert_eq!(slot.take(), None);
        for (length, taken) in [
            (Some(100), Some(100)),
            (Some(1 << 30), Some(1 << 30)),
            (Some(1 << 31), None),
            (Some(u64::MAX), None),
            (None, None),
        ] {
            for expects_continue in [false, true] {
                slot.put(Unread {
                    length,
                    expects_continue,
                });
                let expected = Unread {
                    length: taken,
                    expects_continue,
                };
                assert_eq!(slot.take(), Some(expected));
                assert_eq!(slot.take(), None);
            }
        }
    }
}
