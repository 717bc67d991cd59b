//! The error type of invalid settings, found when the layer is built. Each setting checks its own value.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::host::{HostProblem, Pattern};
use crate::network::Network;

/// Error returned when a [`MisdirectedLayer`](crate::MisdirectedLayer) setting is invalid.
///
/// `Debug` writes the same text as `Display`, because `unwrap`, and a `main` that returns an error, print it so.
///
/// ```
/// use tower_misdirected::MisdirectedLayer;
///
/// let error = MisdirectedLayer::new().allowed_hosts(["app.example:443"]).unwrap_err();
/// assert_eq!(error.setting(), "allowed_hosts");
/// assert_eq!(error.value(), "app.example:443");
/// assert_eq!(
///     error.to_string(),
///     "allowed_hosts: `app.example:443` has a port; pass ports to `ports`",
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: Option<String>,
    problem: Cow<'static, str>,
}

const ALLOWED_HOSTS: &str = "allowed_hosts";

impl ConfigError {
    pub(super) fn empty_list(setting: &'static str) -> Self {
        Self {
            setting,
            value: None,
            problem: "the list is empty, so every request would be refused; to allow everything, leave the \
                      setting out"
                .into(),
        }
    }

    pub(super) fn empty_run_time_list() -> Self {
        Self {
            setting: ALLOWED_HOSTS,
            value: None,
            problem: "the list is empty, so every request would be refused; to begin with an empty list, use \
                      `AllowedHosts::default()`"
                .into(),
        }
    }

    pub(super) fn no_authority(setting: &'static str, value: &str) -> Self {
        Self {
            setting,
            value: Some(value.to_owned()),
            problem: "is not an authority; expected `host` or `host:port`, such as `app.example` or `[::1]:8443`"
                .into(),
        }
    }

    /// Returns the name of the setting, such as `allowed_hosts`.
    pub fn setting(&self) -> &str {
        self.setting
    }

    /// Returns the invalid value. It is empty if the setting got an empty list.
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.setting)?;
        if let Some(value) = &self.value {
            write!(f, "`{}` ", value.escape_debug())?;
        }
        f.write_str(&self.problem)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}

/// Reads a network that is an entry of `allowed_hosts`.
pub(super) fn allowed_network(text: &str) -> Result<Network, ConfigError> {
    Network::parse(text).map_err(|problem| ConfigError {
        setting: ALLOWED_HOSTS,
        value: Some(text.to_owned()),
        problem: problem.into(),
    })
}

/// Reads another entry of `allowed_hosts`.
pub(super) fn allowed_host(text: &str) -> Result<Pattern, ConfigError> {
    Pattern::parse(text).map_err(|problem| ConfigError {
        setting: ALLOWED_HOSTS,
        value: Some(text.to_owned()),
        problem: Cow::Borrowed(match problem {
            HostProblem::Port => "has a port; pass ports to `ports`",
            HostProblem::Star => {
                "has a `*` in the wrong place; a host can begin with `*.` for one label or `**.` for one or more; \
                 to allow every host, leave `allowed_hosts` out"
            }
            HostProblem::Other(problem) => problem,
        }),
    })
}
