//! Where 421s will come from: virtual hosts that one certificate covers, so that clients coalesce them,
//! and whose configurations differ, so that such requests are refused.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use super::probe::Probe;
use super::{Map, VirtualHost, VirtualHosts};
use crate::certificate::CertificateNames;
use crate::host::Host;
use crate::names::Pattern;

/// Two virtual hosts that clients may coalesce although their TLS configurations differ: the
/// `OverlappingTLSConfig` condition of the Gateway API.
///
/// ```
/// use tower_misdirected::Overlap;
///
/// fn report(overlap: &Overlap) {
///     let (www, admin) = (overlap.opened_for().id(), overlap.requested().id());
///     eprintln!("{www} has a certificate for {}, which belongs to {admin}", overlap.name());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Overlap {
    opened_for: VirtualHost,
    requested: VirtualHost,
    name: Pattern,
}

impl Overlap {
    /// The virtual host whose connections clients will reuse, for its certificate covers the other.
    pub fn opened_for(&self) -> &VirtualHost {
        &self.opened_for
    }

    /// The virtual host whose requests will be answered 421 there.
    pub fn requested(&self) -> &VirtualHost {
        &self.requested
    }

    /// A name of the latter, or a wildcard, that the certificate covers.
    pub fn name(&self) -> String {
        self.name.to_string()
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the certificate of {:?} covers {} of {:?}",
            self.opened_for.id(),
            self.name,
            self.requested.id()
        )
    }
}

impl VirtualHosts {
    /// Finds virtual hosts that clients will coalesce, because a certificate of one covers a name of the
    /// other, although their configurations differ. Each pair is listed once, in the order of the ids.
    ///
    /// Requests for the one on a connection for the other are answered 421, and cost the client another
    /// connection. Separate certificates avoid that; so does one configuration, where it will do.
    ///
    /// Which certificate a configuration presents is asked of its resolver, for each name, with a
    /// ClientHello that a rustls client writes; for a wildcard the name is `any` under it. That takes some
    /// tens of microseconds a name, when the iterator comes to it. With the feature `tracing` the first few
    /// overlaps are logged as a warning when an acceptor is made, unless that level is off.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rustls::ServerConfig;
    /// use tower_misdirected::{VirtualHosts, VirtualHostsError};
    ///
    /// fn check(www: Arc<ServerConfig>, admin: Arc<ServerConfig>) -> Result<(), VirtualHostsError> {
    ///     let hosts = VirtualHosts::builder()
    ///         .host("www.example.com", www) // its certificate is for *.example.com
    ///         .host("admin.example.com", admin)
    ///         .build()?;
    ///     for overlap in hosts.overlaps() {
    ///         println!("{overlap}"); // the certificate of "www.example.com" covers …
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn overlaps(&self) -> impl Iterator<Item = Overlap> + use<> {
        let audit = Audit::of(self);
        let hosts = if audit.has_one_config() {
            0
        } else {
            audit.hosts.len()
        };
        (0..hosts).flat_map(move |host| audit.overlaps_of(host))
    }

    /// Logs the first few overlaps, once for all handles.
    #[cfg(feature = "tracing")]
    pub(crate) fn warn_of_overlaps(&self) {
        use std::sync::atomic::Ordering;

        const SHOWN: usize = 5;
        if !tracing::enabled!(tracing::Level::WARN) || self.0.warned.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut overlaps = self.overlaps();
        let first = overlaps.by_ref().take(SHOWN);
        let first: Vec<_> = first.map(|overlap| overlap.to_string()).collect();
        if !first.is_empty() {
            tracing::warn!(
                overlaps = first.join("; "),
                more = overlaps.next().is_some(),
                "clients will coalesce virtual hosts whose TLS configurations differ, and be answered \
                 421; separate certificates avoid that",
            );
        }
    }
}

/// The virtual hosts in the order of their ids, and what finds them by the names of a certificate.
struct Audit {
    virtual_hosts: VirtualHosts,
    map: Arc<Map>,
    hosts: Vec<Audited>,
    /// The names that a wildcard with this base covers, or that are that wildcard, and whose they are.
    by_base: HashMap<Box<[u8]>, Vec<(Pattern, usize)>>,
    probe: Probe,
}

struct Audited {
    host: VirtualHost,
    /// What it matches; `None` is what nothing else matches.
    patterns: Vec<Option<Pattern>>,
    /// The names of the certificates that it presents, once they have been asked for.
    presents: OnceCell<Vec<CertificateNames>>,
}

