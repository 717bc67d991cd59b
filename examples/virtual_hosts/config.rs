//! The configuration file: parsing and its errors. `pem` and `tls` check the PEM files that it names.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use tower_misdirected::{Coalescing, Peers};

/// A problem, in one line for the operator.
#[derive(Debug)]
pub struct Problem(String);

impl Problem {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Escapes the values, so that the problem stays one line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => write!(f, "{c}"),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The path of the configuration file.
    #[serde(skip)]
    pub file: PathBuf,
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    #[serde(default, with = "Level")]
    pub coalescing: Coalescing,
    #[serde(default = "yes")]
    pub check_certificate: bool,
    pub default: Option<String>,
    #[serde(default)]
    pub report_only: bool,
    #[serde(default)]
    pub body: Body,
    #[serde(default)]
    pub http3: bool,
    #[serde(default)]
    pub drain: Drain,
    /// The peers that send a PROXY protocol header before TLS.
    #[serde(default, deserialize_with = "peers")]
    pub proxy_protocol: Option<Peers>,
    #[serde(default)]
    host: Vec<Table>,
    /// The hosts that the tables describe.
    #[serde(skip)]
    pub hosts: Vec<Host>,
}

/// The names of the levels of [`Coalescing`].
#[derive(Deserialize)]
#[serde(remote = "Coalescing", rename_all = "kebab-case")]
enum Level {
    Unchecked,
    Certificate,
    SameTlsConfig,
    SameVirtualHost,
    Never,
}

/// The body of refusals.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    #[default]
    None,
    Json,
    ProblemJson,
}

/// The time within which all clients of outdated connections are told to reconnect. `None` turns draining off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Drain(pub Option<Duration>);

/// The default of `TlsAcceptor::drain`.
impl Default for Drain {
    fn default() -> Self {
        Self(Some(Duration::from_secs(1)))
    }
}

/// Units of `drain`, in milliseconds.
const UNITS: [(&str, u64); 3] = [("ms", 1), ("s", 1_000), ("m", 60_000)];

impl<'de> Deserialize<'de> for Drain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self(None));
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| *name == unit);
        let milliseconds =
            unit.and_then(|(_, unit)| number.parse::<u64>().ok()?.checked_mul(*unit));
        match milliseconds {
            Some(milliseconds) => Ok(Self(Some(Duration::from_millis(milliseconds)))),
            None => Err(de::Error::custom(format!(
                "`{text}` is not a duration: write a whole number of ms, s or m, such as 250ms or 30s, or write off"
            ))),
        }
    }
}

impl fmt::Display for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(spread) => write!(f, "{spread:?}"),
            None => f.write_str("off"),
        }
    }
}

pub struct Host {
    pub id: String,
    pub names: Vec<String>,
    pub tls: Tls,
}

/// The source of a host's TLS configuration.
pub enum Tls {
    Own(PemFiles),
    /// The id of a host with its own configuration.
    SharedWith(String),
}

/// The paths in the configuration file, relative to the file.
pub struct PemFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_ca: Option<PathBuf>,
}

/// A `[[host]]` table in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    id: String,
    names: Vec<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    share_tls_with: Option<String>,
}

impl Host {
    fn of(table: Table) -> Result<Self, String> {
        let id = table.id;
        let tls = match (table.certificate, table.key, table.share_tls_with) {
            (Some(certificate), Some(key), None) => Tls::Own(PemFiles {
                certificate,
                key,
                client_ca: table.client_ca,
            }),
            (None, None, Some(other)) if table.client_ca.is_none() => Tls::SharedWith(other),
            (_, _, Some(other)) => {
                return Err(format!(
                    "host `{id}`: share_tls_with = `{other}` stands in place of certificate, key and \
                     client_ca: leave out the one or the others"
                ));
            }
            (Some(_), None, None) => {
                return Err(format!("host `{id}`: certificate without a key: add one"));
            }
            (None, Some(_), None) => {
                return Err(format!("host `{id}`: key without a certificate: add one"));
            }
            (None, None, None) => {
                return Err(format!(
                    "host `{id}`: no TLS: add certificate and key, or share_tls_with"
                ));
            }
        };
        Ok(Self {
            id,
            names: table.names,
            tls,
        })
    }
}

