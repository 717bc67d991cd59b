//! Which virtual hosts will be coalesced in vain: a certificate of one covers the other, and their
//! configurations differ.

mod log;
mod pki;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tower_misdirected::{TlsAcceptor, VirtualHosts, VirtualHostsBuilder};
use tracing::Level;

use crate::log::Log;

/// Configurations of their own around one certificate.
fn configs<const N: usize>(names: &[&str]) -> [Arc<ServerConfig>; N] {
    let config = pki::leaf(names).server_config();
    [(); N].map(|()| Arc::new(config.clone()))
}

/// Each pair as `opened for > requested: name`.
fn overlaps(hosts: VirtualHostsBuilder) -> Vec<String> {
    let hosts = hosts.build().unwrap();
    let overlaps = hosts.overlaps().map(|overlap| {
        let (opened_for, requested) = (overlap.opened_for().id(), overlap.requested().id());
        format!("{opened_for} > {requested}: {}", overlap.name())
    });
    overlaps.collect()
}

fn hosts() -> VirtualHostsBuilder {
    VirtualHosts::builder()
}

#[test]
fn one_certificate_and_two_configurations_overlap_once() {
    let [www, admin] = configs(&["www.test", "admin.test"]);
    let builder = hosts()
        .host("www.test", www.clone())
        .host("admin.test", admin);
    assert_eq!(overlaps(builder), ["admin.test > www.test: www.test"]);
    // One configuration coalesces as it should.
    let builder = hosts()
        .host("www.test", www.clone())
        .host("admin.test", www);
    assert_eq!(overlaps(builder), [""; 0]);
}

#[test]
fn the_pair_names_the_one_whose_certificate_covers_the_other() {
    let [www] = configs(&["*.w.test"]);
    let [admin] = configs(&["admin.w.test"]);
    let builder = hosts().host("www.w.test", www).host("admin.w.test", admin);
    assert_eq!(
        overlaps(builder),
        ["www.w.test > admin.w.test: admin.w.test"]
    );
}

#[test]
fn an_overlap_is_mutual_if_each_certificate_covers_the_other_host() {
    let mutual = |names: &[&str], others: &[&str]| {
        let ([a], [b]) = (configs(names), configs(others));
        let hosts = hosts().host("a.test", a).host("b.test", b).build().unwrap();
        let overlaps = hosts.overlaps().map(|overlap| {
            let mutual = overlap.is_mutual();
            assert_eq!(overlap.to_string().ends_with("other direction"), mutual);
            (overlap.opened_for().id().to_owned(), mutual)
        });
        overlaps.collect::<Vec<_>>()
    };
    let (a, b) = ("a.test".to_owned(), "b.test".to_owned());
    let both = ["a.test", "b.test"];
    assert_eq!(mutual(&both, &both), [(a.clone(), true)]);
    assert_eq!(mutual(&["*.test"], &both), [(a.clone(), true)]);
    assert_eq!(mutual(&both, &["b.test"]), [(a, false)]);
    assert_eq!(mutual(&["a.test"], &["*.test"]), [(b, false)]);
}

#[test]
fn hosts_that_share_a_configuration_do_not_overlap_with_each_other() {
    let [www, admin] = configs(&["a.test", "b.test", "c.test", "admin.test"]);
    let builder = hosts()
        .host("a.test", www.clone())
        .virtual_host("others", ["c.test", "b.test"], www)
        .host("admin.test", admin);
    assert_eq!(
        overlaps(builder),
        [
            "a.test > admin.test: admin.test",
            // Of several names the first one in order.
            "admin.test > others: b.test",
        ]
    );
}

#[test]
fn separate_certificates_do_not_overlap() {
    let [www] = configs(&["www.test", "*.w.test", "192.0.2.1"]);
    let [admin] = configs(&["admin.test", "w.test", "192.0.2.2"]);
    let builder = hosts()
        .virtual_host("www", ["www.test", "*.w.test", "192.0.2.1"], www)
        .virtual_host("admin", ["admin.test", "w.test", "192.0.2.2"], admin);
    assert_eq!(overlaps(builder), [""; 0]);
}

