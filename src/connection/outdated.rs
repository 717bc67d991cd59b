//! The future that ends when a connection is outdated. Who is woken by a replacement is kept in `virtual_hosts`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::virtual_hosts::Watch;

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
