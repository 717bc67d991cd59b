//! Lists of peers that an operator trusts, such as gateways. What a trusted peer may do is up to the settings that take
//! such a list.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// The peers that a server trusts, such as its load balancers: networks of IP addresses, or any peer.
///
/// A peer is the other end of the TCP connection. No header field and no PROXY protocol header changes who it is.
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
    /// Creates a list of networks: an IP address (`192.0.2.1`, `2001:db8::1`), or an address and the length of a
    /// prefix (`10.0.0.0/8`, `2001:db8::/32`).
    ///
    /// An IPv4 network also contains the peers that a socket on `[::]` shows as `::ffff:192.0.2.1`, and no IPv6 network
    /// contains them. A peer without an IP address, such as that of a Unix socket, is in no network.
    ///
    /// # Errors
    ///
    /// Returns [`PeersError`] if an entry is not a network, or has address bits behind its prefix. An empty list is an
    /// error too.
    pub fn new<I>(networks: I) -> Result<Self, PeersError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let networks = networks.into_iter();
        let networks: Arc<[_]> = networks
            .map(|text| Network::parse(text.as_ref()))
            .collect::<Result<_, _>>()?;
        match networks.is_empty() {
            true => Err(PeersError {
                value: None,
                problem: "the list is empty, so nobody would be trusted".to_owned(),
            }),
            false => Ok(Self(List::Networks(networks))),
        }
    }

    /// Trusts every peer, whatever its address.
    ///
    /// # Security
    ///
    /// Use it only if nobody but the gateway can connect: on a Unix socket, on loopback, in a network of its own, or
    /// behind a load balancer that keeps the addresses of the clients.
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

    /// Returns whether the list contains a peer, which may have no IP address.
    pub(crate) fn contains_peer(&self, peer: Option<SocketAddr>) -> bool {
        match peer {
            Some(peer) => self.contains(peer.ip()),
            None => self.0 == List::Any,
        }
    }
}

/// Addresses with a common prefix. IPv4 addresses that are mapped to IPv6 are IPv4 addresses here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Result<Self, PeersError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let expected = "is not a network; expected an IP address, or an address and a prefix such as `10.0.0.0/8`";
        let address: IpAddr = address
            .parse()
            .map_err(|_| PeersError::new(text, expected))?;
        let longest = width(address);
        let prefix = match prefix {
            // `parse` would take a sign.
            Some(digits) if is_number(digits) => digits.parse(),
            Some(_) => return Err(PeersError::new(text, expected)),
            None => Ok(longest),
        };
        let prefix = prefix.ok().filter(|prefix| *prefix <= longest);
        let Some(prefix) = prefix else {
            let problem =
                format!("has a longer prefix than an address has bits, which is {longest}");
            return Err(PeersError::new(text, problem));
        };
        let first = masked(address, prefix);
        if first != address {
            let problem = format!("has address bits behind its prefix; write `{first}/{prefix}`");
            return Err(PeersError::new(text, problem));
        }
        // The bits before a mapped IPv4 address are set, so the prefix covers all of them.
        let first = address.to_canonical();
        let prefix = prefix - (longest - width(first));
        Ok(Self { first, prefix })
    }

    fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.first.is_ipv4() && masked(ip, self.prefix) == self.first
    }
}

fn is_number(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Returns the number of bits of an address.
fn width(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    }
}

/// Returns an address with zeros behind a prefix.
fn masked(ip: IpAddr, prefix: u32) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let behind = u32::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & !behind).into()
        }
        IpAddr::V6(ip) => {
            let behind = u128::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & !behind).into()
        }
    }
}

/// Error returned when a list of [`Peers`] is invalid.
///
/// ```
/// let error = tower_misdirected::Peers::new(["load-balancer.internal"]).unwrap_err();
/// assert_eq!(error.value(), "load-balancer.internal");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeersError {
    value: Option<String>,
    problem: String,
}

impl PeersError {
    fn new(value: &str, problem: impl Into<String>) -> Self {
        Self {
            value: Some(value.to_owned()),
            problem: problem.into(),
        }
    }

    /// Returns the entry that is not valid. It is empty if the list is.
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for PeersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "peers: `{value}` {}", self.problem),
            None => write!(f, "peers: {}", self.problem),
        }
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
            ("10.0.0.0/33", "which is 32"),
            ("::/129", "which is 128"),
            ("10.0.0.0/99999999999", "which is 32"),
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
        let empty = Peers::new([""; 0]).unwrap_err();
        assert_eq!(
            empty.to_string(),
            "peers: the list is empty, so nobody would be trusted"
        );
    }

    #[test]
    fn only_any_contains_a_peer_without_an_ip_address() {
        let all = Peers::new(["0.0.0.0/0", "::/0"]).unwrap();
        assert!(!all.contains_peer(None));
        assert!(Peers::any().contains_peer(None));
    }
}
