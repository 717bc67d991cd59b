//! Many connections that become outdated at once: when each is told. The clock is the test's, so nothing here depends
//! on how fast the machine is.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_misdirected::{TlsAcceptor, VirtualHosts};

use crate::application::{app, config, hosts};
use crate::pki;
use crate::wire;
use crate::wire::frames::{Frame, GOAWAY, Raw};

type Connection = Raw<tokio_rustls::client::TlsStream<DuplexStream>>;

/// An idle connection to a server of hyper's.
async fn connect(acceptor: &TlsAcceptor, sni: &str) -> Connection {
    let (client, server) = tokio::io::duplex(1 << 16);
    let client = wire::handshake(client, pki::client(&["h2"]), Some(sni));
    let (client, server) = tokio::join!(client, acceptor.accept(server));
    let server = TokioIo::new(server.unwrap());
    tokio::spawn(async move {
        let service = TowerToHyperService::new(app().0);
        let builder = Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(server, service).await;
    });
    let mut client = Raw::begin(client.unwrap()).await;
    client.ping().await;
    client
}

/// When each of so many idle connections is told of a replacement, counted from it.
async fn told_after(
    connections: usize,
    set: impl FnOnce(TlsAcceptor) -> TlsAcceptor,
) -> Vec<Duration> {
    let [a, admin] = [config(), config()];
    let virtual_hosts: VirtualHosts = hosts(&a, &admin).build().unwrap();
    let acceptor = set(TlsAcceptor::from(virtual_hosts.clone()));
    let mut waiting = JoinSet::new();
    for _ in 0..connections {
        let mut connection = connect(&acceptor, "a.test").await;
        waiting.spawn(async move {
            assert_eq!(connection.until(GOAWAY).await, Frame::graceful_goaway());
            let told = Instant::now();
            // Nobody else is told again.
            connection.ping().await;
            assert_eq!(connection.goaways(), 1);
            told
        });
    }
    let mut other = connect(&acceptor, "admin.test").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    virtual_hosts.replace(hosts(&config(), &admin)).unwrap();
    let replaced = Instant::now();
    let told = waiting.join_all().await;
    other.ping().await;
    assert_eq!(other.goaways(), 0);
    let mut told: Vec<_> = told.into_iter().map(|told| told - replaced).collect();
    told.sort();
    told
}

#[tokio::test(start_paused = true)]
async fn w2_a_crowd_is_told_over_the_time_that_was_set() {
    let time = Duration::from_secs(40);
    let told = told_after(60, |acceptor| acceptor.drain(time)).await;
    assert!(*told.last().unwrap() <= time, "{told:?}");
    // Chance leaves a quarter of the time empty once in eight million runs.
    for quarter in 0..4 {
        let quarter = time / 4 * quarter..time / 4 * (quarter + 1);
        assert!(told.iter().any(|told| quarter.contains(told)), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn w2_by_default_a_crowd_is_told_within_a_second() {
    let told = told_after(20, |acceptor| acceptor).await;
    assert!(*told.last().unwrap() <= Duration::from_secs(1), "{told:?}");
    assert!(told[0] < told[19], "not all at once: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn w2_without_a_time_a_crowd_is_told_at_once() {
    let told = told_after(20, |acceptor| acceptor.drain(Duration::ZERO)).await;
    assert_eq!(told, [Duration::ZERO; 20]);
}

/// A connection whose configuration has come back by its turn is not told.
#[tokio::test(start_paused = true)]
async fn w3_a_configuration_that_comes_back_in_time_ends_nothing() {
    let [a, admin] = [config(), config()];
    let virtual_hosts: VirtualHosts = hosts(&a, &admin).build().unwrap();
    // The turn comes at once in one of so many milliseconds.
    let time = Duration::from_secs(3600);
    let acceptor = TlsAcceptor::from(virtual_hosts.clone()).drain(time);
    let mut connection = connect(&acceptor, "a.test").await;
    for _ in 0..3 {
        virtual_hosts.replace(hosts(&config(), &admin)).unwrap();
        tokio::task::yield_now().await;
        virtual_hosts.replace(hosts(&a, &admin)).unwrap();
        tokio::time::sleep(2 * time).await;
        connection.ping().await;
        assert_eq!(connection.goaways(), 0);
    }
    // It still waits, and is told when it is over.
    virtual_hosts.replace(hosts(&config(), &admin)).unwrap();
    tokio::time::sleep(2 * time).await;
    assert_eq!(connection.until(GOAWAY).await, Frame::graceful_goaway());
}
