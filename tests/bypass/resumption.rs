//! CVE-2025-23419 (nginx), CVE-2025-23048 (httpd): a session that began under one configuration is offered
//! where another one wants a client certificate, which a resumed handshake does not ask for. All
//! configurations here share one session store or one ticketer, so that nothing but the binding of
//! sessions keeps them apart. The binding is to the configurations' `Arc`s, or to their ids (D10).

use std::sync::Arc;

use rustls::ServerConfig;
use tower_misdirected::{Rejection, VirtualHosts, VirtualHostsBuilder};

use crate::client::{Http, Visitor};
use crate::pki::Leaf;
use crate::single::Source;
use crate::site::{Client, Configs, Got, Memory, ONE, Site, TWO};

/// Every version of HTTP and TLS that go together.
pub const WAYS: [(Http, bool); 5] = [
    (Http::One, true),
    (Http::One, false),
    (Http::Two, true),
    (Http::Two, false),
    (Http::Three, false),
];

pub fn visitor((http, tls12): (Http, bool), certificate: Option<&Leaf>) -> Visitor {
    match tls12 {
        true => Visitor::tls12(http, certificate),
        false => Visitor::new(http, certificate),
    }
}

fn memories() -> [Memory; 2] {
    [Memory::tickets(), Memory::store()]
}

/// Every memory, with and without ids for the configurations (D10).
fn memories_and_ids() -> impl Iterator<Item = Memory> {
    let with = |memory: Memory| [None, Some("")].map(|ids| memory.with_ids(ids));
    memories().into_iter().flat_map(with)
}

/// What a handshake came to, and a request for this host after it.
pub async fn visit<H>(
    site: &Site<H>,
    visitor: &Visitor,
    sni: Option<&str>,
    host: &str,
) -> (Option<&'static str>, Got) {
    let offered = visitor.offered();
    let connected = site.connect(visitor, sni).await;
    let offered = visitor.offered() > offered;
    match connected {
        Ok(mut connection) => {
            let handshake = match (offered, connection.resumed()) {
                (true, true) => Some("resumed"),
                (true, false) => Some("offered"),
                (false, false) => None,
                (false, true) => panic!("resumed nothing"),
            };
            let got = site.ask(&mut connection, host).await;
            if matches!(got, Got::Served(_)) {
                // D8
                assert_eq!(site.resumed(), Some(connection.resumed()));
                visitor.has_session().await;
            }
            (handshake, got)
        }
        Err(_) => (offered.then_some("offered"), Got::Ended),
    }
}

const NOBODY: Got = Got::Served(Client::Nobody);
const CLIENT_ONE: Got = Got::Served(Client::One);

