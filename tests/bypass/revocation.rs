//! Client certificates over time: what a certificate that is revoked inside a configuration still opens, and that
//! nobody else notices. The verifier is that of the example `client_certificates`.

use std::sync::Arc;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls::crypto::ring::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tower_misdirected::VirtualHosts;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::client::Visitor;
use crate::pki::{self, Authority};
use crate::resumption::{WAYS, visit, visitor};
use crate::site::{CERTIFICATE, Client, Configs, Got, Memory, ONE, Site, TWO};
use crate::verifier::Replaceable;

const CLIENT_ONE: Got = Got::Served(Client::One);
const CLIENT_TWO: Got = Got::Served(Client::Two);

/// How the second client loses its certificate.
#[derive(Clone, Copy, Debug)]
enum Change {
    Revocation,
    /// Its authority is not trusted any more.
    Authority,
}

fn verifier(authorities: &[&Authority], revoked: bool) -> Arc<dyn ClientCertVerifier> {
    let mut roots = RootCertStore::empty();
    let mut lists = Vec::new();
    for (certificate, issuer) in authorities {
        roots.add(certificate.clone()).unwrap();
        let (_, two) = X509Certificate::from_der(&TWO.der).unwrap();
        let two = RevokedCertParams {
            serial_number: SerialNumber::from_slice(two.raw_serial()),
            revocation_time: rcgen::date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let is_issuer = *certificate == pki::OTHER_CA.0;
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2025, 1, 1),
            next_update: rcgen::date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::from_iter((revoked && is_issuer).then_some(two)),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        lists.push(list.signed_by(issuer).unwrap().der().clone());
    }
    WebPkiClientVerifier::builder_with_provider(roots.into(), pki::provider())
        .with_crls(lists)
        .build()
        .unwrap()
}

fn before() -> Arc<dyn ClientCertVerifier> {
    verifier(&[&pki::CA, &pki::OTHER_CA], false)
}

impl Change {
    fn after(self) -> Arc<dyn ClientCertVerifier> {
        match self {
            Self::Revocation => verifier(&[&pki::CA, &pki::OTHER_CA], true),
            Self::Authority => verifier(&[&pki::CA], false),
        }
    }
}

/// A configuration with this verifier, and the memory of another.
fn config(verifier: &Arc<Replaceable>, like: &ServerConfig) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.clone())
        .with_single_cert(vec![CERTIFICATE.der.clone()], CERTIFICATE.key.clone_key())
        .unwrap();
    config.alpn_protocols = like.alpn_protocols.clone();
    config.session_storage = like.session_storage.clone();
    config.ticketer = like.ticketer.clone();
    config
}

const ADMIN: Option<&str> = Some("admin.test");

#[tokio::test]
async fn d8_a_revoked_certificate_is_refused_at_its_next_full_handshake_and_others_notice_nothing()
{
    for memory in [Memory::tickets(), Memory::store()] {
        for way in WAYS {
            for change in [Change::Revocation, Change::Authority] {
                let context = format!("{way:?} {change:?}");
                let verifier = Arc::new(Replaceable::new(before()));
                let config = config(&verifier, &Configs::new(&memory).open);
                let hosts = VirtualHosts::builder().host("admin.test", config.into());
                let site = Site::new(hosts).await;
                let one = visitor(way, Some(&ONE));
                let two = visitor(way, Some(&TWO));
                let mut open = Vec::new();
                for (visitor, served) in [(&one, CLIENT_ONE), (&two, CLIENT_TWO)] {
                    open.push(site.connect(visitor, ADMIN).await.unwrap());
                    let got = visit(&site, visitor, ADMIN, "admin.test").await.1;
                    assert_eq!(got, served, "{context}");
                }

                verifier.replace(change.after());

                // Open connections go on, those of the second client included.
                assert_eq!(site.ask(&mut open[0], "admin.test").await, CLIENT_ONE);
                assert_eq!(site.ask(&mut open[1], "admin.test").await, CLIENT_TWO);
                // So do sessions, and the handler can tell.
                for (visitor, served) in [(&one, CLIENT_ONE), (&two, CLIENT_TWO)] {
                    let seen = visit(&site, visitor, ADMIN, "admin.test").await;
                    assert_eq!(seen, (Some("resumed"), served), "{context}");
                    assert_eq!(site.resumed(), Some(true), "{context}");
                }
                // A full handshake verifies the certificate again.
                for (leaf, got) in [(&ONE, CLIENT_ONE), (&TWO, Got::Ended)] {
                    let anew = visitor(way, Some(leaf));
                    let seen = visit(&site, &anew, ADMIN, "admin.test").await;
                    assert_eq!(seen, (None, got), "{context}");
                }
            }
        }
    }
}

