//! Settings that cannot be: found when the layer is built, named with the value and the fix.

use std::error::Error;
use std::fmt;

use crate::authority::EffectiveAuthority;
use crate::names::Pattern;

/// A setting of [`MisdirectedLayer`](crate::MisdirectedLayer) with a value that it cannot have.
///
/// ```
/// use tower_misdirected::MisdirectedLayer;
///
/// let error = MisdirectedLayer::new().allowed_hosts(["app.example:443"]).unwrap_err();
/// assert_eq!(error.setting(), "allowed_hosts");
/// assert_eq!(error.value(), "app.example:443");
/// assert_eq!(
///     error.to_string(),
///     "allowed_hosts: `app.example:443`: ports go to `ports`, not into a host",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: Option<String>,
    problem: &'static str,
}

impl ConfigError {
    pub(crate) fn empty_list(setting: &'static str) -> Self {
        Self {
            setting,
            value: None,
            problem: "the list is empty, which would refuse every request; leave the setting out to allow \
                      everything",
        }
    }

    pub(crate) fn no_authority(setting: &'static str, value: &str) -> Self {
        Self {
            setting,
            value: Some(value.to_owned()),
            problem: "it is no host with an optional port, such as `app.example` or `[::1]:8443`",
        }
    }

    /// The builder method that refused the value.
    pub fn setting(&self) -> &str {
        self.setting
    }

    /// The value that was given; empty for an empty list.
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.setting)?;
        if let Some(value) = &self.value {
            write!(f, "`{}`: ", value.escape_debug())?;
        }
        f.write_str(self.problem)
    }
}

impl Error for ConfigError {}

/// Reads an entry of `allowed_hosts`.
pub(crate) fn host_pattern(text: &str) -> Result<Pattern, ConfigError> {
    pattern(text).map_err(|problem| ConfigError {
        setting: "allowed_hosts",
        value: Some(text.to_owned()),
        problem: match problem {
            HostProblem::Port => "ports go to `ports`, not into a host",
            HostProblem::Star => {
                "`*` may only be the whole first label before others, as in `*.app.example`; leave \
                 `allowed_hosts` out to allow every host"
            }
            HostProblem::Other(problem) => problem,
        },
    })
}

/// What is wrong with a host; the fix for some of it depends on the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostProblem {
    Port,
    Star,
    Other(&'static str),
}

/// Reads a DNS name, a wildcard or an IP address.
pub(crate) fn pattern(text: &str) -> Result<Pattern, HostProblem> {
    let pattern = Pattern::ip(text).or_else(|| Pattern::dns(text));
    pattern.ok_or_else(|| what_is_wrong_with(text))
}

fn what_is_wrong_with(host: &str) -> HostProblem {
    let has_port = host.parse::<EffectiveAuthority>().is_ok();
    if host.is_empty() {
        HostProblem::Other("it is empty")
    } else if !host.is_ascii() {
        HostProblem::Other("non-ASCII names must be given in Punycode, as `xn--…` (RFC 5890)")
    } else if has_port {
        HostProblem::Port
    } else if host.contains('/') {
        HostProblem::Other("give the host alone, without scheme and path")
    } else if host.contains('*') {
        HostProblem::Star
    } else {
        HostProblem::Other("it is neither a DNS name, nor `*.` before one, nor an IP address")
    }
}
