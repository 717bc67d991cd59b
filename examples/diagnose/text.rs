//! Text from the server, made safe for a terminal: limited in length, and without control characters.

use std::error::Error;

/// The longest text of a server that is shown, in characters.
const MAX: usize = 200;

/// Escapes everything but printable ASCII, and shortens what is too long.
pub fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut shown = text.chars();
    for c in shown.by_ref().take(MAX) {
        match c {
            ' '..='~' => plain.push(c),
            _ => plain.extend(c.escape_default()),
        }
    }
    if shown.next().is_some() {
        plain.push_str("...");
    }
    plain
}

/// An error with its causes, which hyper and others leave out of their text.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    plain(&text)
}

/// `one`, `one and two`, or `one, two and three`.
pub fn list<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => "none".to_owned(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}
