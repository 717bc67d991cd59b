//! The public `AllowedHosts`: a list of hosts that changes while a server runs. How threads read it meanwhile lives in
//! `copies`.

use std::fmt;
use std::sync::Arc;

use super::copies::Copies;
use super::entries::{Entries, Entry};
use crate::host::{Host, HostRef};
use crate::layer::error::ConfigError;
use crate::verdict::HostSet;

/// A list of allowed hosts that can change while the server runs, such as the domains of tenants.
///
/// All clones are handles to one list. Give one to [`allowed_hosts_in`] and keep another. A change is effective from
/// the next request on, on open connections too.
///
/// A request never waits for a change, and its look-up allocates nothing. Inserting or removing an entry does not copy
/// the list, and takes as long for ten thousand entries as for ten. To make that possible, the list is in memory twice.
///
/// ```
/// use tower_misdirected::{AllowedHosts, Coalescing, MisdirectedLayer};
///
/// let tenants = AllowedHosts::new(["www.app.example"])?;
/// let layer = MisdirectedLayer::new()
///     .coalescing(Coalescing::Unchecked) // for plain HTTP
///     .allowed_hosts_in(tenants.clone());
///
/// // Later, when a tenant comes or goes:
/// tenants.insert("shop.example")?;
/// assert!(tenants.contains(&"Shop.example.".parse()?));
/// tenants.remove("shop.example")?;
/// assert!(!tenants.contains(&"shop.example".parse()?));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// [`allowed_hosts_in`]: crate::MisdirectedLayer::allowed_hosts_in
#[derive(Clone, Default)]
pub struct AllowedHosts(Arc<Copies<Entries>>);

impl AllowedHosts {
    /// Creates a list of the entries that [`MisdirectedLayer::allowed_hosts`] takes.
    ///
    /// [`AllowedHosts::default()`](Default::default) is an empty list, which refuses every host until the first
    /// [`insert`](Self::insert).
    ///
    /// [`MisdirectedLayer::allowed_hosts`]: crate::MisdirectedLayer::allowed_hosts
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if an entry is invalid, or if there is none.
    pub fn new<I>(hosts: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let entries = Entries::parse(hosts, ConfigError::empty_run_time_list)?;
        Ok(Self(Arc::new(Copies::new(entries))))
    }

    /// Adds an entry. Returns whether it is new.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if the entry is invalid.
    ///
    /// ```
    /// let tenants = tower_misdirected::AllowedHosts::default();
    /// assert!(tenants.insert("shop.example")?);
    /// assert!(!tenants.insert("SHOP.example")?);
    /// assert!(tenants.insert("https://shop.example").is_err());
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn insert(&self, host: impl AsRef<str>) -> Result<bool, ConfigError> {
        let entry = Entry::parse(host.as_ref())?;
        Ok(self.0.change(|entries| entries.insert(entry.clone())))
    }

    /// Removes an entry. Returns whether it was in the list.
    ///
    /// A host that another entry matches stays allowed: if the list has `*.app.example`, removing `shop.app.example`
    /// returns `false` and changes nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if the entry is invalid.
    pub fn remove(&self, host: impl AsRef<str>) -> Result<bool, ConfigError> {
        let entry = Entry::parse(host.as_ref())?;
        Ok(self.0.change(|entries| entries.remove(&entry)))
    }

    /// Replaces all entries at once. No request sees a part of the old list and a part of the new one.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if an entry is invalid, or if there is none. The list stays as it was.
    ///
    /// ```
    /// let tenants = tower_misdirected::AllowedHosts::new(["old.example"])?;
    /// tenants.replace(["new.example", "*.new.example"])?;
    /// assert!(tenants.replace([""; 0]).is_err()); // a query that found nothing locks nobody out
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn replace<I>(&self, hosts: I) -> Result<(), ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let next = Entries::parse(hosts, ConfigError::empty_run_time_list)?;
        // The old copies are dropped after the change, because that takes time.
        let mut copies = vec![next.clone(), next];
        let mut former = Vec::with_capacity(2);
        self.0.change(|entries| {
            former.extend(copies.pop().map(|next| std::mem::replace(entries, next)));
        });
        Ok(())
    }

    /// Returns whether the list allows a host, be it by name, by a wildcard or by a network.
    pub fn contains(&self, host: &Host) -> bool {
        HostSet::contains(&*self.0, &host.as_ref())
    }

    pub(super) fn into_set(self) -> Arc<dyn HostSet> {
        self.0
    }
}

impl HostSet for Copies<Entries> {
    fn contains(&self, host: &HostRef<'_>) -> bool {
        self.read(|entries| entries.contains(host))
    }
}

impl fmt::Debug for Copies<Entries> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllowedHosts").finish_non_exhaustive()
    }
}

impl fmt::Debug for AllowedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
