//! The recorded parts of a response, for every HTTP version, and the limits of reading.

use hyper::HeaderMap;
use hyper::header::{AGE, CACHE_CONTROL, EXPIRES, HeaderName, SERVER, VIA};

use crate::observation::Ended;
use crate::text;

/// The longest head of an answer, in octets.
pub const MAX_HEAD: usize = 64 << 10;

/// The most that is read of an answer's body, in octets.
pub const MAX_BODY: usize = 64 << 10;

pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// Whether the answer itself says that the connection ends.
    pub ended: Option<Ended>,
    /// Whether the connection can carry another request.
    pub reusable: bool,
}

impl Response {
    /// The values of a field, with list members apart.
    fn members(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(name).into_iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        texts.flat_map(|value| value.split(',')).map(str::trim)
    }

    /// Whether `Cache-Control` keeps caches from answering with this response: it must not be stored, or must be
    /// validated each time (RFC 9111 §5.2.2).
    pub fn never_reused(&self) -> bool {
        self.members(CACHE_CONTROL).any(|directive| {
            ["no-store", "no-cache"]
                .iter()
                .any(|no| directive.eq_ignore_ascii_case(no))
        })
    }

    /// Whether the response says how long it is fresh.
    pub fn fresh(&self) -> bool {
        let max_age = self.members(CACHE_CONTROL).any(|directive| {
            let directive = directive.to_ascii_lowercase();
            let age = directive
                .strip_prefix("max-age=")
                .or(directive.strip_prefix("s-maxage="));
            age.is_some_and(|age| age != "0")
        });
        max_age || self.headers.contains_key(EXPIRES) || self.headers.contains_key(AGE)
    }

    /// The values of `Server` and `Via`, which hint at the software.
    pub fn software(&self) -> Vec<String> {
        let members = self.members(SERVER).chain(self.members(VIA));
        members.take(8).map(text::plain).collect()
    }

    /// Whether the server advertises HTTP/3 on a port (RFC 7838), and on which.
    pub fn http3_port(&self) -> Option<u16> {
        self.members(HeaderName::from_static("alt-svc"))
            .find_map(|service| {
                let authority = service.strip_prefix("h3=\"")?.split('"').next()?;
                authority.strip_prefix(':')?.parse().ok()
            })
    }
}
