//! The names of a certificate, and whether they cover a host (RFC 9525 §6.3). Reading them from a
//! certificate lives in `der`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::host::{Hashed, Host, NameMap, Pattern, Sought};

/// The subject alternative names of the certificate that a handshake presented.
///
/// A handshake that resumes a session presents no certificate. Its names are those of the certificate that
/// a full handshake would have presented.
///
/// A DNS name covers itself. A wildcard covers exactly one label in its place and never the name after it. An
/// IP address covers itself. The subject's common name covers nothing (RFC 9525 §2).
///
/// The names are [unknown](Self::unknown) if the certificate says nothing about DNS names and IP addresses. The layer
/// then serves the server name of the handshake and no other host.
///
/// Cloning is cheap: all connections that presented a certificate share one set of names.
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
    /// Makes names from the dNSName and iPAddress entries of a certificate's subjectAltName extension.
    ///
    /// Pass every entry of these two kinds. Without any entry the names are [unknown](Self::unknown), because a client
    /// that accepted the certificate did not decide by them. Examples are a certificate with only a common name, and
    /// one with only a URI, such as a SPIFFE ID.
    ///
    /// A wildcard before a single label (`*.internal`) counts: some clients reject such a name, but Go and Java accept
    /// it. Entries that no client would match are left out:
    ///
    /// - a wildcard that is not the whole left-most label (`f*.example`), or that stands before no label (`*`)
    /// - a label that begins or ends with a hyphen
    /// - a trailing dot (RFC 5280 §4.2.1.6)
    /// - an IP address written as a dNSName
    /// - non-ASCII text
    ///
    /// If all entries are left out, the names are known and cover nothing.
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

    /// Makes the names of a certificate that has entries, even if none of them is among these.
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

    /// Makes unknown names. The layer then serves only the server name of the handshake, because nothing says which
    /// other hosts the certificate is for.
    ///
    /// Use it for a TLS stack that does not say which certificate it presented, and for a certificate that cannot be
    /// read. A certificate that names neither a DNS name nor an IP address counts as unknown too.
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

    /// Returns whether the certificate can be read and names a DNS name or an IP address. Names that no client would
    /// match count.
    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether the certificate covers `host`, or `None` if the names are [unknown](Self::unknown).
    pub fn covers(&self, host: &Host) -> Option<bool> {
        let names = self.0.as_deref()?;
        // A name is in normal form, which is found without reading it again.
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

    /// Reads a host without a port that the certificate covers. If the error has the hashes of the text, and the text
    /// is a name in normal form, the certificate does not cover the name, because certificates have no wildcards for
    /// several labels. An error without hashes says nothing.
    #[inline]
    pub(crate) fn read<'a>(&self, text: &'a [u8]) -> Result<Sought<'a>, Option<Hashed<'a>>> {
        self.0.as_deref().ok_or(None)?.read(text)
    }

    /// Returns the names as text, sorted: DNS names, then wildcards, then IP addresses. Empty if the names
    /// are unknown.
    pub fn to_strings(&self) -> Vec<String> {
        let mut patterns: Vec<_> = self.patterns().collect();
        patterns.sort();
        patterns.iter().map(ToString::to_string).collect()
    }

    /// Returns some names as a short text, for a log: at most `count`, and how many more there are.
    #[cfg(feature = "tracing")]
    pub(crate) fn first(&self, count: usize) -> FirstNames<'_> {
        FirstNames { names: self, count }
    }

    /// Returns the names in no particular order; none if they are unknown.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = Pattern> {
        let names = self.0.iter().flat_map(|names| names.iter());
        names.map(|(pattern, ())| pattern)
    }

    /// Returns whether both share one set in memory, as clones do.
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

/// Some names of a certificate as text. A certificate can have thousands, so only those that are shown are looked at.
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

/// Returns whether no label begins or ends with a hyphen, as the "preferred name syntax" of RFC 1034 §3.5 asks.
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
