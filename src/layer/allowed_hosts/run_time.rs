//! The public `AllowedHosts`: a list of hosts that can change while a server runs. The entries live in `entries`.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::entries::{Entries, Entry};
use crate::host::{Host, Sought};
use crate::layer::error::ConfigError;
use crate::verdict::HostSet;

/// A list of allowed hosts that can change while the server runs, such as the domains of tenants.
///
/// All clones are handles to the same list. Pass one clone to [`allowed_hosts_in`] and keep another. A change takes
/// effect with the next request, also on open connections.
///
/// A look-up does not allocate. A change blocks requests only briefly: inserting or removing an entry does not copy the
/// list, and [`replace`](Self::replace) builds the new list first.
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
pub struct AllowedHosts(Arc<List>);

/// Locked only for a look-up or for a change. Everything else, such as parsing, happens without the lock.
#[derive(Default)]
struct List(RwLock<Entries>);

impl AllowedHosts {
    /// Creates a list from the same kinds of entries as [`MisdirectedLayer::allowed_hosts`].
    ///
    /// [`AllowedHosts::default()`](Default::default) creates an empty list. The layer refuses every host until the
    /// first [`insert`](Self::insert).
    ///
    /// [`MisdirectedLayer::allowed_hosts`]: crate::MisdirectedLayer::allowed_hosts
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if an entry is invalid or the list is empty.
    pub fn new<I>(hosts: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let entries = Entries::parse(hosts, ConfigError::empty_run_time_list)?;
        Ok(Self(Arc::new(List(RwLock::new(entries)))))
    }

    /// Adds an entry. Returns `true` if the entry was not in the list.
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
        Ok(self.0.change(|entries| entries.insert(entry)))
    }

    /// Removes an entry. Returns `true` if the entry was in the list.
    ///
    /// A host stays allowed if another entry matches it. If the list contains only `*.app.example`, removing
    /// `shop.app.example` returns `false` and changes nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if the entry is invalid.
    pub fn remove(&self, host: impl AsRef<str>) -> Result<bool, ConfigError> {
        let entry = Entry::parse(host.as_ref())?;
        Ok(self.0.change(|entries| entries.remove(&entry)))
    }

    /// Replaces all entries atomically. Every request sees either the old list or the new list.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if an entry is invalid or the new list is empty. The list then stays unchanged.
    ///
    /// ```
    /// let tenants = tower_misdirected::AllowedHosts::new(["old.example"])?;
    /// tenants.replace(["new.example", "*.new.example"])?;
    /// assert!(tenants.replace([""; 0]).is_err()); // an empty query result does not lock everybody out
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn replace<I>(&self, hosts: I) -> Result<(), ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let next = Entries::parse(hosts, ConfigError::empty_run_time_list)?;
        let former = self.0.change(|entries| std::mem::replace(entries, next));
        // Freed without the lock, because freeing a long list takes time.
        drop(former);
        Ok(())
    }

    /// Returns whether an entry matches the host: a name, a wildcard, an address or a network.
    pub fn contains(&self, host: &Host) -> bool {
        HostSet::contains(&*self.0, &Sought::new(host.as_ref()))
    }

    pub(super) fn into_set(self) -> Arc<dyn HostSet> {
        self.0
    }
}

impl List {
    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let entries = self.0.write();
        change(&mut entries.unwrap_or_else(PoisonError::into_inner))
    }
}

impl HostSet for List {
    fn contains(&self, host: &Sought<'_>) -> bool {
        let entries = self.0.read();
        let entries = entries.unwrap_or_else(PoisonError::into_inner);
        entries.contains(host)
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllowedHosts").finish_non_exhaustive()
    }
}

impl fmt::Debug for AllowedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
