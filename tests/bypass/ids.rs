//! D10: ids of TLS configurations, across reloads. A reload that builds every configuration anew is no change where
//! the ids stay, and any other id, or none, is another configuration. Other processes are in `processes`.

use tower_misdirected::{Rejection, VirtualHosts};

use crate::client::Http;
use crate::early_data;
use crate::resumption::{WAYS, visit, visitor};
use crate::site::{Client, Configs, Got, Memory, ONE, Site, TWO};

const NOBODY: Got = Got::Served(Client::Nobody);
const CLIENT_ONE: Got = Got::Served(Client::One);
const OTHER_CONFIG: Got = Got::Refused(Rejection::DifferentTlsConfig);

fn memories() -> [Memory; 2] {
    [Memory::tickets(), Memory::store()]
}

#[tokio::test]
async fn d10_a_reload_that_builds_everything_anew_is_no_change_under_the_same_ids() {
    for memory in memories().map(|memory| memory.with_ids(Some("v"))) {
        for way in WAYS {
            let site = Site::new(Configs::new(&memory).hosts()).await;
            let friends = [
                ("www.test", None, NOBODY),
                ("admin.test", Some(&*ONE), CLIENT_ONE),
                ("a.mtls.test", Some(&*ONE), CLIENT_ONE),
                ("vault.test", Some(&*TWO), Got::Served(Client::Two)),
            ];
            let friends = friends
                .map(|(host, certificate, served)| (host, visitor(way, certificate), served));
            let mut open = Vec::new();
            for (host, friend, served) in &friends {
                let context = format!("{way:?} {host}");
                open.push(site.connect(friend, Some(host)).await.unwrap());
                let got = visit(&site, friend, Some(host), host).await.1;
                assert_eq!(got, *served, "{context}");
            }
            for _ in 0..2 {
                site.hosts.replace(Configs::new(&memory).hosts()).unwrap();
                for ((host, friend, served), open) in friends.iter().zip(&mut open) {
                    let context = format!("{way:?} {host}");
                    assert_eq!(site.ask(open, host).await, *served, "{context}");
                    let seen = visit(&site, friend, Some(host), host).await;
                    assert_eq!(seen, (Some("resumed"), *served), "{context}");
                    // The hosts stay apart, and those that share a configuration together.
                    let (other, got) = match *host {
                        "www.test" => ("shop.test", NOBODY),
                        _ => ("www.test", OTHER_CONFIG),
                    };
                    assert_eq!(site.ask(open, other).await, got, "{context}");
                }
            }
        }
    }
}

/// How a reload identifies the configurations.
#[derive(Clone, Copy, Debug)]
struct Reload {
    before: Option<&'static str>,
    after: Option<&'static str>,
    /// The configurations are built anew.
    anew: bool,
}

/// Each of these is a change.
const CHANGES: [Reload; 6] = [
    change(None, None, true),
    change(None, Some("v"), false),
    change(Some("v"), None, false),
    change(Some("v"), Some("v1"), false),
    change(Some("v1"), Some("v"), true),
    // Of the same length.
    change(Some("v"), Some("w"), true),
];

const fn change(before: Option<&'static str>, after: Option<&'static str>, anew: bool) -> Reload {
    Reload {
        before,
        after,
        anew,
    }
}

impl Reload {
    /// The configurations before and after it.
    fn configs(self, make: impl Fn() -> Configs) -> [Configs; 2] {
        let before = make().with_ids(self.before);
        let after = if self.anew { make() } else { before.clone() };
        [before, after.with_ids(self.after)]
    }
}

