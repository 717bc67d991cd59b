//! Where 421s will come from: virtual hosts that one certificate covers, so that clients coalesce them,
//! and whose configurations differ, so that such requests are refused.

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
    /// other, although their configurations differ. Each pair is listed once, ordered by id.
    ///
    /// Requests for the one on a connection for the other are answered 421, and cost the client another
    /// connection. Separate certificates avoid that; so does one configuration, where it will do.
    ///
    /// Which certificate a configuration presents is asked of its resolver, with a ClientHello for each
    /// name made by a rustls client. It takes some tens of microseconds for each name, and pairs are made
    /// as they are taken from the iterator. With the feature `tracing` the first of them are logged as a
    /// warning when an acceptor is made.
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
        let audit = Arc::new(Audit::of(self));
        (0..audit.hosts.len()).flat_map(move |host| audit.overlaps_of(host))
    }
}

#[cfg(feature = "tracing")]
impl VirtualHosts {
    /// Logs the first few overlaps, once for all handles.
    pub(crate) fn warn_of_overlaps(&self) {
        const SHOWN: usize = 5;
        if !tracing::enabled!(tracing::Level::WARN) {
            return;
        }
        self.0.warned.call_once(|| {
            let mut overlaps = self.overlaps();
            let first: Vec<_> = overlaps.by_ref().take(SHOWN).map(|o| o.to_string()).collect();
            if !first.is_empty() {
                tracing::warn!(
                    overlaps = first.join("; "),
                    more = overlaps.next().is_some(),
                    "clients will coalesce virtual hosts whose TLS configurations differ, and be answered \
                     421; separate certificates avoid that",
                );
            }
        });
    }
}

/// Everything by number, for there may be many pairs.
#[derive(Default)]
struct Audit {
    /// In the order of their ids.
    hosts: Vec<Audited>,
    coverages: Vec<Coverage>,
}

struct Audited {
    host: VirtualHost,
    config: usize,
    /// The certificates that it presents, for its several names.
    presents: Vec<usize>,
}

/// What one certificate covers: virtual hosts by their configuration, each with a name.
type Coverage = BTreeMap<usize, BTreeMap<usize, Pattern>>;

impl Audit {
    fn of(hosts: &VirtualHosts) -> Self {
        let map = hosts.current().clone();
        let mut audit = Self::default();
        let named = named(&map);
        if named.iter().all(|host| host.config == 0) {
            return audit;
        }
        let index = Index::of(&map, &named);
        let mut probe = Probe::default();
        // The number of each certificate, by the address of its names, which `held` holds.
        let (mut numbers, mut held) = (HashMap::new(), Vec::new());
        for Named {
            host,
            config,
            patterns,
        } in named
        {
            let mut presents = Vec::new();
            for pattern in patterns {
                let Some(key) = probe.certificate(host.config(), pattern.as_ref()) else {
                    continue;
                };
                let names = hosts.certificates().names(&key);
                let next = audit.coverages.len();
                let certificate = *numbers.entry(names.address()).or_insert(next);
                if certificate == next {
                    audit.coverages.push(index.coverage(&names));
                    held.push(names);
                }
                if !presents.contains(&certificate) {
                    presents.push(certificate);
                }
            }
            let host = host.clone();
            audit.hosts.push(Audited {
                host,
                config,
                presents,
            });
        }
        audit
    }

    /// The overlaps of a host with those after it, and with those before it that do not cover it.
    fn overlaps_of(&self, number: usize) -> Vec<Overlap> {
        let opened_for = &self.hosts[number];
        let mut overlaps = BTreeMap::new();
        for &certificate in &opened_for.presents {
            for (&config, covered) in &self.coverages[certificate] {
                if config == opened_for.config {
                    continue;
                }
                for (&requested, name) in covered {
                    if requested > number || !self.covers(requested, number) {
                        overlaps.entry(requested).or_insert(name);
                    }
                }
            }
        }
        let overlap = |(requested, name): (usize, &Pattern)| Overlap {
            opened_for: opened_for.host.clone(),
            requested: self.hosts[requested].host.clone(),
            name: name.clone(),
        };
        overlaps.into_iter().map(overlap).collect()
    }