#[test]
fn wildcards_addresses_and_the_default_take_part() {
    // A wildcard of the certificate covers names below it, and the same wildcard.
    let [a, b, c, default] = configs(&["a.test", "*.w.test", "192.0.2.1"]);
    let [own] = configs(&["own.test"]);
    let builder = hosts()
        .host("a.test", a)
        .virtual_host("b", ["x.w.test", "own.test"], b)
        .host("*.w.test", c)
        .virtual_host("ip", ["192.0.2.1"], own.clone());
    assert_eq!(
        overlaps(builder.clone()),
        [
            "*.w.test > a.test: a.test",
            "*.w.test > b: x.w.test",
            // Each once, although b's certificate covers them back.
            "*.w.test > ip: 192.0.2.1",
            "a.test > b: x.w.test",
            "a.test > ip: 192.0.2.1",
            "b > ip: 192.0.2.1",
        ]
    );
    // The default serves what nobody else does: nothing here, since every name of the certificate is
    // someone's. Its own certificate covers the others.
    assert_eq!(
        overlaps(builder.default(default)).len(),
        6 + "a.test b *.w.test ip".split(' ').count()
    );
    let [site] = configs(&["a.test", "*.w.test"]);
    let [other] = configs(&["other.test"]);
    let builder = hosts().host("a.test", site).default(other);
    assert_eq!(overlaps(builder), ["a.test > default: *.w.test"]);
    // Where each covers the other, it is one pair.
    let [site, default] = configs(&["a.test", "*.w.test"]);
    let builder = hosts().host("a.test", site).default(default);
    assert_eq!(overlaps(builder), ["a.test > default: *.w.test"]);
    let [w, default] = configs(&["x.w.test", "y.test"]);
    let builder = hosts().host("*.w.test", w).default(default);
    assert_eq!(overlaps(builder), ["*.w.test > default: y.test"]);
    // A wildcard virtual host takes what would be the default's.
    let [site] = configs(&["a.test", "*.w.test"]);
    let [other] = configs(&["other.test"]);
    let builder = hosts()
        .host("a.test", site.clone())
        .host("*.w.test", site)
        .default(other);
    assert_eq!(overlaps(builder), [""; 0]);
    // An exact name of the certificate under a wildcard host.
    let [w] = configs(&["*.w.test"]);
    let [x] = configs(&["x.w.test", "a.test"]);
    let builder = hosts().host("*.w.test", w).host("a.test", x);
    assert_eq!(overlaps(builder), ["a.test > *.w.test: x.w.test"]);
}

/// A certificate covers a part of `**.w.test`, and the names of the certificate say which.
#[test]
fn b10_a_wildcard_for_several_labels_takes_part_in_both_directions() {
    let [www, deep, own] = configs(&["www.test", "*.a.w.test", "x.b.w.test"]);
    let [other] = configs(&["other.test"]);
    // The certificate of www covers names of `**.w.test`.
    let builder = hosts()
        .host("www.test", www.clone())
        .host("**.w.test", other.clone());
    assert_eq!(overlaps(builder), ["www.test > **.w.test: x.b.w.test"]);
    let [wildcard] = configs(&["www.test", "*.a.w.test"]);
    let builder = hosts()
        .host("www.test", wildcard)
        .host("**.w.test", other.clone());
    assert_eq!(overlaps(builder), ["www.test > **.w.test: *.a.w.test"]);
    // They belong to better matches, the wildcard for one label and the longer one for several.
    for better in ["*.a.w.test", "**.a.w.test"] {
        let builder = hosts()
            .host("www.test", www.clone())
            .virtual_host("w", ["**.w.test"], other.clone())
            .host(better, other.clone());
        assert_eq!(
            overlaps(builder),
            [
                format!("www.test > {better}: *.a.w.test"),
                "www.test > w: x.b.w.test".to_owned(),
            ]
        );
    }
    // A wildcard of the certificate for the name itself: one label is a part too.
    let [site] = configs(&["*.w.test"]);
    let builder = hosts()
        .host("www.w.test", site.clone())
        .host("**.w.test", other.clone());
    assert_eq!(overlaps(builder), ["www.w.test > **.w.test: *.w.test"]);
    // The apex and names beside it are no part.
    let [beside] = configs(&["w.test", "*.test", "*.xw.test"]);
    let builder = hosts()
        .host("a.test", beside)
        .host("**.w.test", other.clone());
    assert_eq!(overlaps(builder), [""; 0]);
    // The other direction: what `**.w.test` presents covers names of others.
    let builder = hosts()
        .host("**.w.test", deep)
        .host("www.test", other.clone());
    assert_eq!(overlaps(builder), ["**.w.test > www.test: www.test"]);
    // Each covers the other, and it is one pair.
    let builder = hosts().host("**.w.test", own).host("www.test", www);
    assert_eq!(overlaps(builder), ["**.w.test > www.test: www.test"]);
}

#[test]
fn a_resolver_is_asked_for_every_name() {
    #[derive(Debug)]
    struct ByName {
        asked: Mutex<BTreeSet<Option<String>>>,
        keys: [Arc<CertifiedKey>; 2],
    }
    impl ResolvesServerCert for ByName {
        fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            let name = hello.server_name().map(str::to_owned);
            self.asked.lock().unwrap().insert(name.clone());
            match name.as_deref()? {
                "b.test" => Some(self.keys[1].clone()),
                _ => Some(self.keys[0].clone()),
            }
        }
    }
    let keys = [&["a.test"], &["admin.test"]].map(|names| pki::leaf(names).certified_key());
    let resolver = Arc::new(ByName {
        asked: Mutex::default(),
        keys,
    });
    let mut config = pki::leaf(&[]).server_config();
    config.cert_resolver = resolver.clone();
    let [admin] = configs(&["admin.test"]);
    let builder = hosts()
        .virtual_host(
            "site",
            ["a.test", "b.test", "*.w.test", "**.v.test"],
            Arc::new(config),
        )
        .host("admin.test", admin)
        .default_to("site");
    assert_eq!(overlaps(builder), ["site > admin.test: admin.test"]);
    let asked = resolver.asked.lock().unwrap().clone();
    let names = [
        None,
        Some("a.test"),
        Some("any.any.v.test"),
        Some("any.v.test"),
        Some("any.w.test"),
        Some("b.test"),
    ];
    assert_eq!(asked, names.map(|name| name.map(str::to_owned)).into());
}