impl Audit {
    fn of(virtual_hosts: &VirtualHosts) -> Self {
        let map = virtual_hosts.current().clone();
        let mut patterns: BTreeMap<&str, (&VirtualHost, Vec<_>)> = BTreeMap::new();
        let named = map
            .names
            .iter()
            .map(|(pattern, host)| (Some(pattern), host));
        let default = map.default.iter().map(|host| (None, host));
        for (pattern, host) in named.chain(default) {
            let (_, patterns) = patterns.entry(host.id()).or_insert((host, Vec::new()));
            patterns.push(pattern);
        }
        let hosts = patterns.into_values().map(|(host, mut patterns)| {
            patterns.sort();
            let (host, presents) = (host.clone(), OnceCell::new());
            Audited {
                host,
                patterns,
                presents,
            }
        });
        let hosts: Vec<_> = hosts.collect();

        let mut by_base = HashMap::<_, Vec<_>>::new();
        for (number, audited) in hosts.iter().enumerate() {
            for pattern in audited.patterns.iter().flatten() {
                if let Some(base) = pattern.base() {
                    let names = by_base.entry(base.into()).or_default();
                    names.push((pattern.clone(), number));
                }
            }
        }
        Self {
            virtual_hosts: virtual_hosts.clone(),
            map,
            hosts,
            by_base,
            probe: Probe::default(),
        }
    }

    fn has_one_config(&self) -> bool {
        let same = |pair: &[Audited]| Arc::ptr_eq(pair[0].host.config(), pair[1].host.config());
        self.hosts.windows(2).all(same)
    }

    /// The overlaps of a host with those after it, and with those before it that do not cover it.
    fn overlaps_of(&self, number: usize) -> Vec<Overlap> {
        let opened_for = &self.hosts[number].host;
        // Each with the first of the names that are covered.
        let mut overlaps: BTreeMap<usize, Pattern> = BTreeMap::new();
        self.covered_by(number, |requested, name| {
            let requested_config = self.hosts[requested].host.config();
            let first = overlaps.get(&requested).is_none_or(|first| name < first);
            if first && !Arc::ptr_eq(requested_config, opened_for.config()) {
                overlaps.insert(requested, name.clone());
            }
        });
        overlaps.retain(|&requested, _| requested > number || !self.covers(requested, number));
        let overlap = |(requested, name): (usize, _)| Overlap {
            opened_for: opened_for.clone(),
            requested: self.hosts[requested].host.clone(),
            name,
        };
        overlaps.into_iter().map(overlap).collect()
    }

    /// Whether a certificate of the one covers a name of the other: what `covered_by` would find, at a
    /// cost that does not grow with the number of hosts.
    fn covers(&self, opened_for: usize, requested: usize) -> bool {
        let patterns = &self.hosts[requested].patterns;
        let certificates = self.presents(opened_for);
        certificates.iter().any(|names| {
            patterns.iter().any(|pattern| match pattern {
                Some(name @ (Pattern::Exact(_) | Pattern::Ip(_))) => {
                    let name = name.to_string().parse::<Host>();
                    name.is_ok_and(|name| names.covers(&name) == Some(true))
                }
                // Any of its names will do that is this host's.
                wildcard => names.patterns().any(|name| match (&name, wildcard) {
                    (Pattern::Wildcard(base), Some(Pattern::Wildcard(own))) => base == own,
                    (Pattern::Wildcard(_), _) => !self.has(&name),
                    _ => self.matching(&name) == Some(requested),
                }),
            })
        })
    }

    /// What matches an exact name or an address.
    fn matching(&self, name: &Pattern) -> Option<usize> {
        let host: Host = name.to_string().parse().ok()?;
        self.number(self.map.get(&host.as_ref())?)
    }

    fn number(&self, host: &VirtualHost) -> Option<usize> {
        let by_id = |audited: &Audited| audited.host.id().cmp(host.id());
        self.hosts.binary_search_by(by_id).ok()
    }

    /// Whether the name is one of a virtual host's as it stands.
    fn has(&self, name: &Pattern) -> bool {
        let base = name.base().and_then(|base| self.by_base.get(base));
        base.is_some_and(|names| names.iter().any(|(other, _)| other == name))
    }

    /// Calls `found` with every host that a certificate of this one covers, and with a name of it.
    fn covered_by(&self, number: usize, mut found: impl FnMut(usize, &Pattern)) {
        for pattern in self
            .presents(number)
            .iter()
            .flat_map(CertificateNames::patterns)
        {
            let Pattern::Wildcard(base) = &pattern else {
                if let Some(number) = self.matching(&pattern) {
                    found(number, &pattern);
                }
                continue;
            };
            let covered = self.by_base.get(base).map_or(&[][..], Vec::as_slice);
            for (name, number) in covered {
                found(*number, name);
            }
            // Names that are not listed go to the default, unless a wildcard takes them.
            let default = self.map.default.as_ref().filter(|_| !self.has(&pattern));
            if let Some(number) = default.and_then(|default| self.number(default)) {
                found(number, &pattern);
            }
        }
    }

    fn presents(&self, number: usize) -> &[CertificateNames] {
        let Audited {
            host,
            patterns,
            presents,
        } = &self.hosts[number];
        presents.get_or_init(|| {
            let mut presents: Vec<CertificateNames> = Vec::new();
            for pattern in patterns {
                let Some(key) = self.probe.certificate(host.config(), pattern.as_ref()) else {
                    continue;
                };
                let names = self.virtual_hosts.certificates().names(&key);
                if !presents.iter().any(|others| others.ptr_eq(&names)) {
                    presents.push(names);
                }
            }
            presents
        })
    }
}
