//! ClientHellos in shapes that hide the server name from a hasty reader: in capitals, in pieces, and with
//! something that is no DNS name.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tower_misdirected::{Rejection, TlsAcceptor};

use crate::client::{EVERY_HTTP, Http, Visitor};
use crate::pki;
use crate::quic_hello::{Hello, connect_with_hello};
use crate::relay::{Cut, OctetByOctet, TcpRelay, shuffling_relay};
use crate::site::{Client, Configs, Got, ONE, Site};
use crate::wire;

/// Which configuration was asked for its certificate, and for which server name.
#[derive(Clone, Debug, Default)]
struct Asked(watch::Sender<Vec<(&'static str, Option<String>)>>);

impl Asked {
    fn take(&self) -> Vec<(&'static str, Option<String>)> {
        self.0.send_replace(Vec::new())
    }
}

#[derive(Debug)]
struct Tells {
    name: &'static str,
    asked: Asked,
    inner: Arc<dyn ResolvesServerCert>,
}

impl ResolvesServerCert for Tells {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let sni = hello.server_name().map(str::to_owned);
        self.asked
            .0
            .send_modify(|asked| asked.push((self.name, sni)));
        self.inner.resolve(hello)
    }
}

fn telling_configs(asked: &Asked) -> Configs {
    Configs::each(|name, mut config| {
        config.cert_resolver = Arc::new(Tells {
            name,
            asked: asked.clone(),
            inner: config.cert_resolver,
        });
        config
    })
}

#[tokio::test]
async fn cve_2026_53622_traefik_a_server_name_in_capitals_gets_its_own_configuration() {
    let asked = Asked::default();
    let hosts = telling_configs(&asked).hosts();
    let site = Site::new(hosts.default_to("www.test")).await;
    for http in EVERY_HTTP {
        for (sni, config) in [
            ("Admin.Test", "one"),
            ("ADMIN.TEST", "one"),
            ("X.Mtls.Test", "wildcard"),
            ("x.mtls.tesT", "wildcard"),
        ] {
            // The very spelling goes over the wire.
            let sent = hello_of(&site, http, sni).await;
            assert!(contains(&sent, sni.as_bytes()), "{http:?} {sni}");
            let name = sni.to_ascii_lowercase();
            assert_eq!(asked.take(), [(config, Some(name.clone()))], "{http:?}");

            for host in [sni, &name, "www.test"] {
                let stranger = Visitor::new(http, None);
                let got = site.ask_once(&stranger, Some(sni), host).await;
                assert_eq!(got, Got::Ended, "{http:?} {sni} {host}");
            }
            let friend = Visitor::new(http, Some(&ONE));
            for host in [sni, &name] {
                let got = site.ask_once(&friend, Some(sni), host).await;
                assert_eq!(got, Got::Served(Client::One), "{http:?} {sni} {host}");
                assert_eq!(site.server_name().as_ref(), Some(&name));
            }
            asked.take();
        }
    }
}

/// The ClientHello that a client without a certificate sends for this server name.
async fn hello_of(site: &Site, http: Http, sni: &str) -> Vec<u8> {
    match http {
        Http::One | Http::Two => {
            let relay = TcpRelay::new(site.tcp, Cut::Whole, |_| {}).await;
            let stranger = Visitor::new(http, None);
            if let Ok(mut connection) = stranger.connect(relay.addr, Some(sni)).await {
                assert_eq!(site.ask(&mut connection, sni).await, Got::Ended);
            }
            relay.hello()
        }
        Http::Three => {
            let hello = Hello::as_it_is();
            let _ = connect_with_hello(site.quic, &pki::client(&[]), sni, &hello).await;
            hello.sent()
        }
    }
}

fn contains(hello: &[u8], name: &[u8]) -> bool {
    hello.windows(name.len()).any(|part| part == name)
}

#[tokio::test]
async fn cve_2026_32305_traefik_a_client_hello_in_pieces_has_its_server_name() {
    let asked = Asked::default();
    let hosts = telling_configs(&asked).hosts();
    let site = Site::new(hosts.default_to("www.test")).await;
    for http in [Http::One, Http::Two] {
        for cut in [
            Cut::Writes(1),
            Cut::Writes(50),
            Cut::Records(1),
            Cut::Records(7),
            Cut::Records(100),
        ] {
            let relay = TcpRelay::new(site.tcp, cut, |_| {}).await;
            let stranger = Visitor::new(http, None);
            let mut connection = stranger
                .connect(relay.addr, Some("admin.test"))
                .await
                .unwrap();
            let got = site.ask(&mut connection, "admin.test").await;
            assert_eq!(got, Got::Ended, "{http:?} {cut:?}");
            assert_eq!(asked.take(), [("one", Some("admin.test".into()))]);

            let friend = Visitor::new(http, Some(&ONE));
            let mut connection = friend
                .connect(relay.addr, Some("admin.test"))
                .await
                .unwrap();
            let got = site.ask(&mut connection, "admin.test").await;
            assert_eq!(got, Got::Served(Client::One), "{http:?} {cut:?}");
            assert_eq!(site.server_name().as_deref(), Some("admin.test"));
            let got = site.ask(&mut connection, "www.test").await;
            assert_eq!(got, Got::Refused(Rejection::DifferentTlsConfig));
            asked.take();
        }
    }
}

#[tokio::test]
async fn cve_2026_32305_traefik_a_client_hello_that_comes_octet_by_octet() {
    let configs = Configs::each(|_, config| config);
    let acceptor = TlsAcceptor::from(configs.hosts().default_to("www.test").build().unwrap());
    for certificate in [None, Some(&*ONE)] {
        let (near, far) = tokio::io::duplex(1 << 16);
        let client = match certificate {
            Some(leaf) => pki::client_with_certificate(&[], leaf),
            None => pki::client(&[]),
        };
        let client = async {
            let mut io = wire::handshake(far, client, Some("admin.test")).await?;
            io.read(&mut [0; 1]).await
        };
        let server = async {
            let mut io = acceptor.accept(OctetByOctet(near)).await?;
            let info = io.connection_info().clone();
            io.write_all(b"!").await?;
            Ok::<_, std::io::Error>(info)
        };
        let both = tokio::time::timeout(wire::PATIENCE, async { tokio::join!(client, server) });
        let (client, server) = both.await.expect("a handshake in time");
        match certificate {
            None => {
                let error = client.unwrap_err().to_string();
                assert!(error.contains("CertificateRequired"), "{error}");
                assert!(server.is_err());
            }
            Some(leaf) => {
                client.unwrap();
                let info = server.unwrap();
                assert_eq!(info.server_name(), Some("admin.test"));
                assert_eq!(info.virtual_host().unwrap().id(), "admin.test");
                assert!(info.client_certificates().eq([&*leaf.der]));
            }
        }
    }
}

#[tokio::test]
async fn cve_2026_32305_traefik_a_client_hello_in_several_initial_packets_has_its_server_name() {
    let asked = Asked::default();
    let hosts = telling_configs(&asked).hosts();
    let site = Site::new(hosts.default_to("www.test")).await;
    let packets = 4;
    for shuffled in [false, true] {
        for certificate in [None, Some(&*ONE)] {
            // What no datagram of 1,200 octets can hold (RFC 9000 §14.1), nor three of them.
            let mut visitor = Visitor::new(Http::Three, certificate);
            visitor.config.alpn_protocols = vec![b"h3".to_vec()];
            for number in 0..100 {
                let protocol = format!("no-such-protocol-{number:0>30}");
                visitor.config.alpn_protocols.push(protocol.into());
            }
            let hello = Hello::as_it_is();
            let addr = match shuffled {
                true => shuffling_relay(site.quic, packets).await,
                false => site.quic,
            };
            let connected = connect_with_hello(addr, &visitor.config, "admin.test", &hello).await;
            assert!(hello.sent().len() > 1200 * (packets - 1));
            assert!(contains(&hello.sent(), b"admin.test"));
            let got = match connected {
                Ok(mut connection) => site.ask(&mut connection, "admin.test").await,
                Err(_) => Got::Ended,
            };
            match certificate {
                None => assert_eq!(got, Got::Ended),
                Some(_) => {
                    assert_eq!(got, Got::Served(Client::One));
                    assert_eq!(site.server_name().as_deref(), Some("admin.test"));
                }
            }
            assert_eq!(asked.take(), [("one", Some("admin.test".into()))]);
        }
    }
}

/// RFC 6066 §3: no address is a server name. It is taken for none, so the default serves it (B9), or the entry with the
/// address that the client has really connected to.
#[tokio::test]
async fn b9_an_address_in_sni_gets_the_default_and_not_the_entry_with_that_address() {
    let asked = Asked::default();
    let configs = telling_configs(&asked);
    let hosts = configs.hosts().host("127.0.0.2", configs.open.clone());
    let site = Site::new(hosts.default(configs.one.clone())).await;
    for http in EVERY_HTTP {
        assert_eq!(
            spelt(&site, http, "abcd.test", "127.0.0.2", &asked).await,
            [("one", None)],
            "{http:?}"
        );
        // So does a client that knows better and sends none.
        let stranger = Visitor::new(http, None);
        let got = site
            .ask_once(&stranger, Some("127.0.0.2"), "127.0.0.2")
            .await;
        assert_eq!(got, Got::Ended);
        assert_eq!(asked.take(), [("one", None)]);
        let friend = Visitor::new(http, Some(&ONE));
        let mut connection = site.connect(&friend, Some("127.0.0.2")).await.unwrap();
        let got = site.ask(&mut connection, "127.0.0.2").await;
        assert_eq!(got, Got::Refused(Rejection::DifferentTlsConfig));
        let got = site.ask(&mut connection, "new.test").await;
        assert_eq!(got, Got::Served(Client::One));
        asked.take();
    }
    assert_eq!(site.calls(), EVERY_HTTP.len());
}

/// RFC 6066 §3 forbids the dot; who sends it all the same gets no other configuration for it.
#[tokio::test]
async fn cve_2022_23632_traefik_a_trailing_dot_in_sni_is_no_way_around() {
    let asked = Asked::default();
    let hosts = telling_configs(&asked).hosts();
    let site = Site::new(hosts.default_to("www.test")).await;
    for http in EVERY_HTTP {
        let asked = spelt(&site, http, "admin.testx", "admin.test.", &asked).await;
        assert!(
            asked.iter().all(|(config, _)| *config == "one"),
            "{asked:?}"
        );
    }
    assert_eq!(site.calls(), 0);
}

/// Whom the server asked for a certificate when the server name `from` was spelt `to` on the way. The
/// handshake itself cannot succeed then.
async fn spelt(
    site: &Site,
    http: Http,
    from: &'static str,
    to: &'static str,
    asked: &Asked,
) -> Vec<(&'static str, Option<String>)> {
    let spell = move |hello: &mut [u8]| {
        let mut windows = hello.windows(from.len());
        let at = windows.position(|part| part == from.as_bytes()).unwrap();
        hello[at..at + to.len()].copy_from_slice(to.as_bytes());
    };
    let mut news = asked.0.subscribe();
    let connecting = async {
        match http {
            Http::One | Http::Two => {
                let relay = TcpRelay::new(site.tcp, Cut::Whole, spell).await;
                let visitor = Visitor::new(http, Some(&ONE));
                visitor.connect(relay.addr, Some(from)).await
            }
            Http::Three => {
                let hello = Hello::rewritten(spell);
                let client = pki::client_with_certificate(&[], &ONE);
                connect_with_hello(site.quic, &client, from, &hello).await
            }
        }
    };
    // Over QUIC the client understands nothing of what comes back, and would wait.
    tokio::select! {
        connected = connecting => assert!(connected.is_err()),
        _ = news.wait_for(|asked| !asked.is_empty()) => {}
    }
    asked.take()
}
