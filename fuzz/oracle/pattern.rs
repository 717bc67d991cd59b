//! Names that may have a wildcard, and what they match, label by label: RFC 9525 §6.3 for `*`, rule B10 for `**`.

use std::net::IpAddr;

use crate::grammar::{self, Host};

/// An entry of a list of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Lower case; the first label may be `*` or `**`.
    Labels(Vec<String>),
    Ip(IpAddr),
}

impl Pattern {
    /// A name as in A6, `*.` or `**.` before one, or an address, IPv6 with or without brackets.
    pub fn read(text: &str) -> Option<Self> {
        for wildcard in ["*", "**"] {
            if let Some((first, base)) = text.split_once('.')
                && first == wildcard
            {
                let base = grammar::name(base)?;
                return Some(Self::labels(&format!("{wildcard}.{base}")));
            }
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

    /// `**` before a name, which no certificate has.
    pub fn is_for_several_labels(&self) -> bool {
        matches!(self, Self::Labels(labels) if labels[0] == "**")
    }

    /// The greatest of all patterns that match a host is the best match.
    pub fn precedence(&self) -> (u8, usize) {
        match self {
            Self::Labels(labels) if labels[0] == "**" => (0, labels.len()),
            Self::Labels(labels) if labels[0] == "*" => (1, 0),
            Self::Labels(_) | Self::Ip(_) => (2, 0),
        }
    }

    /// `*` stands for one whole label, the left-most, and `**` for one or more; all others have to be equal.
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Ip(ours), Host::Ip(theirs)) => ours == theirs,
            (Self::Labels(labels), Host::Name(name)) => {
                let name: Vec<_> = name.split('.').collect();
                if labels[0] == "**" {
                    let some_more = name.len() >= labels.len();
                    let mut pairs = labels[1..].iter().rev().zip(name.iter().rev());
                    return some_more && pairs.all(|(label, part)| label == part);
                }
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
        let fill = |text: &str| labels.replace("**", "*").replace('*', text);
        vec![
            fill("any"),
            fill("two.labels"),
            fill("a.b.c.d"),
            format!("{}.", fill("ANY").to_ascii_uppercase()),
            format!("before.{}", fill("").trim_start_matches('.')),
            format!("x{}", fill("any")),
            base.to_owned(),
            format!("other.{base}"),
            format!("-x.{base}"),
        ]
    }
}
