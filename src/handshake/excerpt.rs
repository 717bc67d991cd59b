//! The beginning of a text that a client may have chosen, in one line for a log. `failure` writes the log event.

use std::fmt::{self, Write};

/// The number of octets of a text that are kept. The errors of this crate fit, including a server name of 253 octets.
const MAX: usize = 400;

/// Formats the beginning of the text of a value, in printable ASCII.
///
/// An error of rustls can contain a client certificate of up to 64 KiB, which becomes even longer as text. An error of
/// a certificate verifier can contain line breaks.
pub(super) struct Excerpt<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = Head {
            text: String::new(),
            is_cut: false,
        };
        // Formatting fails where the text is cut, so the rest is never formatted.
        let result = write!(head, "{}", self.0);
        f.write_str(&head.text)?;
        match head.is_cut {
            true => f.write_str("..."),
            false => result,
        }
    }
}

struct Head {
    text: String,
    is_cut: bool,
}

impl fmt::Write for Head {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let printable = character == ' ' || character.is_ascii_graphic();
            let length = match printable {
                true => 1,
                false => character.escape_default().len(),
            };
            self.is_cut |= self.text.len() + length > MAX;
            if self.is_cut {
                return Err(fmt::Error);
            }
            match printable {
                true => self.text.push(character),
                false => self.text.extend(character.escape_default()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text that is written in two pieces, even if writing the first piece fails.
    struct Raw<'a>(&'a str, &'a str);

    impl fmt::Display for Raw<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _ = f.write_str(self.0);
            f.write_str(self.1)
        }
    }

    #[test]
    fn c6a_a_short_text_is_kept_and_a_long_one_is_cut() {
        let whole = "x".repeat(MAX);
        assert_eq!(format!("{}", Excerpt(Raw(&whole, ""))), whole);
        assert_eq!(
            format!("{}", Excerpt(Raw(&whole, "y"))),
            whole.clone() + "..."
        );
        assert_eq!(
            format!("{}", Excerpt(Raw("a\nb", "\u{202e}"))),
            "a\\nb\\u{202e}"
        );
        // The cut is not in the middle of an escape, and nothing follows the cut.
        let almost = &whole[1..];
        let cut = format!("{}", Excerpt(Raw(&format!("{almost}\n"), "y")));
        assert_eq!(cut, almost.to_owned() + "...");
    }

    proptest! {
        #[test]
        fn c6a_an_excerpt_is_short_and_printable(one in "\\PC{0,300}|.{0,500}", other in any::<String>()) {
            let text = format!("{}", Excerpt(Raw(&one, &other)));
            prop_assert!(text.len() <= MAX + 3, "{}", text.len());
            prop_assert!(text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic()), "{text}");
        }
    }
}