fn yes() -> bool {
    true
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format!(
            "`{text}` is no IP address with a port, such as 127.0.0.1:8443 or [::]:8443"
        ))
    })
}

/// The word `any`, or a list of networks.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"any\" or a list of networks, such as [\"127.0.0.1/32\"]"
)]
enum PeersText {
    Word(String),
    Networks(Vec<String>),
}

fn peers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Peers>, D::Error> {
    let peers = match PeersText::deserialize(deserializer)? {
        PeersText::Networks(networks) => Peers::new(networks).map_err(de::Error::custom)?,
        PeersText::Word(word) if word == "any" => Peers::any(),
        PeersText::Word(word) => {
            return Err(de::Error::custom(format!(
                "`{word}` is neither \"any\" nor a list of networks, such as [\"127.0.0.1/32\"]"
            )));
        }
    };
    Ok(Some(peers))
}

impl Config {
    pub fn read(file: &Path) -> Result<Self, Problem> {
        let problem = |text: &dyn fmt::Display| Problem::new(format!("{}: {text}", file.display()));
        let text = std::fs::read_to_string(file)
            .map_err(|error| problem(&format_args!("cannot read the configuration: {error}")))?;
        let mut config: Self =
            toml::from_str(&text).map_err(|error| syntax(file, &text, &error))?;
        config.file = file.to_owned();
        let tables = std::mem::take(&mut config.host).into_iter();
        let hosts = tables.map(Host::of).collect::<Result<_, _>>();
        config.hosts = hosts.map_err(|text| problem(&text))?;
        config.check().map_err(|text| problem(&text))?;
        Ok(config)
    }

    /// A problem of this file.
    pub fn problem(&self, text: impl fmt::Display) -> Problem {
        Problem::new(format!("{}: {text}", self.file.display()))
    }

    /// Checks the rules about several hosts.
    fn check(&mut self) -> Result<(), String> {
        if self.hosts.is_empty() {
            return Err("no host: add a [[host]] with id, names, certificate and key".into());
        }
        if self.hosts.iter().any(|host| host.id.is_empty()) {
            return Err("a host has an empty id: give it one".into());
        }
        let mut ids = HashSet::new();
        if let Some(host) = self.hosts.iter().find(|host| !ids.insert(&host.id)) {
            let id = &host.id;
            return Err(format!("two hosts have the id `{id}`: rename one"));
        }
        if let Some(default) = &self.default
            && !ids.contains(default)
        {
            return Err(format!(
                "default = `{default}`: no host has that id: give the id of one, or leave `default` out"
            ));
        }
        self.follow_sharing()
    }

    /// Resolves the host whose TLS configuration each host shares, also over several steps.
    fn follow_sharing(&mut self) -> Result<(), String> {
        let by_id: HashMap<_, _> = self.hosts.iter().map(|host| (&*host.id, host)).collect();
        let mut owners = Vec::with_capacity(self.hosts.len());
        for host in &self.hosts {
            let mut way = vec![&*host.id];
            let mut owner = host;
            while let Tls::SharedWith(next) = &owner.tls {
                let id = &owner.id;
                owner = by_id.get(&**next).ok_or_else(|| {
                    format!("host `{id}`: share_tls_with = `{next}`: no host has that id: add it, or correct this")
                })?;
                way.push(next);
                if way[..way.len() - 1].contains(&&**next) {
                    return Err(format!(
                        "host `{}`: share_tls_with goes round in a circle: {}: give one of them certificate and key",
                        host.id,
                        way.join(" -> "),
                    ));
                }
            }
            owners.push(owner.id.clone());
        }
        for (host, owner) in self.hosts.iter_mut().zip(owners) {
            if let Tls::SharedWith(other) = &mut host.tls {
                *other = owner;
            }
        }
        Ok(())
    }
}

/// Returns the line number, the message and the text of the line. toml's own text has several lines.
fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = &text.as_bytes()[..start];
    let number = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    let line: String = line.chars().take(80).collect();
    let message = error.message().replace('\n', ", ");
    // A missing field has no line.
    if message.starts_with("missing field") && start == 0 {
        return Problem::new(format!("{}: {message}: add it", file.display()));
    }
    Problem::new(format!(
        "{}:{number}: {message}, in the line `{line}`",
        file.display()
    ))
}
