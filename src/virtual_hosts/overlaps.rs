//! Finds virtual hosts that clients coalesce in vain: one certificate covers both, but the configurations differ, so
//! the layer refuses such requests. Nothing here changes a verdict.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::hosts::VirtualHosts;
use super::map::{Map, VirtualHost};
use crate::certificate::CertificateNames;
use crate::host::{Host, Pattern, Sought};

/// Two virtual hosts that clients may coalesce although their TLS configurations differ.
///
/// The Gateway API calls this condition `OverlappingTLSConfig`. Each pair of virtual hosts is reported once, even if the
/// overlap [is mutual](Self::is_mutual).
///
/// ```
/// use tower_misdirected::Overlap;
///
/// fn report(overlap: &Overlap) {
///     let (www, admin) = (overlap.opened_for().id(), overlap.requested().id());
///     eprintln!("the certificate of {www} covers {}, which belongs to {admin}", overlap.name());
/// }
/// ```
#[derive(Clone)]
pub struct Overlap {
    opened_for: VirtualHost,
    requested: VirtualHost,
    name: Pattern,
    mutual: bool,
}

impl Overlap {
    /// Returns the virtual host whose connections clients will reuse, because its certificate covers a name of the
    /// [`requested`](Self::requested) virtual host.
    pub fn opened_for(&self) -> &VirtualHost {
        &self.opened_for
    }

    /// Returns the virtual host whose requests get 421 on connections of the [`opened_for`](Self::opened_for) virtual
    /// host.
    pub fn requested(&self) -> &VirtualHost {
        &self.requested
    }

    /// Returns a name or a wildcard of the [`requested`](Self::requested) virtual host that the certificate covers. If
    /// the certificate covers only a part of `**.example.com`, returns the wildcard of the certificate.
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// Returns whether a certificate of the [`requested`](Self::requested) virtual host also covers a name of the
    /// [`opened_for`](Self::opened_for) virtual host, for example because both present the same certificate. Clients
    /// then reuse connections in both directions, and get 421 in both.
    pub fn is_mutual(&self) -> bool {
        self.mutual
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the certificate of {:?} covers {} of {:?}, whose TLS configuration differs: clients that reuse the \
             connection get 421",
            self.opened_for.id(),
            self.name,
            self.requested.id()
        )?;
        match self.mutual {
            true => {
                f.write_str(", and so do clients that reuse a connection in the other direction")
            }
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlap")
            .field("opened_for", &self.opened_for)
            .field("requested", &self.requested)
            .field("name", &format_args!("{}", self.name))
            .field("mutual", &self.mutual)
            .finish()
    }
}

impl<C: Send + Sync + 'static> VirtualHosts<C> {
    /// Finds virtual hosts that clients will coalesce although their configurations differ, because a certificate of
    /// one covers a name of the other. The iterator returns each pair once, in the order of the ids. If the overlap
    /// [is mutual](Overlap::is_mutual), [`opened_for`](Overlap::opened_for) is the virtual host with the smaller id.
    ///
    /// A request for one host on a connection for the other gets 421, and the client needs a second connection. To
    /// avoid the 421, use separate certificates, or the same configuration if the hosts may share connections.
    ///
    /// The iterator calls `presents` with a configuration and a server name, or with `None` for clients without a
    /// server name. `presents` returns the names of the certificate that the configuration presents then, or `None` if
    /// it presents none. For `*.example.com`, the server name is `any.example.com`. For `**.example.com`, the iterator
    /// also uses `any.any.example.com`. With rustls, use `overlaps`, which calls the certificate resolvers.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::{CertificateNames, VirtualHosts};
    ///
    /// // A context of some TLS stack, with the names of its certificate.
    /// struct Context(Vec<&'static str>);
    ///
    /// let hosts = VirtualHosts::builder()
    ///     .host("www.example.com", Arc::new(Context(vec!["*.example.com"])))
    ///     .host("admin.example.com", Arc::new(Context(vec!["admin.example.com"])))
    ///     .build()?;
    /// let presents = |context: &Context, _server_name: Option<&str>| {
    ///     Some(CertificateNames::from_sans(&context.0, []))
    /// };
    /// let overlap = hosts.overlaps_by(presents).next().unwrap();
    /// assert_eq!(overlap.opened_for().id(), "www.example.com");
    /// assert_eq!(overlap.requested().id(), "admin.example.com");
    /// # Ok::<_, tower_misdirected::VirtualHostsError>(())
    /// ```
    pub fn overlaps_by<P>(&self, presents: P) -> impl Iterator<Item = Overlap> + use<C, P>
    where
        P: Fn(&C, Option<&str>) -> Option<CertificateNames>,
    {
        let audit = Audit::<C, P>::of(self.shared().snapshot(), presents);
        let hosts = if audit.has_one_config() {
            0
        } else {
            audit.hosts.len()
        };
        (0..hosts).flat_map(move |host| audit.overlaps_of(host))
    }
}

