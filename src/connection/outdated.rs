//! Whether a connection is outdated, and the future that ends when it is. Who is woken by a replacement is kept in
//! `virtual_hosts`.

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
    /// Returns whether the connection is outdated: the [`VirtualHosts`](crate::VirtualHosts) that accepted it have been
    /// [replaced](crate::VirtualHosts::replace), and would now select another TLS configuration for its server name, or
    /// none. For a connection without a server name, its local address or the default counts.
    ///
    /// Requests for the server name get 421 on an outdated connection, and so do requests for most other hosts. A
    /// client needs a new connection, so end this one gracefully. [`TlsStream`](crate::TlsStream) does so for HTTP/2.
    /// For a WebSocket, server-sent events and HTTP/3, wait for [`outdated`](Self::outdated);
    /// [`guide::changing`](crate::guide::changing#outdated-connections) shows how.
    ///
    /// A connection that virtual hosts did not accept is never outdated.
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

    /// Waits until the connection [is outdated](Self::is_outdated). The future is ready at once if it is already, and
    /// never if virtual hosts did not accept the connection.
    ///
    /// The future needs no runtime and holds no lock. Dropping it ends the wait.
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

    /// Takes a place among the connections that are woken when they become outdated. `None` if that cannot happen.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let (server_name, local) = self.selected_by();
        Some(self.0.binding.as_ref()?.watch(server_name, local))
    }

    /// Returns what virtual hosts selected the configuration by: the server name, or the local address.
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
