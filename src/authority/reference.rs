//! An authority borrowed from a request, which the layer judges. `target` finds it in the request.

use super::scheme::Scheme;
use crate::host::{self, Host, HostRef};
use crate::malformed::Malformed;

/// An authority borrowed from the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthorityRef<'a> {
    pub(crate) host: HostRef<'a>,
    pub(crate) port: Option<u16>,
}

impl<'a> AuthorityRef<'a> {
    /// Parses `host[:port]`. If the text is the `likely` host in normal form, its grammar is not checked again.
    pub(super) fn parse(text: &'a [u8], likely: Option<&'a Host>) -> Result<Self, Malformed> {
        if let Some(host) = likely.filter(|host| host.is_spelled(text)) {
            let host = host.as_ref();
            return Ok(Self { host, port: None });
        }
        let (host, port) = match likely.and_then(|host| Some((host, host.port_after(text)?))) {
            Some((host, port)) => (host.as_ref(), host::parse_port(port)?),
            None => host::parse(text)?,
        };
        Ok(Self { host, port })
    }

    /// Returns whether both name the same host and port. An absent port counts as the default port of the scheme.
    pub(super) fn same_entity(&self, other: &Self, scheme: Option<Scheme>) -> bool {
        let default = scheme.and_then(Scheme::default_port);
        self.host == other.host && self.port.or(default) == other.port.or(default)
    }
}