#[test]
fn a_resolver_may_choose_by_what_browsers_offer_and_make_a_new_key_every_time() {
    #[derive(Debug)]
    struct ForBrowsers([CertifiedKey; 2]);
    impl ResolvesServerCert for ForBrowsers {
        fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            let browser = hello.alpn()?.any(|protocol| protocol == b"h2");
            let number = hello
                .server_name()?
                .bytes()
                .filter(|byte| *byte == b'7')
                .count()
                % 2;
            browser.then(|| Arc::new(self.0[number].clone()))
        }
    }
    let keys = [&["h0.test", "x.test"], &["h7.test", "y.test"]];
    let keys = keys.map(|names| CertifiedKey::clone(&pki::leaf(names).certified_key()));
    let mut config = pki::leaf(&[]).server_config();
    config.cert_resolver = Arc::new(ForBrowsers(keys));
    let [other] = configs(&["other.test"]);
    let names = (0..200).map(|n| format!("h{n}.test"));
    let builder = hosts()
        .virtual_host("site", names, Arc::new(config))
        .virtual_host("x", ["x.test"], other.clone())
        .virtual_host("y", ["y.test"], other);
    assert_eq!(overlaps(builder), ["site > x: x.test", "site > y: y.test"]);
}

#[test]
fn a_configuration_without_a_readable_certificate_is_passed_over() {
    #[derive(Debug)]
    struct Nothing;
    impl ResolvesServerCert for Nothing {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            None
        }
    }
    let [www] = configs(&["a.test", "b.test", "c.test"]);
    let mut nothing = pki::leaf(&[]).server_config();
    nothing.cert_resolver = Arc::new(Nothing);
    let mut unreadable = pki::leaf(&[]).server_config();
    let key = pki::unknown_critical_extension("a.test").certified_key();
    unreadable.cert_resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::clone(&key)));
    let builder = hosts()
        .host("a.test", www)
        .host("b.test", Arc::new(nothing))
        .host("c.test", Arc::new(unreadable));
    assert_eq!(
        overlaps(builder),
        ["a.test > b.test: b.test", "a.test > c.test: c.test"]
    );
}

#[test]
fn thousands_of_hosts_on_one_certificate_are_listed_lazily() {
    let [config] = configs::<1>(&["*.w.test"]);
    let mut builder = hosts();
    for number in 0..500 {
        builder = builder.host(
            format!("h{number}.w.test"),
            Arc::new(config.as_ref().clone()),
        );
    }
    let hosts = builder.build().unwrap();
    let first: Vec<_> = hosts
        .overlaps()
        .take(3)
        .map(|overlap| overlap.to_string())
        .collect();
    assert_eq!(
        first[0],
        r#"the certificate of "h0.w.test" covers h1.w.test of "h1.w.test", whose TLS configuration differs: clients that reuse the connection get 421, and so do clients that reuse a connection in the other direction"#
    );
    let debug = format!("{:?}", hosts.overlaps().next().unwrap());
    assert!(debug.contains("name: h1.w.test"), "{debug}");
    assert_eq!(hosts.overlaps().count(), 500 * 499 / 2);
}

#[test]
fn an_overlap_names_both_virtual_hosts_and_the_name() {
    let [a, b, c, d] = configs(&["a.test", "b.test", "c.test", "d.test"]);
    let hosts = hosts()
        .host("a.test", a.clone())
        .host("b.test", b)
        .host("c.test", c)
        .host("d.test", d)
        .build()
        .unwrap();
    let texts: Vec<_> = hosts
        .overlaps()
        .map(|overlap| overlap.to_string())
        .collect();
    assert_eq!(texts.len(), 6);
    assert!(
        texts
            .iter()
            .any(|text| text
                .starts_with(r#"the certificate of "a.test" covers b.test of "b.test","#)),
        "{texts:?}"
    );
}

/// A resolver that counts how often it is asked. A resolver that issues certificates on demand would act on it.
#[derive(Debug, Default)]
struct Counting(std::sync::atomic::AtomicUsize);

impl Counting {
    fn asked(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl ResolvesServerCert for Counting {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        None
    }
}

#[test]
fn no_resolver_is_asked_before_there_is_a_client_except_for_overlaps() {
    let counting = Arc::new(Counting::default());
    let mut config = pki::leaf(&[]).server_config();
    config.cert_resolver = counting.clone();
    let [other] = configs(&["a.test"]);
    let hosts = hosts()
        .host("a.test", Arc::new(config))
        .host("b.test", other);
    let hosts = hosts.build().unwrap();
    let log = Log::start(Level::INFO);
    drop(TlsAcceptor::from(hosts.clone()));
    assert_eq!((counting.asked(), &*log.text()), (0, ""));
    assert_eq!(hosts.overlaps().count(), 1);
    assert_eq!(counting.asked(), 1);
}
