//! The check whether a connection is outdated, and the future that waits for it. The list of waiting connections lives
//! in `virtual_hosts`.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::facts::Flag;
use super::info::ConnectionInfo;
use crate::host::Host;
use crate::virtual_hosts::Watch;

impl ConnectionInfo {
    /// Returns whether the connection is outdated. A connection is outdated if the
    /// [`VirtualHosts`](crate::VirtualHosts) that accepted it have been [replaced](crate::VirtualHosts::replace), and
    /// now select another TLS configuration for the same server name, or none. Without a server name, the selection is
    /// by local address or the default virtual host.
    ///
    /// On an outdated connection, requests for the server name and for most other hosts get 421. The client needs a new
    /// connection, so end the outdated connection gracefully. [`TlsStream`](crate::TlsStream) does this for HTTP/2. For
    /// WebSockets, server-sent events and HTTP/3, wait for [`outdated`](Self::outdated);
    /// [`guide::changing`](crate::guide::changing#outdated-connections) shows how.
    ///
    /// A connection that was accepted without virtual hosts is never outdated.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_misdirected::{ConnectionInfo, VirtualHosts};
    ///
    /// # struct Context;
    /// # fn run(old: Arc<Context>, new: Arc<Context>) -> Result<(), Box<dyn std::error::Error>> {
    /// let hosts = VirtualHosts::builder().host("www.example", old).build()?;
    /// let selection = hosts.select(Some("www.example")).ok_or("unrecognized_name")?;
    /// let info = ConnectionInfo::tls().selection(selection).build();
    /// assert!(!info.is_outdated());
    ///
    /// hosts.replace(VirtualHosts::builder().host("www.example", new))?;
    /// assert!(info.is_outdated());
    /// # Ok(())
    /// # }
    /// # run(Arc::new(Context), Arc::new(Context)).unwrap();
    /// ```
    pub fn is_outdated(&self) -> bool {
        let (server_name, local) = self.selected_by();
        let binding = self.0.binding.as_ref();
        binding.is_some_and(|binding| binding.is_outdated(server_name, local))
    }

    /// Waits until the connection [is outdated](Self::is_outdated). If the connection is already outdated, the future
    /// is ready at once. If the connection was accepted without virtual hosts, the future is never ready.
    ///
    /// The future needs no runtime and holds no lock between polls. Dropping it ends the wait.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// async fn next(info: &ConnectionInfo, mut messages: tokio::sync::mpsc::Receiver<String>) -> Option<String> {
    ///     tokio::select! {
    ///         message = messages.recv() => message,
    ///         // The client opens another connection.
    ///         () = info.outdated() => None,
    ///     }
    /// }
    /// ```
    pub fn outdated(&self) -> Outdated {
        Outdated::new(self.watch())
    }

    /// Registers for a wake-up when the connection becomes outdated. Returns `None` if it cannot become outdated.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let (server_name, local) = self.selected_by();
        Some(self.0.binding.as_ref()?.watch(server_name, local))
    }

    /// Returns the server name and the local address by which virtual hosts selected the configuration.
    fn selected_by(&self) -> (Option<&Host>, Option<IpAddr>) {
        let local = match self.0.is(Flag::SelectedWithoutAddress) {
            true => None,
            false => self.0.local_addr.map(|addr| addr.ip()),
        };
        (self.0.server_name.as_ref(), local)
    }
}

/// Future returned by [`ConnectionInfo::outdated`](crate::ConnectionInfo::outdated).
///
/// ```
/// use tower_misdirected::{ConnectionInfo, Outdated};
///
/// let info = ConnectionInfo::plaintext().build();
/// let outdated: Outdated = info.outdated(); // never ready, because there are no virtual hosts
/// ```
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Outdated(Option<Watch>);

impl Outdated {
    pub(super) fn new(watch: Option<Watch>) -> Self {
        Self(watch)
    }
}

impl Future for Outdated {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(watch) => watch.poll(context),
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for Outdated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outdated").finish_non_exhaustive()
    }
}
