//! The settings that a verdict depends on. The layer's other settings live in `layer`.

use std::sync::Arc;

use super::coalescing::Coalescing;
use crate::host::NameMap;

#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) coalescing: Coalescing,
    pub(crate) check_certificate: bool,
    pub(crate) allowed_hosts: Option<Arc<NameMap<()>>>,
    pub(crate) ports: Option<Arc<[u16]>>,
    pub(crate) strict_scheme: bool,
    pub(crate) require_tls: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            coalescing: Coalescing::default(),
            check_certificate: true,
            allowed_hosts: None,
            ports: None,
            strict_scheme: false,
            require_tls: false,
        }
    }
}

impl Rules {
    /// Returns whether a verdict needs to know the connection.
    #[inline]
    pub(super) fn need_connection(&self) -> bool {
        self.coalescing > Coalescing::Unchecked || self.strict_scheme || self.require_tls
    }
}
