//! The methods of `MisdirectedLayer` that choose the hosts it serves. The lists themselves live beside this file.

use std::sync::Arc;

use super::entries::{Entries, Entry};
use super::function::Function;
use super::run_time::AllowedHosts;
use crate::layer::error::ConfigError;
use crate::layer::misdirected_layer::MisdirectedLayer;
use crate::verdict::{Coalescing, HostSet};

/// The names and addresses that always mean the machine itself (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
/// `0.0.0.0` is not one of them: clients must not use it as a destination.
const LOOPBACK: [&str; 4] = ["localhost", "**.localhost", "127.0.0.0/8", "::1"];

impl MisdirectedLayer {
    /// Creates a layer for a development server, or for another plain HTTP server that only the same machine uses. It
    /// protects the server against DNS rebinding: if `evil.example` makes its own name resolve to 127.0.0.1, requests
    /// of its pages still have `Host: evil.example`, and the layer answers 421.
    ///
    /// The layer needs no TLS and no connection info. It serves these hosts on any port:
    ///
    /// - `localhost` and every name below it, such as `app.localhost`
    /// - all addresses in 127.0.0.0/8, including their IPv4-mapped IPv6 form (`[::ffff:127.0.0.1]`)
    /// - `[::1]`
    ///
    /// The layer refuses `0.0.0.0`, which is not a loopback address. On Linux and macOS, browsers connect to the
    /// machine itself when they open `0.0.0.0`, and pages used this address to evade the browser's protection of
    /// 127.0.0.1. If people open your server as `0.0.0.0`, allow the address with
    /// [`loopback_and`](Self::loopback_and).
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let app: axum::Router = axum::Router::new().layer(MisdirectedLayer::loopback());
    /// ```
    ///
    /// # Security
    ///
    /// The layer checks only the host, not the peer, so bind the listener to a loopback address too. The layer does not
    /// stop pages of other origins from sending requests to `http://localhost/`. For that, add
    /// [protection against CSRF](crate::guide::migrating#beside-csrflayer).
    pub fn loopback() -> Self {
        let entries = LOOPBACK.into_iter().map(Entry::parse);
        Self::unchecked(entries.filter_map(Result::ok).collect())
    }

    /// Creates a layer like [`loopback`](Self::loopback) that also serves these hosts, such as the name of a dev
    /// container or addresses in the local network. The entries have the syntax of
    /// [`allowed_hosts`](Self::allowed_hosts), and the list may be empty.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if an entry is invalid.
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let layer = MisdirectedLayer::loopback_and(["web.devcontainer.internal", "192.168.0.0/16"])?;
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn loopback_and<I>(hosts: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let own = LOOPBACK.into_iter().map(Entry::parse);
        let others = hosts.into_iter();
        let others = others.map(|host| Entry::parse(host.as_ref()));
        Ok(Self::unchecked(
            own.chain(others).collect::<Result<_, _>>()?,
        ))
    }

    fn unchecked(hosts: Entries) -> Self {
        let layer = Self::new().coalescing(Coalescing::Unchecked);
        layer.set_hosts(Arc::new(hosts))
    }
}

impl<R> MisdirectedLayer<R> {
    /// Serves only these hosts, and answers 421 to any other host. The default is every host.
    ///
    /// | entry | matches |
    /// |---|---|
    /// | `app.example` | this name |
    /// | `*.app.example` | names with one more label, such as `a.app.example` |
    /// | `**.app.example` | names with one or more additional labels, such as `a.app.example` and `b.a.app.example` |
    /// | `192.0.2.1`, `::1`, `[::1]` | this IP address |
    /// | `10.0.0.0/8`, `2001:db8::/32` | the IP addresses of this network |
    /// | `0.0.0.0/0` and `::/0` | every IP address |
    ///
    /// No wildcard matches `app.example` itself. Case and a trailing dot do not matter.
    ///
    /// An IPv4 network also matches the IPv4-mapped IPv6 form of its addresses (`[::ffff:10.0.0.1]`), and no IPv6
    /// network does. A single IPv4 address matches only itself. Allowing IP addresses does not allow DNS rebinding,
    /// because no DNS look-up is involved.
    ///
    /// The last call of `allowed_hosts`, [`allowed_hosts_in`](Self::allowed_hosts_in) and
    /// [`allowed_hosts_by`](Self::allowed_hosts_by) wins. For a server that only the same machine uses, see
    /// [`loopback`](Self::loopback).
    ///
    /// With [`Coalescing::Unchecked`], the list needs no TLS and no connection info. It protects a plain HTTP server
    /// against DNS rebinding.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if an entry is invalid. A port, a scheme and a `*` in any other place are errors. A name
    /// that is not ASCII is an error too: pass its `xn--…` form (RFC 5890). An empty list is an error, because it would
    /// refuse every request.
    ///
    /// ```
    /// use tower_misdirected::{Coalescing, MisdirectedLayer};
    ///
    /// let layer = MisdirectedLayer::new()
    ///     .coalescing(Coalescing::Unchecked)
    ///     .allowed_hosts(["localhost", "*.app.example", "127.0.0.1", "::1"])?;
    ///
    /// let error = MisdirectedLayer::new().allowed_hosts(["bücher.example"]).unwrap_err();
    /// assert_eq!(error.value(), "bücher.example");
    /// assert!(error.to_string().contains("xn--"));
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn allowed_hosts<I>(self, hosts: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let entries = Entries::parse(hosts, || ConfigError::empty_list("allowed_hosts"))?;
        Ok(self.set_hosts(Arc::new(entries)))
    }

    /// Serves only the hosts in a list that can change while the server runs, and answers 421 to any other host.
    /// Otherwise like [`allowed_hosts`](Self::allowed_hosts).
    ///
    /// ```
    /// use tower_misdirected::{AllowedHosts, MisdirectedLayer};
    ///
    /// let tenants = AllowedHosts::new(["shop.example"])?;
    /// let layer = MisdirectedLayer::new().allowed_hosts_in(tenants.clone());
    /// tenants.insert("another-shop.example")?;
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn allowed_hosts_in(self, hosts: AllowedHosts) -> Self {
        self.set_hosts(hosts.into_set())
    }

    /// Serves only the hosts for which a function returns `true`, and answers 421 to any other host.
    ///
    /// The function gets the host without the port, in normal form as [`Host`](crate::Host) displays it: a name in
    /// lower case without a trailing dot, an IPv4 address, or an IPv6 address in brackets and in its shortest form
    /// (`[2001:db8::1]`, RFC 5952).
    ///
    /// The function runs for every request, on the thread that handles the request, so it must not block. If it panics,
    /// the service's `call` panics.
    ///
    /// ```
    /// use tower_misdirected::{Coalescing, MisdirectedLayer};
    ///
    /// let layer = MisdirectedLayer::new()
    ///     .coalescing(Coalescing::Unchecked)
    ///     .allowed_hosts_by(|host| host == "app.example" || host.ends_with(".preview.example"));
    /// ```
    pub fn allowed_hosts_by(
        self,
        is_allowed: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set_hosts(Arc::new(Function(is_allowed)))
    }

    fn set_hosts(self, hosts: Arc<dyn HostSet>) -> Self {
        self.set(|settings| settings.rules.allowed_hosts = Some(hosts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_has_all_of_its_entries() {
        assert!(LOOPBACK.into_iter().all(|text| Entry::parse(text).is_ok()));
    }
}