#[tokio::test]
async fn cve_2025_23419_nginx_a_session_of_the_open_host_is_none_of_the_client_certificate_host() {
    for memory in memories_and_ids() {
        for way in WAYS {
            let site = Site::new(Configs::new(&memory).hosts()).await;
            let stranger = visitor(way, None);
            let www = Some("www.test");
            for host in ["admin.test", "x.mtls.test", "vault.test"] {
                visit(&site, &stranger, www, "www.test").await;
                // The session is one that can be resumed.
                assert_eq!(
                    visit(&site, &stranger, www, "www.test").await,
                    (Some("resumed"), NOBODY)
                );
                // Its connection is as good as the first one, and no better (B6).
                assert_eq!(
                    visit(&site, &stranger, www, host).await,
                    (Some("resumed"), Got::Refused(Rejection::DifferentTlsConfig))
                );
                visit(&site, &stranger, www, "www.test").await;
                assert_eq!(
                    visit(&site, &stranger, Some(host), host).await,
                    (Some("offered"), Got::Ended),
                    "{way:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn cve_2025_23419_nginx_whoever_has_the_certificate_comes_in_resumed_or_not() {
    for memory in memories_and_ids() {
        for way in WAYS {
            let site = Site::new(Configs::new(&memory).hosts()).await;
            let friend = visitor(way, Some(&ONE));
            let (www, admin) = (Some("www.test"), Some("admin.test"));
            assert_eq!(visit(&site, &friend, www, "www.test").await, (None, NOBODY));
            for handshake in ["offered", "resumed", "resumed"] {
                assert_eq!(
                    visit(&site, &friend, admin, "admin.test").await,
                    (Some(handshake), CLIENT_ONE),
                    "{way:?}"
                );
            }
            // nginx 1.22 took a session of the client-certificate host for the other one's.
            assert_eq!(
                visit(&site, &friend, www, "www.test").await,
                (Some("offered"), NOBODY)
            );
        }
    }
}

/// How a host comes to have another configuration.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// The entry is given another configuration, one that other entries have before and after.
    Entry,
    /// The same, and there are no other entries.
    OnlyEntry,
    /// The default is given another one, and clients send no server name.
    DefaultWithoutSni,
    /// The same, and clients send a server name that nothing matches.
    DefaultForUnmatched,
    /// From the default to an entry of its own.
    OwnEntry,
    /// From an entry of its own to the default.
    NoEntry,
    /// From a wildcard to an entry of its own.
    OutOfWildcard,
}

const HOST: &str = "a.w.test";

impl Change {
    const EVERY: [Self; 7] = [
        Self::Entry,
        Self::OnlyEntry,
        Self::DefaultWithoutSni,
        Self::DefaultForUnmatched,
        Self::OwnEntry,
        Self::NoEntry,
        Self::OutOfWildcard,
    ];
    const SOME: [Self; 2] = [Self::Entry, Self::DefaultWithoutSni];

    fn sni(self) -> Option<&'static str> {
        match self {
            Self::DefaultWithoutSni => None,
            _ => Some(HOST),
        }
    }

    /// The virtual hosts that give `HOST` the configuration `from` and then `to`.
    fn hosts(
        self,
        configs: &Configs,
        from: Arc<ServerConfig>,
        to: Arc<ServerConfig>,
    ) -> [VirtualHostsBuilder; 2] {
        let none = VirtualHosts::builder;
        let host = |hosts, name, config: &Arc<ServerConfig>| {
            let hosts = configs.identify(hosts, config);
            hosts.host(name, config.clone())
        };
        let default = |hosts, config: &Arc<ServerConfig>| {
            let hosts = configs.identify(hosts, config);
            hosts.default(config.clone())
        };
        let others = || {
            let hosts = host(none(), "www.test", &configs.open);
            let hosts = host(hosts, "admin.test", &configs.one);
            host(hosts, "vault.test", &configs.two)
        };
        match self {
            Self::Entry => [from, to].map(|config| host(others(), HOST, &config)),
            Self::OnlyEntry => [from, to].map(|config| host(none(), HOST, &config)),
            Self::DefaultWithoutSni | Self::DefaultForUnmatched => {
                [from, to].map(|config| default(others(), &config))
            }
            Self::OwnEntry => [
                default(others(), &from),
                host(default(others(), &from), HOST, &to),
            ],
            Self::NoEntry => [
                host(default(others(), &to), HOST, &from),
                default(others(), &to),
            ],
            Self::OutOfWildcard => [
                host(others(), "*.w.test", &from),
                host(host(others(), "*.w.test", &from), HOST, &to),
            ],
        }
    }
}

/// One client, whose session began under `from`, after `HOST` was given `to`.
async fn a_change(
    changes: &[Change],
    pick: impl Fn(&Configs) -> [Arc<ServerConfig>; 2],
    certificate: Option<&Leaf>,
    before: Client,
    after: Got,
) {
    for memory in memories_and_ids() {
        for way in WAYS {
            for &change in changes {
                let configs = Configs::new(&memory);
                let [from, to] = pick(&configs);
                let [first, second] = change.hosts(&configs, from, to);
                let site = Site::new(first).await;
                let visitor = visitor(way, certificate);
                let sni = change.sni();
                let context = format!("{way:?} {change:?}");

                let before = Got::Served(before);
                visit(&site, &visitor, sni, HOST).await;
                assert_eq!(
                    visit(&site, &visitor, sni, HOST).await,
                    (Some("resumed"), before),
                    "{context}"
                );
                visit(&site, &visitor, sni, HOST).await;
                let mut old = site.connect(&visitor, sni).await.unwrap();
                assert_eq!(site.ask(&mut old, HOST).await, before);
                visitor.has_session().await;

                site.hosts.replace(second).unwrap();

                // An open connection is no way in (B6), and no session that began before is resumed.
                let refused = Got::Refused(Rejection::DifferentTlsConfig);
                assert_eq!(site.ask(&mut old, HOST).await, refused, "{context}");
                assert_eq!(
                    visit(&site, &visitor, sni, HOST).await,
                    (Some("offered"), after),
                    "{context}"
                );
                if matches!(after, Got::Served(_)) {
                    assert_eq!(
                        visit(&site, &visitor, sni, HOST).await,
                        (Some("resumed"), after),
                        "{context}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn cve_2025_23048_httpd_a_session_ends_when_its_host_begins_to_want_certificates() {
    let change = |configs: &Configs| [configs.open.clone(), configs.one.clone()];
    a_change(&Change::EVERY, change, None, Client::Nobody, Got::Ended).await;
}

#[tokio::test]
async fn cve_2025_23048_httpd_who_has_the_certificate_then_shows_it() {
    let change = |configs: &Configs| [configs.open.clone(), configs.one.clone()];
    a_change(
        &Change::SOME,
        change,
        Some(&ONE),
        Client::Nobody,
        CLIENT_ONE,
    )
    .await;
}

#[tokio::test]
async fn cve_2025_23048_httpd_a_session_ends_when_its_host_ceases_to_want_certificates() {
    let change = |configs: &Configs| [configs.one.clone(), configs.open.clone()];
    a_change(&Change::SOME, change, Some(&ONE), Client::One, NOBODY).await;
}

#[tokio::test]
async fn cve_2025_23048_httpd_a_session_ends_when_its_host_trusts_another_authority() {
    let change = |configs: &Configs| [configs.one.clone(), configs.two.clone()];
    a_change(&Change::SOME, change, Some(&ONE), Client::One, Got::Ended).await;
}

#[tokio::test]
async fn cve_2025_23048_httpd_a_session_ends_with_its_configuration_even_for_an_equal_one() {
    let change = |configs: &Configs| [configs.one.clone(), configs.wildcard.clone()];
    a_change(&Change::SOME, change, Some(&ONE), Client::One, CLIENT_ONE).await;
}

/// Without virtual hosts, too, no session of an open configuration passes for one with a client certificate.
#[tokio::test]
async fn b6_cve_2025_23048_httpd_a_session_ends_with_its_configuration_from_every_source() {
    for source in Source::EVERY {
        for memory in memories() {
            for way in WAYS {
                for (certificate, after) in [(None, Got::Ended), (Some(&*ONE), CLIENT_ONE)] {
                    let configs = Configs::new(&memory);
                    let mut site = Site::single(source, &configs.open).await;
                    let visitor = visitor(way, certificate);
                    let www = Some("www.test");
                    let context = format!("{source:?} {way:?} {after:?}");

                    let mut handshake = None;
                    for _ in 0..3 {
                        let seen = visit(&site, &visitor, www, "www.test").await;
                        assert_eq!(seen, (handshake, NOBODY), "{context}");
                        handshake = Some("resumed");
                        // The same `Arc` is the same configuration.
                        site.change(&configs.open).await;
                    }

                    site.change(&configs.one).await;
                    let seen = visit(&site, &visitor, www, "www.test").await;
                    assert_eq!(seen, (Some("offered"), after), "{context}");
                    if after == Got::Ended {
                        continue;
                    }
                    let seen = visit(&site, &visitor, www, "www.test").await;
                    assert_eq!(seen, (Some("resumed"), after), "{context}");

                    // Nor does a session with a client certificate resume under another authority.
                    site.change(&configs.two).await;
                    let seen = visit(&site, &visitor, www, "www.test").await;
                    assert_eq!(seen, (Some("offered"), Got::Ended), "{context}");
                }
            }
        }
    }
}

#[tokio::test]
async fn sessions_live_on_where_the_configuration_stays() {
    for memory in memories_and_ids() {
        for way in WAYS {
            let configs = Configs::new(&memory);
            let site = Site::new(configs.hosts()).await;
            let friends = [
                ("www.test", None, Client::Nobody),
                ("admin.test", Some(&*ONE), Client::One),
                ("a.mtls.test", Some(&*ONE), Client::One),
                ("vault.test", Some(&*TWO), Client::Two),
            ];
            let friends = friends.map(|(host, certificate, client)| {
                (host, visitor(way, certificate), Got::Served(client))
            });
            let mut open = Vec::new();
            for (host, friend, served) in &friends {
                assert_eq!(
                    visit(&site, friend, Some(host), host).await,
                    (None, *served)
                );
                open.push(site.connect(friend, Some(host)).await.unwrap());
                visit(&site, friend, Some(host), host).await;
            }
            // Two other hosts come and go.
            let fresh = Configs::new(&memory);
            for hosts in [
                configs.hosts().host("new.test", fresh.one.clone()),
                configs.hosts().default(fresh.two.clone()),
            ] {
                site.hosts.replace(hosts).unwrap();
                for ((host, friend, served), open) in friends.iter().zip(&mut open) {
                    assert_eq!(site.ask(open, host).await, *served);
                    assert_eq!(
                        visit(&site, friend, Some(host), host).await,
                        (Some("resumed"), *served),
                        "{way:?} {host}"
                    );
                }
            }
        }
    }
}

/// httpd's fix refused every proxy that re-encrypts and sends no server name.
#[tokio::test]
async fn cve_2025_23048_httpd_a_proxy_without_sni_is_served_by_the_default() {
    for way in WAYS {
        let hosts = Configs::new(&Memory::tickets()).hosts();
        let site = Site::new(hosts.default_to("www.test")).await;
        let proxy = visitor(way, None);
        for (sni, first) in [(None, None), (Some("new.test"), Some("offered"))] {
            let mut handshake = first;
            for host in ["www.test", "shop.test", "a.w.test", "new.test", "127.0.0.1"] {
                let seen = visit(&site, &proxy, sni, host).await;
                assert_eq!(seen, (handshake, NOBODY), "{way:?} {sni:?} {host}");
                // A session without a server name is none of another server name, and resumes.
                handshake = Some("resumed");
            }
            // B9: the default is no way into hosts whose configuration is another.
            for host in ["admin.test", "a.mtls.test", "vault.test", "other.test"] {
                let mut connection = site.connect(&proxy, sni).await.unwrap();
                assert_eq!(
                    site.ask(&mut connection, host).await,
                    Got::Refused(Rejection::DifferentTlsConfig)
                );
                assert_eq!(site.ask(&mut connection, "www.test").await, NOBODY);
                visit(&site, &proxy, sni, "www.test").await;
            }
        }
    }
}
