//! Binding a TCP listener, with an error that names the address and the fix. Accepting from it lives in `concurrent`.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, ToSocketAddrs, lookup_host};

/// Binds a listener to the first of these addresses that can be bound.
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
/// error prints it with `Debug`. In a function that returns [`io::Result`], `?` turns the error into an [`io::Error`] of
/// the same kind.
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

/// What cannot be bound.
enum Place {
    Address(SocketAddr),
    /// What was given in place of an address.
    Unresolved(String),
}

impl BindError {
    /// Returns the address that cannot be bound. If there are several, it is the last one. `None` if the address given
    /// could not be resolved.
    pub fn addr(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Address(addr) => Some(addr),
            Place::Unresolved(_) => None,
        }
    }

    /// Returns the kind of the operating system's error.
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = &self.error;
        let addr = match &self.place {
            Place::Address(addr) => addr,
            Place::Unresolved(given) => {
                return write!(
                    f,
                    "cannot listen on {given}: {error}; give an IP address and a port, such as `0.0.0.0:443`"
                );
            }
        };
        write!(f, "cannot listen on {addr}: ")?;
        match error.kind() {
            ErrorKind::AddrInUse => f.write_str(
                "the address is in use; stop the program that uses it, or choose another port",
            ),
            ErrorKind::PermissionDenied if addr.port() < 1024 => f.write_str(
                "permission denied; choose a port from 1024 on, or allow the process lower ports, on Linux with the \
                 capability CAP_NET_BIND_SERVICE",
            ),
            ErrorKind::AddrNotAvailable => f.write_str(
                "this machine does not have the address; choose one that it has, or `0.0.0.0` or `[::]` for all of \
                 them",
            ),
            _ => error.fmt(f),
        }
    }
}

impl fmt::Debug for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for BindError {
    /// The operating system's error.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
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
            (ErrorKind::OutOfMemory, "out of memory"),
        ] {
            let text = text(addr("192.0.2.1:443"), kind);
            assert!(
                text.starts_with("cannot listen on 192.0.2.1:443: "),
                "{text}"
            );
            assert!(text.contains(fix), "{text}");
        }
        // There, the privilege would not help.
        let high = text(addr("[::]:8443"), ErrorKind::PermissionDenied);
        assert_eq!(high, "cannot listen on [::]:8443: permission denied");
    }
}
