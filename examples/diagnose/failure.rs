//! The reasons for which there is no connection or no answer.

use std::error::Error;
use std::io;

use rustls::AlertDescription;

use crate::text;

#[derive(Clone, Debug)]
pub struct Failure {
    pub text: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing listens, or the name does not resolve.
    Unreachable,
    TimedOut,
    /// A TLS alert of the server.
    Alert,
    /// The connection has ended, without a word of HTTP.
    Ended,
    /// The server has told that it takes no more requests.
    Goaway,
    Other,
}

impl Failure {
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        let text = text::plain(&text.into());
        Self { text, kind }
    }

    /// A step that took longer than it may.
    pub fn timed_out(what: &str, timeout: std::time::Duration) -> Self {
        Self::new(
            Kind::TimedOut,
            format!("{what} within {} s", timeout.as_secs()),
        )
    }

    pub fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(alert) = alert(error) {
            return Self::alert(alert);
        }
        let kind = if goaway(error) {
            Kind::Goaway
        } else if ended(error) {
            Kind::Ended
        } else {
            Kind::Other
        };
        Self {
            text: text::causes(error),
            kind,
        }
    }

    /// The alert, as the RFCs spell it.
    pub fn alert(alert: AlertDescription) -> Self {
        let mut name = String::new();
        for c in format!("{alert:?}").chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
        // RFC 6066 §3 has the other spelling.
        let name = name.replace("unrecognised", "unrecognized");
        Self::new(Kind::Alert, format!("the server sent the TLS alert {name}"))
    }
}

/// The error and its causes. An `io::Error` hides the error inside it from `source`, and so does h2.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.get_ref().map(|inner| inner as &(dyn Error + 'static));
        }
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            return h2.get_io().map(|inner| inner as &(dyn Error + 'static));
        }
        error.source()
    })
}

/// The TLS alert of the server in an error.
pub fn alert(error: &(dyn Error + 'static)) -> Option<AlertDescription> {
    chain(error).find_map(|error| match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    })
}

/// Whether the other end has closed the connection, in whatever way.
fn ended(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    chain(error).any(|error| {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            let kinds = [
                BrokenPipe,
                ConnectionAborted,
                ConnectionReset,
                NotConnected,
                UnexpectedEof,
            ];
            return kinds.contains(&io.kind());
        }
        let hyper = error.downcast_ref::<hyper::Error>();
        hyper.is_some_and(|hyper| {
            hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed()
        })
    })
}

fn goaway(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| {
        let h2 = error.downcast_ref::<h2::Error>();
        h2.is_some_and(|h2| h2.is_go_away() && h2.is_remote())
    })
}
