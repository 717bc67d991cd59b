//! Why virtual hosts cannot be built.

use std::error::Error;
use std::fmt;

use crate::config::HostProblem;

/// Why [`VirtualHosts`](crate::VirtualHosts) cannot be built. Each names the value at fault; as text, the
/// fix too.
///
/// ```
/// use std::sync::Arc;
/// use tower_misdirected::{VirtualHosts, VirtualHostsError};
///
/// assert_eq!(VirtualHosts::builder().build().unwrap_err(), VirtualHostsError::Empty);
///
/// fn twice(config: Arc<rustls::ServerConfig>) {
///     let error = VirtualHosts::builder()
///         .host("www.example", config.clone())
///         .host("WWW.example.", config)
///         .build()
///         .unwrap_err();
///     assert_eq!(error, VirtualHostsError::DuplicateName("www.example".into()));
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VirtualHostsError {
    /// There is neither a name nor a default.
    Empty,
    /// A virtual host, given by its id, has no names and is not the default.
    NoNames(String),
    /// This is no DNS name, `*.` before one, or IP address.
    InvalidName(InvalidName),
    /// This name is given twice, to one virtual host or to two.
    DuplicateName(String),
    /// Two virtual hosts have this id.
    DuplicateId(String),
    /// No virtual host has this id, which the default was set to.
    UnknownDefault(String),
    /// A default was set twice.
    SeveralDefaults,
    /// The crypto provider has no random bytes to give.
    NoRandomness,
}

/// A name that no virtual host can have; see [`VirtualHostsError::InvalidName`].
///
/// ```
/// use std::sync::Arc;
/// use tower_misdirected::{VirtualHosts, VirtualHostsError};
///
/// fn port(config: Arc<rustls::ServerConfig>) {
///     let error = VirtualHosts::builder().host("www.example:443", config).build().unwrap_err();
///     let VirtualHostsError::InvalidName(invalid) = error else { panic!("{error}") };
///     assert_eq!(invalid.name(), "www.example:443");
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    pub(super) name: String,
    pub(super) problem: HostProblem,
}

impl InvalidName {
    /// The name as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            HostProblem::Port => "a virtual host has a name without a port",
            HostProblem::Star => {
                "`*` may only be the whole first label before others, as in `*.app.example`; set a default \
                 to serve every other host"
            }
            HostProblem::Other(problem) => problem,
        };
        write!(f, "`{}`: {problem}", self.name.escape_debug())
    }
}

impl Error for InvalidName {}

impl fmt::Display for VirtualHostsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no virtual hosts: add at least one, or a default"),
            Self::NoNames(id) => {
                let id = id.escape_debug();
                write!(
                    f,
                    "virtual host `{id}` has no names: give it one, or make it the default"
                )
            }
            Self::InvalidName(invalid) => invalid.fmt(f),
            Self::DuplicateName(name) => {
                write!(f, "`{name}` is given twice: leave it to one virtual host")
            }
            Self::DuplicateId(id) => {
                write!(
                    f,
                    "two virtual hosts are called `{}`: rename one",
                    id.escape_debug()
                )
            }
            Self::UnknownDefault(id) => {
                let id = id.escape_debug();
                write!(
                    f,
                    "the default is set to `{id}`: no virtual host has that id, so add it or name another"
                )
            }
            Self::SeveralDefaults => f.write_str("the default is set twice: leave one out"),
            Self::NoRandomness => f.write_str("the crypto provider has no random bytes to give"),
        }
    }
}

impl Error for VirtualHostsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InvalidName(invalid) => Some(invalid),
            _ => None,
        }
    }
}
