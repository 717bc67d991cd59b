//! Heads of requests whose authority is often odd: nearly a host, nearly a port, stated twice or in an unusual form. What
//! authority such a head has is told by `request`.

use arbitrary::{Arbitrary, Result, Unstructured};
use http::{Method, Version};

use crate::request::Head;

/// What the client sends.
#[derive(Clone, Debug)]
pub struct OddHead {
    pub version: Version,
    pub method: Method,
    pub target: String,
    /// The values of all `Host` fields.
    pub hosts: Vec<String>,
}

impl OddHead {
    pub fn as_head(&self) -> Head<'_> {
        Head {
            version: self.version,
            method: self.method.clone(),
            target: &self.target,
            hosts: self.hosts.iter().map(|host| host.as_bytes()).collect(),
        }
    }
}

impl<'a> Arbitrary<'a> for OddHead {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let versions = [Version::HTTP_11, Version::HTTP_2, Version::HTTP_3];
        let version = match bytes.ratio(1, 8)? {
            true => Version::HTTP_10,
            false => *bytes.choose(&versions)?,
        };
        let methods = [
            Method::GET,
            Method::GET,
            Method::POST,
            Method::CONNECT,
            Method::OPTIONS,
        ];
        let method = bytes.choose(&methods)?.clone();
        let authority = authority(bytes)?;
        let target = match bytes.int_in_range(0..=9_u8)? {
            0..=4 => "/".to_owned(),
            5 => "*".to_owned(),
            6 => authority.clone(),
            _ => {
                let scheme = bytes.choose(&["http", "https", "https", "HTTPS", "wss"])?;
                format!("{scheme}://{authority}/")
            }
        };
        let mut hosts = Vec::new();
        for _ in 0..*bytes.choose(&[0, 1, 1, 1, 1, 2])? {
            hosts.push(match bytes.int_in_range(0..=3_u8)? {
                0 => self::authority(bytes)?,
                1 => authority.trim_end_matches(":443").to_owned(),
                _ => authority.clone(),
            });
        }
        Ok(Self {
            version,
            method,
            target,
            hosts,
        })
    }
}

const HOSTS: &[&str] = &[
    "a.test",
    "b.test",
    "w.test",
    "other.test",
    "www.a.test",
    "admin.a.test",
    "x.admin.a.test",
    "x.w.test",
    "x.y.w.test",
    "x_y.w.test",
    "test",
    "localhost",
    "192.0.2.1",
    "192.0.2.2",
    "[2001:db8::1]",
    "[2001:DB8:0:0::1]",
    "[::ffff:192.0.2.1]",
];

const FIRST_LABELS: &[&str] = &[
    "", "-", "_", "a b", "%41", "\u{e9}", "1", "A", "a@b", "*", "0x7f", "a..b", "a:b", "b/c", "\t",
    "x.y", "www",
];

const NEARLY_HOSTS: &[&str] = &[
    "",
    ".",
    "..",
    "01.2.3.4",
    "192.0.2.01",
    "192.0.2.256",
    "192.0.2.1.",
    "1.192.0.2.1",
    "192.0.2",
    "0x7f.1",
    "3232235777",
    "192.0.2.1x",
    "[::1%25eth0]",
    "[::1",
    "::1",
    "[192.0.2.1]",
    "[v1.a]",
    "[2001:db8::1]x",
    "w.test.1",
    "a.123",
];

const ENDS: &[&str] = &["", "", "", "", "", "", ".", "..", "\u{e9}", "]", "%"];

const PORTS: &[&str] = &[
    "", "", "", "", ":443", ":80", ":8443", ":", ":0", ":65535", ":65536", ":000443", ":+80",
    ":-1", "::1", ":443:443", ": 443", ":443 ", ":4x", ":\u{663}",
];

fn authority(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut host = match bytes.int_in_range(0..=15_u8)? {
        0 => bytes.choose(NEARLY_HOSTS)?.to_string(),
        1 | 2 => format!("{}.{}", bytes.choose(FIRST_LABELS)?, bytes.choose(HOSTS)?),
        3 | 4 => {
            let (_, base) = bytes.choose(HOSTS)?.split_once('.').unwrap_or_default();
            format!("{}.{base}", bytes.choose(FIRST_LABELS)?)
        }
        5 => format!("{}.w.test", "x".repeat(bytes.int_in_range(62..=65)?)),
        6 => {
            let length = bytes.int_in_range(238..=256)?;
            let labels = "x.".repeat(length / 2);
            format!("{labels}w.test")[length % 2..].to_owned()
        }
        _ => bytes.choose(HOSTS)?.to_string(),
    };
    if bytes.ratio(1, 8)? {
        host = host.to_uppercase();
    }
    if bytes.ratio(1, 24)? {
        host = format!("{}@{host}", bytes.choose(&["", "user", "user:secret"])?);
    }
    if bytes.ratio(1, 2)? {
        host += bytes.choose(ENDS)?;
    }
    Ok(host + bytes.choose(PORTS)?)
}
