//! All that a verdict depends on, as plain data made of the fuzzer's bytes: few names, so that they meet,
//! in every layout. The crate's own values are made of it in `made`.

use arbitrary::{Arbitrary, Unstructured};

use crate::grammar;

#[derive(Debug)]
pub struct Scene {
    pub rules: Rules,
    pub connection: Option<Connection>,
    pub request: Request,
}

#[derive(Debug)]
pub struct Rules {
    pub level: Level,
    pub allowed_hosts: Option<Vec<Pattern>>,
    pub ports: Option<Vec<Port>>,
    pub strict_scheme: bool,
    pub require_tls: bool,
    pub skip_certificate: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Unchecked,
    Certificate,
    SameTlsConfig,
    SameVirtualHost,
    Never,
}

#[derive(Debug)]
pub struct Connection {
    pub security: Security,
    pub server_name: Option<Host>,
    /// `None` where nobody told the layer which certificate it was.
    pub certificate: Option<Certificate>,
    pub virtual_hosts: Option<Layout>,
    /// What they were replaced by since the handshake.
    pub replaced_by: Option<Layout>,
    /// Nobody said that the server has a single configuration. Only counts if no virtual host was selected.
    pub untold: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    Plaintext,
    TrustedGateway,
    Tls,
}

/// Virtual hosts.
#[derive(Clone, Debug)]
pub struct Layout {
    pub entries: Vec<Entry>,
    pub default: Default,
}

#[derive(Arbitrary, Clone, Debug)]
pub struct Entry {
    pub names: Vec<Pattern>,
    pub config: Config,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Default {
    None,
    Config(Config),
    Entry(usize),
}

#[derive(Arbitrary, Debug)]
pub struct Request {
    pub version: Version,
    pub host: Host,
    pub port: Option<Port>,
    /// In the target, with a scheme; otherwise in the field `Host` alone.
    pub in_target: Option<Scheme>,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http11,
    Http2,
    Http3,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
    Other,
}

// What comes early in the verdict is rare, or little would come as far as what comes late.

impl<'a> Arbitrary<'a> for Scene {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut scene = Self {
            rules: bytes.arbitrary()?,
            connection: sometimes(7, bytes)?,
            request: bytes.arbitrary()?,
        };
        // Read last and `false` without bytes, so that older inputs keep their meaning.
        if let Some(connection) = &mut scene.connection {
            connection.untold = bytes.arbitrary()?;
        }
        scene.rules.skip_certificate = bytes.arbitrary()?;
        let (layouts, which) = (scene.connection.as_mut(), bytes.arbitrary()?);
        if let Some(Connection {
            virtual_hosts,
            replaced_by,
            ..
        }) = layouts
        {
            for layout in virtual_hosts.iter_mut().chain(replaced_by) {
                for entry in &mut layout.entries {
                    widen(&mut entry.names, which);
                }
            }
        }
        if let Some(hosts) = &mut scene.rules.allowed_hosts {
            widen(hosts, which);
        }
        Ok(scene)
    }
}

impl<'a> Arbitrary<'a> for Rules {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            level: bytes.arbitrary()?,
            allowed_hosts: sometimes(1, bytes)?,
            ports: sometimes(1, bytes)?,
            strict_scheme: bytes.ratio(1, 8)?,
            require_tls: bytes.ratio(1, 8)?,
            skip_certificate: false,
        })
    }
}

impl<'a> Arbitrary<'a> for Connection {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            security: bytes.arbitrary()?,
            server_name: sometimes(6, bytes)?,
            certificate: sometimes(7, bytes)?,
            virtual_hosts: sometimes(6, bytes)?,
            replaced_by: sometimes(4, bytes)?,
            untold: false,
        })
    }
}

