//! A user's function in place of a list of hosts. `host` writes the host in the form that the function sees.

use std::fmt;

use crate::host::Sought;
use crate::verdict::HostSet;

pub(super) struct Function<F>(pub(super) F);

impl<F: Fn(&str) -> bool + Send + Sync> HostSet for Function<F> {
    fn contains(&self, host: &Sought<'_>) -> bool {
        host.host().with_text(&self.0)
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").finish_non_exhaustive()
    }
}
