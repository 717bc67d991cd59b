//! The names of a certificate, and matching a host against them (RFC 9525 §6.3). Reading them from a certificate lives
//! in `der`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::host::{Hashed, Host, NameMap, Pattern, Sought};

/// The subject alternative names of the certificate that a handshake presented.
///
/// A handshake that resumes a session presents no certificate. The names are then the names of the certificate that a
/// full handshake would have presented.
///
/// A DNS name covers itself. `*.example.com` covers names with exactly one more label, and not `example.com` itself. An
/// IP address covers itself. The subject's common name covers nothing (RFC 9525 §2).
///
/// If the certificate contains neither DNS names nor IP addresses, the names are [unknown](Self::unknown). The layer
/// then serves only the server name of the handshake.
///
/// A clone only increments a reference count: all connections that presented a certificate share one set of names.
///
/// ```
/// use tower_misdirected::CertificateNames;
///
/// let names = CertificateNames::from_sans(["example.com", "*.example.com"], ["192.0.2.1".parse()?]);
/// assert_eq!(names.covers(&"www.Example.com".parse()?), Some(true));
/// assert_eq!(names.covers(&"a.b.example.com".parse()?), Some(false));
/// assert_eq!(names.covers(&"192.0.2.1".parse()?), Some(true));
///
/// // The TLS stack does not say which certificate it presented:
/// assert_eq!(CertificateNames::unknown().covers(&"example.com".parse()?), None);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CertificateNames(Option<Arc<NameMap<()>>>);

impl CertificateNames {
    /// Creates names from the dNSName and iPAddress entries of a certificate's subjectAltName extension.
    ///
    /// Pass every entry of these two kinds. Without any entry, the names are [unknown](Self::unknown), because a client
    /// that accepts the certificate decides by other means. Examples are a certificate with only a common name, and a
    /// certificate with only a URI, such as a SPIFFE ID.
    ///
    /// A wildcard before a single label (`*.internal`) counts, because some clients accept it, such as Go and Java.
    /// Entries that no client would match are ignored:
    ///
    /// - a wildcard that is not the whole left-most label (`f*.example`), or without a label after it (`*`)
    /// - a label that begins or ends with a hyphen
    /// - a trailing dot (RFC 5280 §4.2.1.6)
    /// - an IP address written as a dNSName
    /// - non-ASCII text
    ///
    /// If all entries are ignored, the names are known and cover nothing.
    ///
    /// ```
    /// use tower_misdirected::CertificateNames;
    ///
    /// let names = CertificateNames::from_sans(["app.example", "*.internal", "*", "f*.example"], []);
    /// assert_eq!(names.to_strings(), ["app.example", "*.internal"]);
    ///
    /// // A certificate that names hosts, but none that a client would match:
    /// let names = CertificateNames::from_sans(["*"], []);
    /// assert_eq!(names.covers(&"app.example".parse()?), Some(false));
    ///
    /// // A certificate that names no hosts:
    /// let names = CertificateNames::from_sans([""; 0], []);
    /// assert_eq!(names.covers(&"app.example".parse()?), None);
    /// # Ok::<_, tower_misdirected::Malformed>(())
    /// ```
    pub fn from_sans<D, I>(dns_names: D, ip_addresses: I) -> Self
    where
        D: IntoIterator<Item: AsRef<str>>,
        I: IntoIterator<Item = IpAddr>,
    {
        let mut dns_names = dns_names.into_iter().peekable();
        let mut ip_addresses = ip_addresses.into_iter().peekable();
        if dns_names.peek().is_none() && ip_addresses.peek().is_none() {
            return Self::unknown();
        }
        Self::of_entries(dns_names, ip_addresses)
    }

    /// Creates the names of a certificate that has entries, even if none of these entries can match.
    pub(super) fn of_entries(
        dns_names: impl Iterator<Item: AsRef<str>>,
        ip_addresses: impl Iterator<Item = IpAddr>,
    ) -> Self {
        let dns = dns_names
            .filter(|name| !name.as_ref().ends_with('.'))
            .filter_map(|name| Pattern::dns(name.as_ref()))
            .filter(|pattern| match pattern {
                Pattern::Exact(name) | Pattern::Wildcard(name) => is_preferred(name),
                Pattern::Subdomains(_) | Pattern::Ip(_) => false,
            });
        let ips = ip_addresses.map(Pattern::Ip);
        let names = dns.chain(ips).map(|pattern| (pattern, ()));
        Self(Some(Arc::new(names.collect())))
    }