/// For wildcards for one label, adds a wildcard for several labels before the same name, or puts it in their place. Two
/// bits for each of them say which.
fn widen(names: &mut Vec<Pattern>, which: u16) {
    let wide = [
        ("*.a.test", "**.a.test"),
        ("*.w.test", "**.w.test"),
        ("*.y.w.test", "**.y.w.test"),
        ("*.admin.a.test", "**.admin.a.test"),
        ("*.test", "**.test"),
    ];
    for (number, (one, several)) in wide.into_iter().enumerate() {
        let Some(at) = names.iter().position(|name| name.0 == one) else {
            continue;
        };
        match which >> (2 * number) & 3 {
            1 => names[at] = Pattern(several),
            2 => names.push(Pattern(several)),
            _ => {}
        }
    }
}

fn sometimes<'a, T: Arbitrary<'a>>(
    of_eight: u8,
    bytes: &mut Unstructured<'a>,
) -> arbitrary::Result<Option<T>> {
    bytes
        .ratio(of_eight, 8)?
        .then(|| bytes.arbitrary())
        .transpose()
}

impl<'a> Arbitrary<'a> for Security {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let all = [
            Self::Tls,
            Self::Tls,
            Self::Tls,
            Self::Tls,
            Self::TrustedGateway,
            Self::Plaintext,
        ];
        bytes.choose(&all).copied()
    }
}

/// A value out of a short list.
macro_rules! one_of {
    ($(#[$doc:meta])* $name:ident, $type:ty, [$($value:expr),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $type);

        impl<'a> Arbitrary<'a> for $name {
            fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
                bytes.choose(&[$($value),*]).copied().map(Self)
            }
        }
    };
}

one_of!(Port, u16, [80, 443, 8443, 0]);
one_of!(
    /// One of three, which are equal but for their identity.
    Config, usize, [0, 1, 2]
);
one_of!(
    Plain,
    &'static str,
    [
        "a.test",
        "b.test",
        "w.test",
        "other.test",
        "www.a.test",
        "admin.a.test",
        "x.admin.a.test",
        "x.w.test",
        "y.w.test",
        "x.y.w.test",
        "x_y.w.test",
        "test",
        "localhost",
        "192.0.2.1",
        "192.0.2.2",
        "[2001:db8::1]",
        "[2001:DB8:0:0::1]",
        "[::ffff:192.0.2.1]",
    ]
);
one_of!(
    Pattern,
    &'static str,
    [
        "a.test",
        "b.test",
        "w.test",
        "www.a.test",
        "admin.a.test",
        "x.w.test",
        "localhost",
        "*.a.test",
        "*.w.test",
        "*.y.w.test",
        "*.admin.a.test",
        "*.test",
        "192.0.2.1",
        "2001:db8::1",
        "[2001:db8::c000:201]",
    ]
);
one_of!(
    /// By its place in [`certificates`].
    Certificate, usize, [0, 1, 2, 3, 4, 5, 6, 7, 8]
);

/// A host in some spelling.
#[derive(Clone, Debug)]
pub struct Host(pub String);

impl<'a> Arbitrary<'a> for Host {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let Plain(host) = bytes.arbitrary()?;
        let capitals: u8 = bytes.arbitrary()?;
        let spell = |(n, c): (usize, char)| match capitals >> (n % 8) & 1 {
            1 => c.to_ascii_uppercase(),
            _ => c,
        };
        let mut text: String = host.chars().enumerate().map(spell).collect();
        // One trailing dot belongs to names alone.
        if bytes.ratio(1, 4)? && grammar::name(host).is_some() {
            text.push('.');
        }
        Ok(Self(text))
    }
}

impl<'a> Arbitrary<'a> for Layout {
    /// One that can be built: every name once, no entry without names but the default, not empty.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut default: Default = bytes.arbitrary()?;
        let mut entries: Vec<Entry> = bytes.arbitrary()?;
        let mut used = Vec::new();
        for entry in &mut entries {
            entry.names.retain(|name| {
                !used.contains(name) && {
                    used.push(*name);
                    true
                }
            });
        }
        entries.retain(|entry| !entry.names.is_empty());
        if let Default::Entry(number) = &mut default {
            *number = number
                .checked_rem(entries.len())
                .ok_or(arbitrary::Error::IncorrectFormat)?;
        }
        match (&entries[..], default) {
            ([], Default::None) => Err(arbitrary::Error::IncorrectFormat),
            _ => Ok(Self { entries, default }),
        }
    }
}
