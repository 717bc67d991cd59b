//! The settings of a layer, shared by all services that it creates. The builder methods live in `misdirected_layer`,
//! and `service` acts on the settings.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use crate::verdict::{Rules, Verdict};

/// Called with every verdict.
type OnVerdict = Arc<dyn Fn(&Verdict<'_>) + Send + Sync>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) rules: Rules,
    pub(super) default_host: Option<HeaderValue>,
    pub(super) close_http1: bool,
    pub(super) report_only: bool,
    pub(super) on_verdict: Option<OnVerdict>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            default_host: None,
            close_http1: true,
            report_only: false,
            on_verdict: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("rules", &self.rules)
            .field("default_host", &self.default_host)
            .field("close_http1", &self.close_http1)
            .field("report_only", &self.report_only)
            .finish_non_exhaustive()
    }
}