    fn covers(&self, opened_for: usize, requested: usize) -> bool {
        let config = self.hosts[requested].config;
        self.hosts[opened_for].presents.iter().any(|&certificate| {
            let covered = self.coverages[certificate].get(&config);
            covered.is_some_and(|covered| covered.contains_key(&requested))
        })
    }
}

/// A virtual host, the number of its configuration, and what it matches; `None` is what nothing else
/// matches.
struct Named<'a> {
    host: &'a VirtualHost,
    config: usize,
    patterns: Vec<Option<Pattern>>,
}

/// Every virtual host, in the order of the ids.
fn named(map: &Map) -> Vec<Named<'_>> {
    let mut hosts: BTreeMap<&str, (&VirtualHost, Vec<_>)> = BTreeMap::new();
    let patterns = map
        .names
        .iter()
        .map(|(pattern, host)| (Some(pattern), host));
    let default = map.default.iter().map(|host| (None, host));
    for (pattern, host) in patterns.chain(default) {
        let (_, patterns) = hosts.entry(host.id()).or_insert((host, Vec::new()));
        patterns.push(pattern);
    }
    let mut configs = HashMap::new();
    let hosts = hosts.into_values().map(|(host, mut patterns)| {
        let next = configs.len();
        let config = *configs.entry(Arc::as_ptr(host.config())).or_insert(next);
        patterns.sort();
        Named {
            host,
            config,
            patterns,
        }
    });
    hosts.collect()
}

/// Finds virtual hosts by the names of a certificate.
struct Index<'a> {
    map: &'a Map,
    /// The number of a virtual host and that of its configuration, by its id.
    numbers: HashMap<&'a str, (usize, usize)>,
    /// The names that a wildcard with this base covers, or that are that wildcard.
    by_base: HashMap<Box<[u8]>, Vec<(Pattern, &'a VirtualHost)>>,
}

impl<'a> Index<'a> {
    fn of(map: &'a Map, hosts: &[Named<'a>]) -> Self {
        let mut by_base: HashMap<_, Vec<_>> = HashMap::new();
        for (pattern, host) in map.names.iter() {
            if let Some(base) = pattern.base() {
                by_base
                    .entry(base.into())
                    .or_default()
                    .push((pattern, host));
            }
        }
        let numbers = hosts.iter().enumerate();
        let numbers = numbers.map(|(number, named)| (named.host.id(), (number, named.config)));
        Self {
            map,
            numbers: numbers.collect(),
            by_base,
        }
    }

    fn coverage(&self, names: &CertificateNames) -> Coverage {
        let mut coverage = Coverage::new();
        let mut cover = |host: &VirtualHost, name: &Pattern| {
            if let Some(&(number, config)) = self.numbers.get(host.id()) {
                let hosts = coverage.entry(config).or_default();
                hosts.entry(number).or_insert_with(|| name.clone());
            }
        };
        for pattern in names.patterns() {
            let Pattern::Wildcard(base) = &pattern else {
                let host = pattern.to_string().parse::<Host>().ok();
                if let Some(host) = host.and_then(|host| self.map.get(host.as_ref())) {
                    cover(host, &pattern);
                }
                continue;
            };
            let covered = self.by_base.get(base).map_or(&[][..], Vec::as_slice);
            for (name, host) in covered {
                cover(host, name);
            }
            // Names that are not listed go to the default, unless a wildcard takes them.
            if !covered.iter().any(|(name, _)| *name == pattern) {
                if let Some(default) = &self.map.default {
                    cover(default, &pattern);
                }
            }
        }
        coverage
    }
}
