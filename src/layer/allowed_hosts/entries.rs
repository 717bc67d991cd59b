//! The entries of a list of allowed hosts, read from text. Changing a list while a server runs lives in `run_time`.

use crate::host::{NameMap, Pattern, Sought};
use crate::layer::error::{ConfigError, allowed_host, allowed_network};
use crate::network::Network;
use crate::verdict::HostSet;

/// One entry of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    Host(Pattern),
    Addresses(Network),
}

impl Entry {
    /// Parses a host, a wildcard, an IP address, or a network of IP addresses.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let is_network = |(address, _): (&str, &str)| address.parse::<std::net::IpAddr>().is_ok();
        match text.split_once('/').is_some_and(is_network) {
            true => allowed_network(text).map(Self::Addresses),
            false => allowed_host(text).map(Self::Host),
        }
    }
}

/// A list of hosts. The cost of a look-up does not grow with the number of names and addresses. An address that is not
/// an entry itself is compared with each network in turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    hosts: NameMap<()>,
    networks: Vec<Network>,
}

impl Entries {
    /// Parses every entry of a list. An empty list is the error `empty`.
    pub(super) fn parse<I>(texts: I, empty: fn() -> ConfigError) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let texts = texts.into_iter();
        let mut entries = texts.map(|text| Entry::parse(text.as_ref())).peekable();
        if entries.peek().is_none() {
            return Err(empty());
        }
        entries.collect()
    }

    /// Adds an entry. Returns whether it is new.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        match entry {
            Entry::Host(pattern) => self.hosts.insert(pattern, ()).is_none(),
            Entry::Addresses(network) => {
                let new = !self.networks.contains(&network);
                if new {
                    self.networks.push(network);
                }
                new
            }
        }
    }

    /// Removes an entry. Returns whether it was there.
    pub(super) fn remove(&mut self, entry: &Entry) -> bool {
        match entry {
            Entry::Host(pattern) => self.hosts.remove(pattern).is_some(),
            Entry::Addresses(network) => {
                let at = self.networks.iter().position(|known| known == network);
                at.map(|at| self.networks.swap_remove(at)).is_some()
            }
        }
    }

    #[cold]
    fn networks_contain(&self, host: &Sought<'_>) -> bool {
        let Some(ip) = host.host().ip() else {
            return false;
        };
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(ip))
    }
}

impl HostSet for Entries {
    fn contains(&self, host: &Sought<'_>) -> bool {
        self.hosts.get(host).is_some() || self.networks_contain(host)
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut list = Self::default();
        for entry in entries {
            list.insert(entry);
        }
        list
    }
}
