//! The reason for which octets are not a PROXY protocol header, as text. `reader` converts the reason into an
//! `io::Error`.

use std::fmt;

/// The number of octets of a header that a message quotes at most. An escaped octet takes up to four characters.
const QUOTED: usize = 24;

/// The problem with a header. The text is short and printable, although a peer chose the header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid(String);

impl Invalid {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }

    /// A problem with these octets, which the message quotes first.
    pub(super) fn octets(octets: &[u8], problem: &str) -> Self {
        Self(format!("`{}` {problem}", quoted(octets)))
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the beginning of octets that a peer chose, in printable ASCII.
pub(super) fn quoted(octets: &[u8]) -> String {
    match octets.get(..QUOTED) {
        Some(begin) if octets.len() > QUOTED => format!("{}...", begin.escape_ascii()),
        _ => octets.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d6_a_quotation_is_short_and_printable() {
        assert_eq!(quoted(b"a\r\n\x1b[31m"), r"a\r\n\x1b[31m");
        assert_eq!(quoted(&[b'x'; QUOTED]), "x".repeat(QUOTED));
        let long = quoted(&[0xff; 4096]);
        assert_eq!(long, r"\xff".repeat(QUOTED) + "...");
    }
}
