//! Names that may have a wildcard, and what they match: RFC 9525 §6.3, label by label.

use std::net::IpAddr;

use crate::grammar::{self, Host};

/// An entry of a list of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Lower case; the first label may be `*`.
    Labels(Vec<String>),
    Ip(IpAddr),
}

impl Pattern {
    /// A name as in A6, `*.` before one, or an address, IPv6 with or without brackets.
    pub fn read(text: &str) -> Option<Self> {
        if let Some(base) = text.strip_prefix("*.") {
            let base = grammar::name(base)?;
            return Some(Self::labels(&format!("*.{base}")));
        }
        match grammar::host(text) {
            Some(Host::Name(name)) => Some(Self::labels(&name)),
            Some(Host::Ip(ip)) => Some(Self::Ip(ip)),
            None => grammar::address(text).map(Self::Ip),
        }
    }

    fn labels(name: &str) -> Self {
        Self::Labels(name.split('.').map(str::to_owned).collect())
    }

    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Labels(labels) if labels[0] == "*")
    }

    /// A wildcard stands for one whole label, the left-most; all others have to be equal.
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Ip(ours), Host::Ip(theirs)) => ours == theirs,
            (Self::Labels(labels), Host::Name(name)) => {
                let name: Vec<_> = name.split('.').collect();
                let mut pairs = labels.iter().zip(&name).enumerate();
                labels.len() == name.len()
                    && pairs.all(|(n, (label, part))| label == part || (n == 0 && label == "*"))
            }
            _ => false,
        }
    }

    /// The host that this matches and hosts beside it: what a wildcard must not match, and what a name
    /// must not.
    pub fn neighbours(&self) -> Vec<String> {
        let labels = match self {
            Self::Ip(ip) => return vec![Host::Ip(*ip).to_string()],
            Self::Labels(labels) => labels.join("."),
        };
        let base = labels.split_once('.').map_or("", |(_, base)| base);
        vec![
            labels.replace('*', "any"),
            labels.replace('*', "two.labels"),
            format!("{}.", labels.replace('*', "ANY").to_ascii_uppercase()),
            format!("before.{labels}").replace("*.", ""),
            format!("x{labels}").replace('*', "any"),
            base.to_owned(),
            format!("other.{base}"),
            format!("-x.{base}"),
        ]
    }
}
