//! The grammar of a DNS name in a host, and its normal form. Addresses and ports live in `grammar`.

use std::fmt;

/// The longest DNS name in octets, without a trailing dot (RFC 1035 §2.3.4, without the octets of the root and of the
/// first length).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A DNS name that the grammar accepts, in any case, without its trailing dot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameRef<'a> {
    pub(super) text: &'a [u8],
    pub(super) lowercase: bool,
}

impl<'a> NameRef<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        match Self::read(text.as_bytes()) {
            Some((name, b"")) => Some(name),
            _ => None,
        }
    }

    /// Parses a name up to the first colon. Labels have 1 to 63 letters, digits, hyphens and underscores, and the name
    /// has at most 253 octets; one trailing dot is ignored. A last label of only digits is invalid, because other
    /// software would parse the name as an IPv4 address (RFC 1123 §2.1).
    #[inline(always)]
    pub(super) fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (mut label, mut last_label, mut lowercase) = (0, 0, true);
        let mut at = 0;
        let end = loop {
            // Most octets are usual, and a table is faster than comparing ranges.
            let unusual = |&octet: &u8| !USUAL[usize::from(octet)];
            at = match text[at..].iter().position(unusual) {
                Some(usual) => at + usual,
                None => break text.len(),
            };
            match text[at] {
                b'A'..=b'Z' => lowercase = false,
                b'.' if (1..=MAX_LABEL).contains(&(at - label)) => {
                    (last_label, label) = (label, at + 1);
                }
                b':' => break at,
                _ => return None,
            }
            at += 1;
        };
        let (mut name, rest) = text.split_at(end);
        match name.strip_suffix(b".") {
            Some(without_dot) => name = without_dot,
            None => last_label = label,
        }
        let last = name.get(last_label..)?;
        let proper = (1..=MAX_LABEL).contains(&last.len())
            && name.len() <= MAX_NAME
            && !last.iter().all(u8::is_ascii_digit);
        let name = Self {
            text: name,
            lowercase,
        };
        proper.then_some((name, rest))
    }

    /// Creates a name from a text that is known to be a valid name in normal form.
    #[inline]
    pub(super) fn known(text: &'a [u8]) -> Self {
        let lowercase = true;
        Self { text, lowercase }
    }

    /// Parses the first label of a name in lower case, and returns the name and the part after the label. The name is
    /// valid only if the part after the label is known to be a valid name in normal form.
    #[inline]
    pub(super) fn below(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let label = text.iter().position(|&octet| !USUAL[usize::from(octet)])?;
        let proper = (1..=MAX_LABEL).contains(&label) && text.len() <= MAX_NAME;
        match text.split_at(label) {
            (_, [b'.', base @ ..]) if proper => Some((Self::known(text), base)),
            _ => None,
        }
    }

    /// Returns whether the name equals this name in lower case.
    #[inline(always)]
    pub(super) fn is(self, lower: &[u8]) -> bool {
        match self.lowercase {
            true => self.text == lower,
            false => self.text.eq_ignore_ascii_case(lower),
        }
    }

    /// Calls `look_up` with the name in lower case, without allocating.
    #[inline]
    pub(crate) fn lowered<T>(self, look_up: impl FnOnce(&[u8]) -> T) -> T {
        if self.lowercase {
            return look_up(self.text);
        }
        let mut buffer = [0; MAX_NAME];
        let lowered = &mut buffer[..self.text.len()];
        lowered.copy_from_slice(self.text);
        lowered.make_ascii_lowercase();
        look_up(lowered)
    }
}

impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing in a name needs escaping.
        self.lowered(|name| name.escape_ascii().fmt(f))
    }
}

/// Lower-case letters, digits, hyphens and underscores.
static USUAL: [bool; 256] = {
    let mut usual = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        usual[octet] = matches!(octet as u8, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        octet += 1;
    }
    usual
};