/// Visits a host whose sessions are not to be resumed.
async fn visit_in_full(site: &Site, visitor: &Visitor, host: &str) -> Got {
    let got = site.ask_once(visitor, Some(host), host).await;
    if matches!(got, Got::Served(_)) {
        assert_eq!(site.resumed(), Some(false));
    }
    got
}

#[tokio::test]
async fn d8_without_resumption_for_one_virtual_host_a_revoked_certificate_is_refused_there_at_once()
{
    for way in WAYS {
        let verifier = Arc::new(Replaceable::new(before()));
        let mut admin = config(&verifier, &Configs::new(&Memory::tickets()).open);
        let mut vault = admin.clone();
        // Sessions of `admin.test` are in tickets, and there is neither for `vault.test`.
        vault.session_storage = Arc::new(NoServerSessionStorage {});
        vault.ticketer = pki::leaf(&["x.test"]).server_config().ticketer;
        admin.ticketer = Ticketer::new().unwrap();
        let hosts = VirtualHosts::builder()
            .host("admin.test", admin.into())
            .host("vault.test", vault.into());
        let site = Site::new(hosts).await;
        let clients = [
            (visitor(way, Some(&ONE)), CLIENT_ONE),
            (visitor(way, Some(&TWO)), CLIENT_TWO),
        ];
        let vault = Some("vault.test");
        let mut open = Vec::new();
        for (client, served) in &clients {
            open.push(site.connect(client, vault).await.unwrap());
            for _ in 0..2 {
                let got = visit_in_full(&site, client, "vault.test").await;
                assert_eq!(got, *served, "{way:?}");
            }
            assert!(!client.has_any_session(), "{way:?}");
            assert_eq!(client.offered(), 0, "{way:?}");
        }

        verifier.replace(Change::Revocation.after());
        for ((_, served), open) in clients.iter().zip(&mut open) {
            assert_eq!(site.ask(open, "vault.test").await, *served, "{way:?}");
        }
        let got = visit_in_full(&site, &clients[0].0, "vault.test").await;
        assert_eq!(got, CLIENT_ONE, "{way:?}");
        let got = visit_in_full(&site, &clients[1].0, "vault.test").await;
        assert_eq!(got, Got::Ended, "{way:?}");

        // The other host resumes its sessions.
        let one = visitor(way, Some(&ONE));
        for handshake in [None, Some("resumed")] {
            let seen = visit(&site, &one, ADMIN, "admin.test").await;
            assert_eq!(seen, (handshake, CLIENT_ONE), "{way:?}");
        }
    }
}

/// What the guide says of rustls's settings.
#[tokio::test]
async fn resumption_is_off_without_a_store_and_a_ticketer_and_not_by_the_number_of_tickets_alone() {
    type Setting = fn(&mut ServerConfig);
    let settings: [(Setting, bool, bool); 4] = [
        // The default: a store, and no ticketer.
        (|_| {}, true, true),
        (
            |config| config.session_storage = Arc::new(NoServerSessionStorage {}),
            false,
            false,
        ),
        (|config| config.send_tls13_tickets = 0, true, false),
        (
            |config| {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.ticketer = Ticketer::new().unwrap();
            },
            true,
            true,
        ),
    ];
    for (number, (set, in_tls12, in_tls13)) in settings.into_iter().enumerate() {
        for way in WAYS {
            let mut config = CERTIFICATE.server_config();
            config.alpn_protocols = ["h2", "http/1.1", "h3"].map(|alpn| alpn.into()).to_vec();
            set(&mut config);
            let hosts = VirtualHosts::builder().host("www.test", config.into());
            let site = Site::new(hosts).await;
            let client = visitor(way, None);
            let (_, tls12) = way;
            let expected = if tls12 { in_tls12 } else { in_tls13 };
            for resumed in [false, expected] {
                let got = site.ask_once(&client, Some("www.test"), "www.test").await;
                assert_eq!(got, Got::Served(Client::Nobody));
                assert_eq!(site.resumed(), Some(resumed), "setting {number}, {way:?}");
                if expected {
                    client.has_session().await;
                }
            }
        }
    }
}
