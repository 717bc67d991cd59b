//! The methods of `MisdirectedLayer` that say which hosts it serves. The lists themselves live beside this file.

use std::sync::Arc;

use super::entries::{Entries, Entry};
use super::function::Function;
use super::run_time::AllowedHosts;
use crate::layer::error::ConfigError;
use crate::layer::misdirected_layer::MisdirectedLayer;
use crate::verdict::{Coalescing, HostSet};

/// The names and addresses that always mean the machine itself (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
/// `0.0.0.0` is not among them: it is no address that a client may use.
const LOOPBACK: [&str; 4] = ["localhost", "**.localhost", "127.0.0.0/8", "::1"];

impl MisdirectedLayer {
    /// Creates a layer for a development server, or another plain HTTP server that only programs on the same machine
    /// use. It protects the server against DNS rebinding: if a page of `evil.example` makes its own name resolve to
    /// 127.0.0.1, its requests still say `Host: evil.example`, and the layer answers 421.
    ///
    /// The layer serves these hosts on any port, and needs no TLS and no connection info:
    ///
    /// - `localhost` and every name below it, such as `app.localhost`
    /// - all addresses of 127.0.0.0/8, also mapped to IPv6 (`[::ffff:127.0.0.1]`)
    /// - `[::1]`
    ///
    /// It refuses `0.0.0.0`. That is not a loopback address, although browsers on Linux and macOS connect to the
    /// machine itself by it. Browsers keep pages from calling 127.0.0.1, and pages used `0.0.0.0` to avoid that. If
    /// people open your server by it, allow it with [`loopback_and`](Self::loopback_and).
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let app: axum::Router = axum::Router::new().layer(MisdirectedLayer::loopback());
    /// ```
    ///
    /// # Security
    ///
    /// The layer compares names. It does not look at who connects, so bind the listener to a loopback address too. It
    /// does not stop a page of another origin from sending requests to `http://localhost/`, which needs
    /// [protection against CSRF](crate::guide::migrating#beside-csrflayer).
    pub fn loopback() -> Self {
        let entries = LOOPBACK.into_iter().map(Entry::parse);
        Self::unchecked(entries.filter_map(Result::ok).collect())
    }

    /// Creates a layer that serves what [`loopback`](Self::loopback) serves, and these hosts: the name of a dev
    /// container, of a tunnel, or addresses in the local network. The entries are those of
    /// [`allowed_hosts`](Self::allowed_hosts).
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
    /// Serves only these hosts, and answers 421 to any other.
    ///
    /// | entry | matches |
    /// |---|---|
    /// | `app.example` | this name |
    /// | `*.app.example` | names with one more label, such as `a.app.example` |
    /// | `**.app.example` | names with one or more labels more, such as `a.app.example` and `b.a.app.example` |
    /// | `192.0.2.1`, `::1`, `[::1]` | this IP address |
    /// | `10.0.0.0/8`, `2001:db8::/32` | the IP addresses of this network |
    /// | `0.0.0.0/0` and `::/0` | every IP address |
    ///
    /// No wildcard matches `app.example` itself. Case and a trailing dot do not matter. An IPv4 network also contains
    /// its addresses mapped to IPv6, which no IPv6 network contains; an IPv4 address is only itself. A client that uses
    /// an IP address asked no DNS server, so allowing addresses does not allow DNS rebinding.
    ///
    /// The last call wins, also over [`allowed_hosts_in`](Self::allowed_hosts_in) and
    /// [`allowed_hosts_by`](Self::allowed_hosts_by). For a server that only the machine itself uses, see
    /// [`loopback`](Self::loopback).
    ///
    /// With [`Coalescing::Unchecked`] this needs no TLS and no connection info, and protects a plain HTTP server
    /// against DNS rebinding.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if an entry has a port, a scheme or a `*` elsewhere, or is not ASCII: such a name
    /// must be given in Punycode (`xn--…`, RFC 5890). An empty list is an error too, because it would refuse every
    /// request.
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

    /// Serves only the hosts in a list that can change while the server runs, and answers 421 to any other. Otherwise
    /// it is like [`allowed_hosts`](Self::allowed_hosts).
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

    /// Serves only the hosts for which a function returns `true`, and answers 421 to any other.
    ///
    /// The function gets the host in normal form, as [`Host`](crate::Host) displays it: a name in lower case and
    /// without a trailing dot, an IPv4 address, or an IPv6 address in brackets and in its shortest form
    /// (`[2001:db8::1]`, RFC 5952). The port is not part of it.
    ///
    /// The function runs for every request, on the thread that handles the request, so it should return at once. A
    /// panic in it is a panic of the service's `call`.
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
