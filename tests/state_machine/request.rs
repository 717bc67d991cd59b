//! Requests in every form that names an authority, proper ones and malformed ones.

use std::fmt;

use http::{HeaderValue, Uri, Version};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tower_misdirected::Malformed;

use crate::names::{self, Name};

#[derive(Clone, Debug)]
pub enum Request {
    /// HTTP/1.1 in origin-form.
    Origin {
        host: Authority,
    },
    /// HTTP/1.1 in absolute-form, which carries another `Host`, or none.
    Absolute {
        scheme: Scheme,
        target: Authority,
        host: Option<Authority>,
    },
    /// HTTP/2 or HTTP/3, with `:authority`, and perhaps with `Host`.
    Two {
        scheme: Scheme,
        authority: Authority,
        host: Option<Authority>,
    },
    /// HTTP/2 with `Host` in its place. The scheme is lost on the way to the layer.
    TwoByHost {
        host: Authority,
    },
    /// With a text in `Host` that the grammar forbids.
    Spoilt {
        http2: bool,
        text: &'static str,
        why: Malformed,
    },
    SeveralHosts {
        host: Authority,
    },
    NoHost {
        version: Version,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    pub host: Name,
    pub port: Port,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Absent,
    Empty,
    Given(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Port {
    pub fn number(self) -> Option<u16> {
        match self {
            Self::Absent | Self::Empty => None,
            Self::Given(port) => Some(port),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host.text())?;
        match self.port {
            Port::Absent => Ok(()),
            Port::Empty => f.write_str(":"),
            Port::Given(port) => write!(f, ":{port}"),
        }
    }
}

impl Request {
    /// What a client sends over HTTP/3 to ask for the same, if h3 lets it: no other `Host` than the same text.
    pub fn over_http3(&self) -> Option<Self> {
        let (scheme, authority, host) = match *self {
            Self::Origin { host } => (Scheme::Https, host, None),
            Self::Absolute { scheme, target, .. } => (scheme, target, None),
            Self::Two {
                scheme,
                authority,
                host,
            } if host.is_none_or(|host| host == authority) => (scheme, authority, host),
            _ => return None,
        };
        Some(Self::Two {
            scheme,
            authority,
            host,
        })
    }

    /// As hyper hands it over.
    pub fn build(&self) -> http::Request<()> {
        let uri = |scheme: &Scheme, authority: &Authority| {
            let scheme = format!("{scheme:?}").to_lowercase();
            format!("{scheme}://{authority:?}/")
        };
        let text = |authority: &Authority| format!("{authority:?}");
        let (version, uri, hosts) = match self {
            Self::Origin { host } => (Version::HTTP_11, "/".to_owned(), vec![text(host)]),
            Self::Absolute {
                scheme,
                target,
                host,
            } => {
                let hosts = host.iter().map(text).collect();
                (Version::HTTP_11, uri(scheme, target), hosts)
            }
            Self::Two {
                scheme,
                authority,
                host,
            } => {
                let hosts = host.iter().map(text).collect();
                (Version::HTTP_2, uri(scheme, authority), hosts)
            }
            Self::TwoByHost { host } => (Version::HTTP_2, "/".to_owned(), vec![text(host)]),
            Self::Spoilt { http2, text, .. } => {
                let version = match http2 {
                    true => Version::HTTP_2,
                    false => Version::HTTP_11,
                };
                (version, "/".to_owned(), vec![(*text).to_owned()])
            }
            Self::SeveralHosts { host } => (Version::HTTP_11, "/".to_owned(), vec![text(host); 2]),
            Self::NoHost { version } => (*version, "/".to_owned(), Vec::new()),
        };
        let mut request = http::Request::new(());
        *request.version_mut() = version;
        *request.uri_mut() = uri.parse::<Uri>().unwrap();
        for host in hosts {
            let host = HeaderValue::from_bytes(host.as_bytes()).unwrap();
            request.headers_mut().append("host", host);
        }
        request
    }
}

pub fn request() -> impl Strategy<Value = Request> {
    let rare = prop_oneof![
        (any::<bool>(), select(&SPOILT[..])).prop_map(|(http2, (text, why))| Request::Spoilt {
            http2,
            text,
            why
        }),
        authority().prop_map(|host| Request::SeveralHosts { host }),
        select(vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_2])
            .prop_map(|version| Request::NoHost { version }),
    ];
    prop_oneof![
        6 => authority().prop_map(|host| Request::Origin { host }),
        2 => (scheme(), authority(), option::weighted(0.9, authority())).prop_map(
            |(scheme, target, host)| Request::Absolute { scheme, target, host }
        ),
        6 => (scheme(), authority(), host_beside_authority()).prop_map(
            |(scheme, authority, host)| {
                let host = host.map(|change| change.unwrap_or(authority));
                Request::Two { scheme, authority, host }
            }
        ),
        1 => authority().prop_map(|host| Request::TwoByHost { host }),
        1 => rare,
    ]
}

/// None; the same text; or perhaps another entity, or the same one in another spelling.
fn host_beside_authority() -> impl Strategy<Value = Option<Option<Authority>>> {
    prop_oneof![
        6 => Just(None),
        2 => Just(Some(None)),
        2 => authority().prop_map(|host| Some(Some(host))),
    ]
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop_oneof![5 => Just(Scheme::Https), 1 => Just(Scheme::Http)]
}

fn authority() -> impl Strategy<Value = Authority> {
    let port = prop_oneof![
        5 => Just(Port::Absent),
        1 => Just(Port::Empty),
        2 => select(vec![443, 80, 8443, 0]).prop_map(Port::Given),
    ];
    (names::host(), port).prop_map(|(host, port)| Authority { host, port })
}

const SPOILT: [(&str, Malformed); 12] = [
    ("", Malformed::InvalidHost),
    (".", Malformed::InvalidHost),
    ("www..site.test", Malformed::InvalidHost),
    ("www.site.test..", Malformed::InvalidHost),
    ("x@www.site.test", Malformed::InvalidHost),
    ("www%2esite.test", Malformed::InvalidHost),
    ("bücher.site.test", Malformed::InvalidHost),
    ("www.site.test.1", Malformed::InvalidHost),
    ("[2001:db8::1%25lo]", Malformed::InvalidHost),
    ("2001:db8::1", Malformed::InvalidHost),
    ("www.site.test:99999", Malformed::InvalidPort),
    ("www.site.test:+443", Malformed::InvalidPort),
];