/// The virtual hosts in the order of their ids, and an index by the names of a certificate.
struct Audit<C, P> {
    map: Arc<Map>,
    hosts: Vec<Audited>,
    /// For each base of a wildcard: the wildcard and the names that it covers, each with the number of its virtual
    /// host.
    by_base: HashMap<Box<[u8]>, Vec<(Pattern, usize)>>,
    presents: P,
    config: PhantomData<fn(&C)>,
}

struct Audited {
    host: VirtualHost,
    /// The patterns of the virtual host. `None` means the default.
    patterns: Vec<Option<Pattern>>,
    /// The names of the certificates that the virtual host presents, filled in when they are needed.
    presents: OnceCell<Vec<CertificateNames>>,
}

impl<C, P> Audit<C, P>
where
    C: Send + Sync + 'static,
    P: Fn(&C, Option<&str>) -> Option<CertificateNames>,
{
    fn of(map: Arc<Map>, presents: P) -> Self {
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
            map,
            hosts,
            by_base,
            presents,
            config: PhantomData,
        }
    }

    fn has_one_config(&self) -> bool {
        let same = |pair: &[Audited]| pair[0].host.same_config(&pair[1].host);
        self.hosts.windows(2).all(same)
    }

    /// Returns the overlaps of a host with the hosts after it, and with the hosts before it that do not cover
    /// it.
    fn overlaps_of(&self, number: usize) -> Vec<Overlap> {
        let opened_for = &self.hosts[number].host;
        // Each overlap contains the first of the covered names.
        let mut overlaps: BTreeMap<usize, Pattern> = BTreeMap::new();
        self.covered_by(number, |requested, name| {
            let requested_host = &self.hosts[requested].host;
            let first = overlaps.get(&requested).is_none_or(|first| name < first);
            if first && !requested_host.same_config(opened_for) {
                overlaps.insert(requested, name.clone());
            }
        });
        let overlaps = overlaps.into_iter().filter_map(|(requested, name)| {
            let mutual = self.covers(requested, number);
            (requested > number || !mutual).then(|| Overlap {
                opened_for: opened_for.clone(),
                requested: self.hosts[requested].host.clone(),
                name,
                mutual,
            })
        });
        overlaps.collect()
    }

    /// Returns whether a certificate of `opened_for` covers a name of `requested`. `covered_by` would give the same
    /// result, at a cost that grows with the number of hosts.
    fn covers(&self, opened_for: usize, requested: usize) -> bool {
        let patterns = &self.hosts[requested].patterns;
        let certificates = self.presents(opened_for);
        certificates.iter().any(|names| {
            patterns.iter().any(|pattern| match pattern {
                Some(name @ (Pattern::Exact(_) | Pattern::Ip(_))) => {
                    let name = name.to_string().parse::<Host>();
                    name.is_ok_and(|name| names.covers(&name) == Some(true))
                }
                // A wildcard or the default: any covered name that belongs to this host.
                Some(Pattern::Wildcard(_) | Pattern::Subdomains(_)) | None => {
                    names.patterns().any(|name| match &name {
                        Pattern::Wildcard(base) => self.below(base) == Some(requested),
                        _ => self.matching(&name) == Some(requested),
                    })
                }
            })
        })
    }

    /// Returns the number of the host that matches an exact name or an address.
    fn matching(&self, name: &Pattern) -> Option<usize> {
        let host: Host = name.to_string().parse().ok()?;
        self.number(self.map.get(&Sought::new(host.as_ref()))?)
    }

    fn number(&self, host: &VirtualHost) -> Option<usize> {
        let by_id = |audited: &Audited| audited.host.id().cmp(host.id());
        self.hosts.binary_search_by(by_id).ok()
    }

    /// Returns the number of the host that matches names with one label before `base` and without an exact entry.
    fn below(&self, base: &[u8]) -> Option<usize> {
        let wildcard = self.map.names.below(base);
        self.number(wildcard.or(self.map.default.as_ref())?)
    }

    /// Calls `found` with every host that a certificate of this host covers, and with the covered name.
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
            if let Some(number) = self.below(base) {
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
            for server_name in patterns.iter().flat_map(server_names) {
                let names = |config| (self.presents)(config, server_name.as_deref());
                let Some(names) = host.config().and_then(|config: &Arc<C>| names(config)) else {
                    continue;
                };
                if !presents.iter().any(|others| others.ptr_eq(&names)) {
                    presents.push(names);
                }
            }
            presents
        })
    }
}

/// Returns the server names that clients send for the hosts that a pattern matches. `None` means no server name.
fn server_names(pattern: &Option<Pattern>) -> Vec<Option<String>> {
    match pattern {
        Some(name @ (Pattern::Exact(_) | Pattern::Wildcard(_))) => {
            vec![Some(name.to_string().replace('*', "any"))]
        }
        // A wildcard certificate does not cover two labels, so a resolver may have another certificate for them.
        Some(name @ Pattern::Subdomains(_)) => ["any", "any.any"]
            .map(|labels| Some(name.to_string().replace("**", labels)))
            .into(),
        // Clients send no SNI for an address.
        Some(Pattern::Ip(_)) | None => vec![None],
    }
}
