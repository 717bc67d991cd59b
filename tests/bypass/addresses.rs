//! B9: entries with an IP address. Without a server name, the address that a client has connected to stands for it.
//! No way of connecting reaches an entry with another address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tower_misdirected::{Rejection, VirtualHostsBuilder};

use crate::client::{Http, Visitor};
use crate::site::{Client, Configs, Got, Memory, ONE, Site, TWO};

const TCP: [Http; 2] = [Http::One, Http::Two];
const REFUSED: Got = Got::Refused(Rejection::DifferentTlsConfig);

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const ANY_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

fn configs() -> Configs {
    Configs::new(&Memory::tickets())
}

/// An entry for each family, which want certificates of different authorities.
fn entries(configs: &Configs) -> VirtualHostsBuilder {
    configs
        .hosts()
        .host("127.0.0.1", configs.wildcard.clone())
        .host("::1", configs.two.clone())
}

/// What a client without a server name gets that connects to this address and asks for this host.
async fn at(site: &Site, visitor: &Visitor, ip: &str, host: &str) -> Got {
    let addr = SocketAddr::new(ip.parse().unwrap(), site.addr(visitor.http()).port());
    match visitor.connect(addr, None).await {
        Ok(mut connection) => site.ask(&mut connection, host).await,
        Err(_) => Got::Ended,
    }
}

#[tokio::test]
async fn b9_an_address_reaches_its_own_configuration() {
    for http in TCP {
        let [nobody, one, two] = [None, Some(&*ONE), Some(&*TWO)].map(|it| Visitor::new(http, it));
        let v4 = Site::listening(entries(&configs()), V4).await;
        let served = Got::Served(Client::One);
        assert_eq!(at(&v4, &one, "127.0.0.1", "127.0.0.1").await, served);
        for stranger in [&nobody, &two] {
            assert_eq!(
                at(&v4, stranger, "127.0.0.1", "127.0.0.1").await,
                Got::Ended
            );
        }
        let v6 = Site::listening(entries(&configs()), V6).await;
        let served = Got::Served(Client::Two);
        assert_eq!(at(&v6, &two, "::1", "[::1]:443").await, served);
        for stranger in [&nobody, &one] {
            assert_eq!(at(&v6, stranger, "::1", "[::1]").await, Got::Ended);
        }
    }
}

/// B6: neither is a way into the other.
#[tokio::test]
async fn b9_a_connection_to_an_address_serves_its_configuration_only() {
    let configs = configs();
    let shared = configs.wildcard.clone();
    let hosts = entries(&configs).host("x.w.test", shared);
    let site = Site::listening(hosts, V4).await;
    for http in TCP {
        let one = Visitor::new(http, Some(&ONE));
        let addr = site.addr(http);
        let mut to_address = one.connect(addr, None).await.unwrap();
        for host in ["www.test", "admin.test", "vault.test", "[::1]"] {
            assert_eq!(site.ask(&mut to_address, host).await, REFUSED, "{host}");
        }
        for host in ["127.0.0.1", "x.w.test"] {
            let got = site.ask(&mut to_address, host).await;
            assert_eq!(got, Got::Served(Client::One), "{host}");
        }
        let nobody = Visitor::new(http, None);
        for (visitor, sni) in [(&nobody, "www.test"), (&one, "admin.test")] {
            let mut to_host = site.connect(visitor, Some(sni)).await.unwrap();
            for host in ["127.0.0.1", "127.0.0.1:443", "[::1]"] {
                assert_eq!(site.ask(&mut to_host, host).await, REFUSED, "{sni} {host}");
            }
        }
    }
}

#[tokio::test]
async fn b9_with_a_server_name_the_local_address_plays_no_part() {
    let configs = configs();
    let without = Site::listening(entries(&configs), V4).await;
    let with = Site::listening(entries(&configs).default(configs.open.clone()), V4).await;
    for http in TCP {
        for certificate in [None, Some(&*ONE)] {
            let visitor = Visitor::new(http, certificate);
            // The certificate is not asked for.
            let got = without
                .ask_once(&visitor, Some("www.test"), "www.test")
                .await;
            assert_eq!(got, Got::Served(Client::Nobody));
            let unknown = Some("nobody.test");
            let got = without.ask_once(&visitor, unknown, "127.0.0.1").await;
            assert_eq!(got, Got::Ended);
            let mut connection = with.connect(&visitor, unknown).await.unwrap();
            let got = with.ask(&mut connection, "new.test").await;
            assert_eq!(got, Got::Served(Client::Nobody));
            assert_eq!(with.ask(&mut connection, "127.0.0.1").await, REFUSED);
        }
    }
}

/// Such a client's local address is an IPv6 address that maps an IPv4 address.
#[tokio::test]
async fn b9_an_ipv4_client_of_an_ipv6_listener_gets_the_entry_with_its_ipv4_address() {
    let configs = configs();
    let site = Site::listening(entries(&configs), ANY_V6).await;
    for http in TCP {
        let [nobody, one, two] = [None, Some(&*ONE), Some(&*TWO)].map(|it| Visitor::new(http, it));
        let served = Got::Served(Client::One);
        assert_eq!(at(&site, &one, "127.0.0.1", "127.0.0.1").await, served);
        assert_eq!(
            at(&site, &nobody, "127.0.0.1", "127.0.0.1").await,
            Got::Ended
        );
        assert_eq!(
            at(&site, &two, "::1", "[::1]").await,
            Got::Served(Client::Two)
        );
        // A mapped address is another host (A8), and no entry can be for it.
        let mapped = "[::ffff:127.0.0.1]";
        assert_eq!(at(&site, &nobody, "127.0.0.1", mapped).await, Got::Ended);
        let got = at(&site, &one, "127.0.0.1", mapped).await;
        assert_eq!(got, Got::Refused(Rejection::UnknownHost));
    }
}

