//! Binding a TCP listener, with an error that names the address and the fix. Accepting from it lives in `concurrent`.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, ToSocketAddrs, lookup_host};

/// Binds a listener to the first address that can be bound.
pub(crate) async fn bind(addr: impl ToSocketAddrs + fmt::Debug) -> Result<TcpListener, BindError> {
    let given = format!("{addr:?}");
    let unresolved = |error| BindError {
        place: Place::Unresolved(given),
        error,
    };
    let mut last = None;
    let addrs = match lookup_host(addr).await {
        Ok(addrs) => addrs,
        Err(error) => return Err(unresolved(error)),
    };
    for addr in addrs {
        match TcpListener::bind(addr).await {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                let place = Place::Address(addr);
                last = Some(BindError { place, error });
            }
        }
    }
    Err(last.unwrap_or_else(|| unresolved(io::Error::other("the list is empty"))))
}

/// Error returned when a listener cannot be bound to its address.
///
/// The text names the address and the fix. `Debug` writes the same text as `Display`, because a `main` that returns an
/// error prints it with `Debug`. In a function that returns [`io::Result`], `?` turns the error into an [`io::Error`]
/// of the same kind. A `main` that returns `io::Result` prints that one as `Custom { … }`, like every `io::Error` with a
/// text of its own, so let `main` return `Result<(), Box<dyn Error>>`.
///
/// ```
/// use std::io::ErrorKind;
/// use tower_misdirected::{BindError, TlsAcceptor, TlsListener};
///
/// async fn listen(tls: TlsAcceptor) -> Result<TlsListener, BindError> {
///     match TlsListener::bind("0.0.0.0:443", tls.clone()).await {
///         Err(error) if error.kind() == ErrorKind::PermissionDenied => {
///             eprintln!("{error}"); // cannot listen on 0.0.0.0:443: permission denied; choose a port from 1024 on …
///             TlsListener::bind("0.0.0.0:8443", tls).await
///         }
///         bound => bound,
///     }
/// }
/// ```
pub struct BindError {
    place: Place,
    error: io::Error,
}

/// The place that cannot be bound.
enum Place {
    Address(SocketAddr),
    /// The text that could not be resolved to an address.
    Unresolved(String),
}

impl BindError {
    /// Returns the address that cannot be bound. If several addresses failed, returns the last address. Returns `None`
    /// if the given address could not be resolved.
    pub fn addr(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Address(addr) => Some(addr),
            Place::Unresolved(_) => None,
        }
    }

    /// Returns the kind of the underlying error.
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }
}

impl BindError {
    /// Returns the problem and the fix in words of our own, if there are any.
    fn advice(&self) -> Option<&'static str> {
        let Place::Address(addr) = self.place else {
            return None;
        };
        match self.error.kind() {
            ErrorKind::AddrInUse => {
                Some("the address is in use; stop the program that uses it, or choose another port")
            }
            ErrorKind::PermissionDenied if addr.port() < 1024 => Some(
                "permission denied; choose a port from 1024 on, or allow the process lower ports, on Linux with the \
                 capability CAP_NET_BIND_SERVICE",
            ),
            ErrorKind::PermissionDenied => Some(
                "permission denied; choose another port, or allow the process to listen on this one",
            ),
            ErrorKind::AddrNotAvailable => Some(
                "this machine does not have the address; choose one that it has, or `0.0.0.0` or `[::]` for all of \
                 them",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = &self.error;
        match (&self.place, self.advice()) {
            (Place::Address(addr), Some(advice)) => write!(f, "cannot listen on {addr}: {advice}"),
            (Place::Address(addr), None) => write!(
                f,
                "cannot listen on {addr}: {error}; check the address, and the limits of the process"
            ),
            (Place::Unresolved(given), _) => write!(
                f,
                "cannot listen on {given}: {error}; give an IP address and a port, such as `0.0.0.0:443`"
            ),
        }
    }
}

impl fmt::Debug for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for BindError {
    /// Returns the error of the operating system, unless the text quotes it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.advice().map(|_| &self.error as _)
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(place: Place, kind: ErrorKind) -> String {
        let error = BindError {
            place,
            error: kind.into(),
        };
        assert_eq!(format!("{error:?}"), error.to_string());
        error.to_string()
    }

    #[test]
    fn an_error_names_the_address_and_the_fix() {
        let addr = |addr: &str| Place::Address(addr.parse().unwrap());
        for (kind, fix) in [
            (ErrorKind::AddrInUse, "choose another port"),
            (ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
            (ErrorKind::AddrNotAvailable, "`0.0.0.0` or `[::]`"),
            (ErrorKind::OutOfMemory, "out of memory; check the address"),
        ] {
            let text = text(addr("192.0.2.1:443"), kind);
            assert!(
                text.starts_with("cannot listen on 192.0.2.1:443: "),
                "{text}"
            );
            assert!(text.contains(fix), "{text}");
        }
        // On such a port, the privilege would not help.
        let high = text(addr("[::]:8443"), ErrorKind::PermissionDenied);
        assert!(!high.contains("CAP_NET_BIND_SERVICE"), "{high}");
        assert!(
            high.contains("permission denied; choose another port"),
            "{high}"
        );
    }
}
