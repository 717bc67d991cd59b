//! The errors of building virtual hosts, and their texts. `builder` finds them.

use std::error::Error;
use std::fmt;
use std::net::Ipv4Addr;

use crate::host::HostProblem;

/// Error returned when [`VirtualHosts`](crate::VirtualHosts) cannot be built.
///
/// Each variant contains the wrong value, and the text of the error also names the fix. In the id of a configuration,
/// octets that are not printable ASCII are escaped.
///
/// `Debug` writes the same text as `Display`, because `unwrap`, and a `main` that returns an error, print it so.
///
/// ```
/// use std::sync::Arc;
/// use tower_misdirected::{VirtualHosts, VirtualHostsError};
///
/// let empty = VirtualHosts::<rustls::ServerConfig>::builder();
/// assert_eq!(empty.build().unwrap_err(), VirtualHostsError::Empty);
///
/// # struct Context;
/// # let config = Arc::new(Context);
/// let error = VirtualHosts::builder()
///     .host("www.example", config.clone())
///     .host("WWW.example.", config)
///     .build()
///     .unwrap_err();
/// assert_eq!(error, VirtualHostsError::DuplicateName("www.example".into()));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VirtualHostsError {
    /// The builder has neither a virtual host nor a default.
    Empty,
    /// The virtual host with this id has no names and is not the default.
    NoNames(String),
    /// A name is none of these: a DNS name, `*.` or `**.` before a DNS name, an IP address.
    InvalidName(InvalidName),
    /// This name occurs twice, in one or in two virtual hosts.
    DuplicateName(String),
    /// Two virtual hosts have this id.
    DuplicateId(String),
    /// The default is set to this id, but no virtual host has it.
    UnknownDefault(String),
    /// The default is set twice.
    SeveralDefaults,
    /// A configuration has an empty [id](crate::VirtualHostsBuilder::config_id).
    EmptyConfigId,
    /// This id of a configuration has more than 64 octets.
    LongConfigId(String),
    /// One configuration has these two ids.
    SeveralConfigIds(String, String),
    /// The configuration with this id is not used by any virtual host.
    UnusedConfigId(String),
}

/// An invalid name of a virtual host; see [`VirtualHostsError::InvalidName`].
///
/// ```
/// use std::sync::Arc;
/// use tower_misdirected::{VirtualHosts, VirtualHostsError};
///
/// # struct Context;
/// # let config = Arc::new(Context);
/// let error = VirtualHosts::builder().host("www.example:443", config).build().unwrap_err();
/// let VirtualHostsError::InvalidName(invalid) = error else { panic!("{error}") };
/// assert_eq!(invalid.name(), "www.example:443");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidName {
    pub(super) name: String,
    pub(super) problem: NameProblem,
}

/// The problem of an invalid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameProblem {
    Host(HostProblem),
    /// The name is the IPv4-mapped IPv6 form of this IPv4 address, which a local address never has.
    Mapped(Ipv4Addr),
}

impl InvalidName {
    /// Returns the name as it was passed to the builder.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            NameProblem::Host(HostProblem::Port) => "has a port; give the name without a port",
            NameProblem::Host(HostProblem::Star) => {
                "has a `*` in the wrong place; a name can begin with `*.` for one label or `**.` for one or more; \
                 to serve every other host, set a default"
            }
            NameProblem::Host(HostProblem::Other(problem)) => problem,
            NameProblem::Mapped(ip) => {
                let name = self.name.escape_debug();
                return write!(
                    f,
                    "`{name}` is an IPv4 address mapped to IPv6, which no handshake selects; write `{ip}`"
                );
            }
        };
        write!(f, "`{}` {problem}", self.name.escape_debug())
    }
}

impl fmt::Debug for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for InvalidName {}

impl fmt::Display for VirtualHostsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there are no virtual hosts: add one, or a default"),
            Self::NoNames(id) => {
                let id = id.escape_debug();
                write!(
                    f,
                    "virtual host `{id}` has no names: give it one, or make it the default"
                )
            }
            Self::InvalidName(invalid) => invalid.fmt(f),
            Self::DuplicateName(name) => {
                write!(f, "`{name}` occurs twice: give it to one virtual host only")
            }
            Self::DuplicateId(id) => {
                write!(
                    f,
                    "two virtual hosts have the id `{}`: rename one",
                    id.escape_debug()
                )
            }
            Self::UnknownDefault(id) => {
                let id = id.escape_debug();
                write!(
                    f,
                    "the default is set to `{id}`, which is not the id of a virtual host: add that virtual host, or \
                     name another"
                )
            }
            Self::SeveralDefaults => f.write_str("the default is set twice: set it once"),
            Self::EmptyConfigId => {
                f.write_str("a configuration has an empty id: give it 1 to 64 octets, or no id")
            }
            Self::LongConfigId(id) => {
                write!(
                    f,
                    "the id `{id}` of a configuration has more than 64 octets: shorten it, or use its digest"
                )
            }
            Self::SeveralConfigIds(one, other) => {
                write!(
                    f,
                    "one configuration has the ids `{one}` and `{other}`: keep one of them"
                )
            }
            Self::UnusedConfigId(id) => {
                write!(
                    f,
                    "the id `{id}` belongs to a configuration that no virtual host has: pass a clone of the `Arc` that \
                     a virtual host was given"
                )
            }
        }
    }
}

impl fmt::Debug for VirtualHostsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// The text of `InvalidName` is already that of its variant, so it is no source.
impl Error for VirtualHostsError {}
