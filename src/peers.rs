//! Lists of peers that an operator trusts, such as gateways. The settings that take a list decide what a trusted peer
//! may do.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::network::Network;

/// A list of peers that a server trusts, such as its load balancers: networks of IP addresses, or any peer.
///
/// A peer is the other end of the TCP connection. Header fields and PROXY protocol headers do not change the peer.
///
/// ```
/// use tower_misdirected::Peers;
///
/// let peers = Peers::new(["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"])?;
/// assert!(peers.contains("10.1.2.3".parse()?) && !peers.contains("192.0.2.1".parse()?));
///
/// let error = Peers::new(["10.1.2.3/8"]).unwrap_err();
/// assert_eq!(error.to_string(), "peers: `10.1.2.3/8` has address bits behind its prefix; write `10.0.0.0/8`");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers(List);

#[derive(Clone, Debug, PartialEq, Eq)]
enum List {
    Any,
    Networks(Arc<[Network]>),
}

impl Peers {
    /// Creates a list from networks. An entry is an IP address (`192.0.2.1`, `2001:db8::1`), or an address with a
    /// prefix length (`10.0.0.0/8`, `2001:db8::/32`).
    ///
    /// An IPv4 network also contains the IPv4-mapped IPv6 form of its addresses (`::ffff:192.0.2.1`), which a socket on
    /// `[::]` reports, and no IPv6 network does. A peer without an IP address, such as on a Unix socket, is in no
    /// network.
    ///
    /// # Errors
    ///
    /// Returns [`PeersError`] if an entry is not a network or has address bits after its prefix, or if the list is
    /// empty.
    pub fn new<I>(networks: I) -> Result<Self, PeersError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let networks = networks.into_iter();
        let networks: Arc<[_]> = networks
            .map(|text| {
                let text = text.as_ref();
                Network::parse(text).map_err(|problem| PeersError::new(text, problem))
            })
            .collect::<Result<_, _>>()?;
        match networks.is_empty() {
            true => Err(PeersError {
                value: None,
                problem: "the list is empty, so nobody would be trusted; name at least one network"
                    .to_owned(),
            }),
            false => Ok(Self(List::Networks(networks))),
        }
    }

    /// Creates a list that contains every peer.
    ///
    /// # Security
    ///
    /// Use it only if nobody except the gateway can connect: on a Unix socket, on loopback, in a separate network, or
    /// behind a load balancer that connects from the addresses of its clients.
    ///
    /// ```
    /// assert!(tower_misdirected::Peers::any().contains("192.0.2.1".parse()?));
    /// # Ok::<_, std::net::AddrParseError>(())
    /// ```
    pub fn any() -> Self {
        Self(List::Any)
    }

    /// Returns whether the list contains this address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match &self.0 {
            List::Any => true,
            List::Networks(networks) => {
                let ip = ip.to_canonical();
                networks.iter().any(|network| network.contains(ip))
            }
        }
    }

    /// Returns whether the list is [`Peers::any`].
    pub(crate) fn is_any(&self) -> bool {
        self.0 == List::Any
    }

    /// Returns whether the list contains a peer. `None` is a peer without an IP address.
    pub(crate) fn contains_peer(&self, peer: Option<SocketAddr>) -> bool {
        match peer {
            Some(peer) => self.contains(peer.ip()),
            None => self.is_any(),
        }
    }
}

/// Error returned when a list of [`Peers`] is invalid.
///
/// `Debug` writes the same text as `Display`, because `unwrap`, and a `main` that returns an error, print it so.
///
/// ```
/// let error = tower_misdirected::Peers::new(["load-balancer.internal"]).unwrap_err();
/// assert_eq!(error.value(), "load-balancer.internal");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PeersError {
    value: Option<String>,
    problem: String,
}

impl PeersError {
    fn new(value: &str, problem: String) -> Self {
        Self {
            value: Some(value.to_owned()),
            problem,
        }
    }

    /// Returns the invalid entry. It is empty if the list is empty.
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for PeersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "peers: `{}` {}", value.escape_debug(), self.problem),
            None => write!(f, "peers: {}", self.problem),
        }
    }
}

impl fmt::Debug for PeersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PeersError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks: &[&str], ip: &str) -> bool {
        Peers::new(networks).unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn a_network_contains_the_addresses_with_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
            ("2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
            ("::1", "::1", "::2"),
            ("fe80::/10", "febf::1", "fec0::1"),
        ] {
            assert!(contains(&[network], inside), "{inside} in {network}");
            assert!(!contains(&[network], outside), "{outside} in {network}");
        }
    }

    #[test]
    fn a_mapped_ipv4_address_is_an_ipv4_address() {
        assert!(contains(&["192.0.2.0/24"], "::ffff:192.0.2.7"));
        assert!(contains(&["::ffff:192.0.2.0/120"], "192.0.2.7"));
        assert!(!contains(&["::ffff:192.0.2.0/120"], "192.0.3.7"));
        assert!(contains(&["::ffff:0:0/96"], "203.0.113.9"));
        assert!(!contains(&["::/0"], "::ffff:192.0.2.7"));
    }

    #[test]
    fn an_entry_that_is_not_a_network_is_named_with_the_fix() {
        for (entry, problem) in [
            ("10.0.0.1/8", "write `10.0.0.0/8`"),
            ("2001:db8::1/64", "write `2001:db8::/64`"),
            ("::ffff:192.0.2.0/90", "write `::ffc0:0:0/90`"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("10.0.0.0/99999999999", "from 0 to 32"),
            ("10.0.0.0/+8", "not a network"),
            ("10.0.0.0/", "not a network"),
            ("10.0.0.0/8/8", "not a network"),
            ("10.0.0", "not a network"),
            ("[::1]", "not a network"),
            ("127.0.0.1:80", "not a network"),
            ("localhost", "not a network"),
            ("", "not a network"),
        ] {
            let error = Peers::new(["127.0.0.1", entry]).unwrap_err();
            assert_eq!(error.value(), entry);
            assert!(error.to_string().contains(problem), "{error}");
        }
        let line = Peers::new(["10.0.0.0/8\n"]).unwrap_err();
        assert!(
            line.to_string()
                .starts_with(r"peers: `10.0.0.0/8\n` is not")
        );
        let empty = Peers::new([""; 0]).unwrap_err();
        assert_eq!(
            empty.to_string(),
            "peers: the list is empty, so nobody would be trusted; name at least one network"
        );
    }

    #[test]
    fn only_any_contains_a_peer_without_an_ip_address() {
        let all = Peers::new(["0.0.0.0/0", "::/0"]).unwrap();
        assert!(!all.contains_peer(None));
        assert!(Peers::any().contains_peer(None));
    }
}