    /// Creates unknown names. With unknown names, the layer serves only the server name of the handshake, because it
    /// cannot know which other hosts the certificate covers.
    ///
    /// Use it if the TLS stack does not tell which certificate it presented, or if the certificate cannot be parsed.
    ///
    /// ```
    /// use tower_misdirected::CertificateNames;
    ///
    /// assert!(!CertificateNames::unknown().is_known());
    /// assert!(!CertificateNames::from_sans([""; 0], []).is_known());
    /// ```
    pub fn unknown() -> Self {
        Self(None)
    }

    /// Returns whether the names are known: the certificate can be parsed, and has a DNS name or an IP address, even
    /// one that no client would match.
    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether the certificate covers `host`, or `None` if the names are [unknown](Self::unknown).
    pub fn covers(&self, host: &Host) -> Option<bool> {
        let names = self.0.as_deref()?;
        // A `Host` is in normal form, so it is found without parsing it again.
        let found = host
            .name()
            .is_some_and(|name| names.read(name.as_bytes()).is_ok());
        Some(found || names.get(&Sought::new(host.as_ref())).is_some())
    }

    #[inline]
    pub(crate) fn cover(&self, host: &Sought<'_>) -> Option<bool> {
        let names = self.0.as_deref()?;
        Some(names.get(host).is_some())
    }

    /// Parses a host without a port that the certificate covers. If the error contains the hashes of the text, and the
    /// text is a name in normal form, the certificate does not cover the name, because certificates have no wildcards
    /// for several labels. An error without hashes does not tell whether the name is covered.
    #[inline]
    pub(crate) fn read<'a>(&self, text: &'a [u8]) -> Result<Sought<'a>, Option<Hashed<'a>>> {
        self.0.as_deref().ok_or(None)?.read(text)
    }

    /// Returns the names as sorted text: DNS names, then wildcards, then IP addresses. Returns an empty list if the
    /// names are unknown.
    pub fn to_strings(&self) -> Vec<String> {
        let mut patterns: Vec<_> = self.patterns().collect();
        patterns.sort();
        patterns.iter().map(ToString::to_string).collect()
    }

    /// Returns a short text for a log: at most `count` names, and the number of further names.
    #[cfg(feature = "tracing")]
    pub(crate) fn first(&self, count: usize) -> FirstNames<'_> {
        FirstNames { names: self, count }
    }

    /// Returns the names in no particular order, or no names if they are unknown.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = Pattern> {
        let names = self.0.iter().flat_map(|names| names.iter());
        names.map(|(pattern, ())| pattern)
    }

    /// Returns whether both values share the same set of names in memory, as clones do.
    ///
    /// ```
    /// use tower_misdirected::CertificateNames;
    ///
    /// let names = || CertificateNames::from_sans(["app.example"], []);
    /// let first = names();
    /// assert!(first.ptr_eq(&first.clone()) && !first.ptr_eq(&names()));
    /// ```
    pub fn ptr_eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    #[cfg(feature = "rustls")]
    pub(crate) fn downgrade(&self) -> Option<std::sync::Weak<NameMap<()>>> {
        self.0.as_ref().map(Arc::downgrade)
    }

    #[cfg(feature = "rustls")]
    pub(crate) fn from_shared(names: Arc<NameMap<()>>) -> Self {
        Self(Some(names))
    }
}

/// Some names of a certificate as text. A certificate can have thousands of names, so only the shown names are
/// formatted.
#[cfg(feature = "tracing")]
pub(crate) struct FirstNames<'a> {
    names: &'a CertificateNames,
    count: usize,
}

#[cfg(feature = "tracing")]
impl fmt::Display for FirstNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(names) = &self.names.0 else {
            return f.write_str("unknown");
        };
        let mut first: Vec<_> = self.names.patterns().take(self.count).collect();
        if first.is_empty() {
            return f.write_str("none that a client would match");
        }
        first.sort();
        for (index, name) in first.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        match names.len() - first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Returns whether no label begins or ends with a hyphen, as the "preferred name syntax" of RFC 1034 §3.5 requires.
/// Underscores are allowed here.
fn is_preferred(name: &[u8]) -> bool {
    name.split(|&byte| byte == b'.')
        .all(|label| !label.starts_with(b"-") && !label.ends_with(b"-"))
}

impl fmt::Debug for CertificateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_known() {
            true => f.debug_list().entries(self.to_strings()).finish(),
            false => f.write_str("unknown"),
        }
    }
}
