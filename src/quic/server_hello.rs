//! The ServerHello of a QUIC handshake, which says whether the handshake resumes a session. rustls decides and writes
//! it; this file only parses it.

/// Returns whether messages of the server resume a session, or `None` if they do not begin with a ServerHello.
///
/// A HelloRetryRequest is a ServerHello that resumes no session yet. Another ServerHello follows it.
pub(super) fn resumes(messages: &[u8]) -> Option<bool> {
    const SERVER_HELLO: u8 = 2;
    // RFC 8446 §4.2.11
    const PRE_SHARED_KEY: u16 = 41;
    // RFC 8446 §4.1.3
    const VERSION_AND_RANDOM: usize = 2 + 32;
    const CIPHER_SUITE_AND_COMPRESSION: usize = 2 + 1;
    let &[SERVER_HELLO, a, b, c, ref rest @ ..] = messages else {
        return None;
    };
    let body = rest.get(..u32::from_be_bytes([0, a, b, c]) as usize)?;
    let (&session_id, rest) = body.get(VERSION_AND_RANDOM..)?.split_first()?;
    let length_of_extensions = 2;
    let before = usize::from(session_id) + CIPHER_SUITE_AND_COMPRESSION + length_of_extensions;
    let mut extensions = rest.get(before..)?;
    while let &[kind, k, length, l, ref rest @ ..] = extensions {
        if u16::from_be_bytes([kind, k]) == PRE_SHARED_KEY {
            return Some(true);
        }
        extensions = rest.get(usize::from(u16::from_be_bytes([length, l]))..)?;
    }
    Some(false)
}