/// On a machine, every address of 127.0.0.0/8 is its own. A listener on 0.0.0.0 serves them all.
#[tokio::test]
async fn b9_no_other_address_reaches_an_entry() {
    let configs = configs();
    let site = Site::listening(entries(&configs), ANY_V4).await;
    let open_default = entries(&configs).default(configs.open.clone());
    let open_default = Site::listening(open_default, ANY_V4).await;
    let strict_default = configs.hosts().host("127.0.0.2", configs.open.clone());
    let strict_default = strict_default.default(configs.wildcard.clone());
    let strict_default = Site::listening(strict_default, ANY_V4).await;
    for http in TCP {
        let [nobody, one] = [None, Some(&*ONE)].map(|it| Visitor::new(http, it));
        let served = Got::Served(Client::One);
        assert_eq!(at(&site, &one, "127.0.0.1", "127.0.0.1").await, served);
        // Without an entry and without a default there is no connection.
        for host in ["127.0.0.1", "127.0.0.2", "www.test"] {
            assert_eq!(at(&site, &one, "127.0.0.2", host).await, Got::Ended);
        }
        // The default lets anyone in, and is no way into the entry.
        for visitor in [&nobody, &one] {
            let got = at(&open_default, visitor, "127.0.0.2", "127.0.0.2").await;
            assert_eq!(got, Got::Served(Client::Nobody));
            for host in ["127.0.0.1", "[::1]", "admin.test"] {
                let got = at(&open_default, visitor, "127.0.0.2", host).await;
                assert_eq!(got, REFUSED, "{host}");
            }
        }
        let got = at(&open_default, &nobody, "127.0.0.1", "127.0.0.1").await;
        assert_eq!(got, Got::Ended);
        // An entry that lets anyone in is no way into the default.
        let got = at(&strict_default, &nobody, "127.0.0.2", "127.0.0.2").await;
        assert_eq!(got, Got::Served(Client::Nobody));
        for host in ["127.0.0.1", "new.test"] {
            let got = at(&strict_default, &nobody, "127.0.0.2", host).await;
            assert_eq!(got, REFUSED, "{host}");
            let got = at(&strict_default, &nobody, "127.0.0.1", host).await;
            assert_eq!(got, Got::Ended);
        }
        let got = at(&strict_default, &one, "127.0.0.1", "127.0.0.1").await;
        assert_eq!(got, served);
    }
}

/// quinn does not tell the local address during the handshake.
#[tokio::test]
async fn b9_over_quic_the_default_serves_clients_without_a_server_name() {
    let configs = configs();
    let without = Site::listening(entries(&configs), V4).await;
    let with = Site::listening(entries(&configs).default(configs.open.clone()), V4).await;
    let strict = configs.hosts().host("127.0.0.1", configs.open.clone());
    let strict = Site::listening(strict.default(configs.one.clone()), V4).await;
    let [nobody, one] = [None, Some(&*ONE)].map(|it| Visitor::new(Http::Three, it));
    for visitor in [&nobody, &one] {
        let got = without.ask_once(visitor, None, "127.0.0.1").await;
        assert_eq!(got, Got::Ended);
        assert_eq!(with.ask_once(visitor, None, "127.0.0.1").await, REFUSED);
        let got = with.ask_once(visitor, None, "new.test").await;
        assert_eq!(got, Got::Served(Client::Nobody));
    }
    assert_eq!(
        strict.ask_once(&nobody, None, "127.0.0.1").await,
        Got::Ended
    );
    assert_eq!(strict.ask_once(&one, None, "127.0.0.1").await, REFUSED);
}

/// RFC 8446 §4.6.1: a client may offer a session to every server that the certificate covers. Without a server name,
/// rustls itself would resume it.
#[tokio::test]
async fn b9_a_session_of_one_address_is_none_of_another() {
    for memory in [Memory::tickets(), Memory::store()] {
        let configs = Configs::new(&memory);
        let hosts = configs.hosts().host("127.0.0.1", configs.one.clone());
        let hosts = hosts.host("127.0.0.2", configs.open.clone());
        let site = Site::listening(hosts, ANY_V4).await;
        for new in [Visitor::new, Visitor::tls12] {
            let nobody = new(Http::One, None);
            let got = at(&site, &nobody, "127.0.0.2", "127.0.0.2").await;
            assert_eq!(got, Got::Served(Client::Nobody));
            nobody.has_session().await;
            let offered = nobody.offered();
            let got = at(&site, &nobody, "127.0.0.1", "127.0.0.1").await;
            assert_eq!(got, Got::Ended);
            assert!(nobody.offered() > offered);
            // Where it began, it resumes.
            let addr = SocketAddr::new("127.0.0.2".parse().unwrap(), site.addr(Http::One).port());
            let again = new(Http::One, None);
            for resumed in [false, true] {
                let mut connection = again.connect(addr, None).await.unwrap();
                assert_eq!(connection.resumed(), resumed);
                let got = site.ask(&mut connection, "127.0.0.2").await;
                assert_eq!(got, Got::Served(Client::Nobody));
                again.has_session().await;
            }
        }
    }
}
