//! The requests whose instructions are counted, in the order in which they are, so that the report can tell
//! which is which.
#![allow(dead_code, reason = "the benchmark and the report use a part each")]

use http::Version;

/// A request on a connection for `www.example.com`.
pub struct Case {
    pub what: &'static str,
    pub authority: &'static str,
    /// The server has virtual hosts; else it has one configuration.
    pub virtual_hosts: bool,
    /// How many instructions the layer is to take at most.
    pub aim: u32,
    /// More is a failure: the aim, or a little above what is measured, where the aim is near or missed. By
    /// the chance of its seed a look-up meets a name whose hash begins alike, for some thirty more.
    pub limit: u32,
}

const fn case(what: &'static str, authority: &'static str, hosts: bool, aim: u32) -> Case {
    Case {
        what,
        authority,
        virtual_hosts: hosts,
        aim,
        limit: aim,
    }
}

impl Case {
    const fn but(self, limit: u32) -> Self {
        Self { limit, ..self }
    }
}

#[rustfmt::skip]
const CASES: [Case; 11] = [
    case("the server name", "www.example.com", false, 340),
    case("the server name, virtual hosts", "www.example.com", true, 340),
    case("the server name and a port, virtual hosts", "www.example.com:8443", true, 700),
    case("another name of the certificate", "shop-00005.example.com", false, 700),
    case("a name under its wildcard", "a.tenants.example.com", false, 700),
    case("an address of the certificate", "192.0.2.1", false, 700).but(720),
    case("another virtual host, same configuration", "shop-00005.example.com", true, 700).but(730),
    case("the same by a wildcard", "a.tenants.example.com", true, 700).but(880),
    case("refused: not in the certificate", "www.example.org", false, 3_000).but(3_300),
    case("refused: no virtual host", "www.example.org", true, 3_000).but(3_420),
    case("refused: another configuration", "admin.example.com", true, 3_000).but(3_180),
];

/// How many names a certificate, and how many virtual hosts a server has.
pub const NAMES: [usize; 3] = [10, 1_000, 10_000];

pub const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// All of them.
pub fn all() -> impl Iterator<Item = (Version, &'static Case, usize)> {
    let versions = VERSIONS.into_iter();
    let cases = versions.flat_map(|version| CASES.iter().map(move |case| (version, case)));
    cases.flat_map(|(version, case)| NAMES.map(|names| (version, case, names)))
}