#[tokio::test]
async fn d10_another_id_or_none_is_another_configuration() {
    for memory in memories() {
        for way in WAYS {
            for reload in CHANGES {
                let context = format!("{way:?} {reload:?}");
                let [before, after] = reload.configs(|| Configs::new(&memory));
                let site = Site::new(before.hosts()).await;
                let friend = visitor(way, Some(&ONE));
                let admin = Some("admin.test");
                for handshake in [None, Some("resumed")] {
                    let seen = visit(&site, &friend, admin, "admin.test").await;
                    assert_eq!(seen, (handshake, CLIENT_ONE), "{context}");
                }
                let mut open = site.connect(&friend, admin).await.unwrap();
                assert_eq!(site.ask(&mut open, "admin.test").await, CLIENT_ONE);
                friend.has_session().await;

                site.hosts.replace(after.hosts()).unwrap();
                let got = site.ask(&mut open, "admin.test").await;
                assert_eq!(got, OTHER_CONFIG, "{context}");
                let seen = visit(&site, &friend, admin, "admin.test").await;
                assert_eq!(seen, (Some("offered"), CLIENT_ONE), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn d10_early_data_live_on_under_the_same_ids_alone() {
    let www = Some("www.test");
    let same = change(Some("v"), Some("v"), true);
    for reload in CHANGES.into_iter().chain([same]) {
        let first = early_data::configs();
        let [before, after] = reload.configs(|| {
            // One store for both.
            let mut anew = Configs::each(|_, mut config| {
                config.session_storage = first.open.session_storage.clone();
                config.max_early_data_size = u32::MAX;
                config
            });
            anew.ids = None;
            anew
        });
        let stays = reload.before == reload.after && reload.before.is_some();
        let site = Site::new(before.hosts()).await;
        let visitor = early_data::visitor(None);
        early_data::first_visit(&site, &visitor, www, "www.test", NOBODY).await;

        site.hosts.replace(after.hosts()).unwrap();
        let (mut early, accepted) = visitor.connect_early(site.quic, www).await;
        let got = site.ask(&mut early, "www.test").await;
        let expected = if stays { NOBODY } else { Got::Ended };
        assert_eq!(got, expected, "{reload:?}");
        assert_eq!(accepted.await, stays, "{reload:?}");
    }
}

/// The other way round: the operator says that two configurations are equal, and is believed.
#[tokio::test]
async fn d10_hosts_whose_configurations_have_one_id_share_connections_and_sessions() {
    let memory = Memory::tickets();
    for way in WAYS {
        for (ids, got, handshake) in [
            (["same", "same"], NOBODY, "resumed"),
            (["same", "sane"], OTHER_CONFIG, "offered"),
        ] {
            let (one, other) = (Configs::new(&memory).open, Configs::new(&memory).open);
            let hosts = VirtualHosts::builder()
                .host("www.test", one.clone())
                .config_id(&one, ids[0])
                .host("shop.test", other.clone())
                .config_id(&other, ids[1]);
            let hosts = hosts.default_to("www.test");
            let site = Site::new(hosts).await;
            let visitor = visitor(way, None);
            let mut open = site.connect(&visitor, Some("www.test")).await.unwrap();
            assert_eq!(site.ask(&mut open, "www.test").await, NOBODY);
            assert_eq!(site.ask(&mut open, "shop.test").await, got, "{way:?}");
            visitor.has_session().await;
            // rustls binds sessions to the server name, so only a replacement shows it.
            let hosts = VirtualHosts::builder()
                .host("www.test", other.clone())
                .config_id(&other, ids[1]);
            site.hosts.replace(hosts).unwrap();
            let seen = visit(&site, &visitor, Some("www.test"), "www.test").await;
            assert_eq!(seen, (Some(handshake), NOBODY), "{way:?}");
        }
    }
}

/// An id is the configuration's over TCP and over QUIC alike, and so are the sessions under it.
#[tokio::test]
async fn d10_tcp_and_quic_resume_each_others_sessions_under_one_id() {
    for memory in memories() {
        for (after, handshake) in [(Some("v"), "resumed"), (Some("w"), "offered")] {
            let site = Site::new(Configs::new(&memory.with_ids(Some("v"))).hosts()).await;
            for (from, to) in [(Http::Two, Http::Three), (Http::Three, Http::One)] {
                site.hosts
                    .replace(Configs::new(&memory.with_ids(Some("v"))).hosts())
                    .unwrap();
                let mut visitor = visitor((from, false), Some(&ONE));
                let admin = Some("admin.test");
                let seen = visit(&site, &visitor, admin, "admin.test").await;
                assert_eq!(seen, (None, CLIENT_ONE));
                site.hosts
                    .replace(Configs::new(&memory.with_ids(after)).hosts())
                    .unwrap();
                visitor.switch_to(to);
                let seen = visit(&site, &visitor, admin, "admin.test").await;
                assert_eq!(seen, (Some(handshake), CLIENT_ONE), "{from:?} {to:?}");
            }
        }
    }
}
