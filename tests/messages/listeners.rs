//! Errors of addresses that cannot be bound, and of accepting.

use std::net::UdpSocket;
use std::os::fd::OwnedFd;

use tower_misdirected::{Peers, PlaintextListener, ProxyProtocol, TlsAcceptor, TlsListener};

use crate::{Messages, events, pki, wire};

const SECTION: &str = "When a listener binds";

pub async fn make(messages: &mut Messages) {
    let tls = TlsAcceptor::from(pki::server(&["a.test"]));
    let first = TlsListener::bind("127.0.0.1:0", tls.clone()).await.unwrap();
    let taken = first.local_addr().unwrap();
    let begin = messages.0.len();
    let error = TlsListener::bind(taken, tls.clone()).await.unwrap_err();
    messages.error(SECTION, error);
    let proxy_protocol = ProxyProtocol::from_peers(Peers::any());
    let error = PlaintextListener::bind(taken, proxy_protocol).await;
    messages.error(SECTION, error.unwrap_err());
    for message in &mut messages.0[begin..] {
        let with_port = |text: &str| text.replace(&taken.to_string(), "127.0.0.1:8443");
        message.text = with_port(&message.text);
        if let Some((_, debug, _)) = &mut message.error {
            *debug = with_port(debug);
        }
    }
    let error = TlsListener::bind("127.0.0.1", tls.clone()).await;
    messages.error(SECTION, error.unwrap_err());
    let error = TlsListener::bind(&[][..], tls).await.unwrap_err();
    messages.error(SECTION, error);

    // They depend on the user and on the system. A unit test shows that each is what `Debug` writes.
    let privileged = "cannot listen on 0.0.0.0:443: ";
    let begins = "permission denied; choose a port";
    messages.of_source(SECTION, begins, privileged, &[]);
    let high = "cannot listen on 0.0.0.0:8443: ";
    let begins = "permission denied; choose another";
    messages.of_source(SECTION, begins, high, &[]);
    let elsewhere = "cannot listen on 192.0.2.1:443: ";
    messages.of_source(SECTION, "this machine does not have", elsewhere, &[]);
    let begins = "cannot listen on {addr}: {error}";
    let values = ["[::]:443", "out of memory"];
    messages.of_source(SECTION, begins, "", &values);
}

/// Logs that accepting fails: a UDP socket cannot accept.
pub async fn fail_to_accept() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Without a datagram, nobody would try.
    udp.send_to(b".", udp.local_addr().unwrap()).unwrap();
    udp.set_nonblocking(true).unwrap();
    let listener = std::net::TcpListener::from(OwnedFd::from(udp));
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut listener = TlsListener::from_tcp(listener, pki::server(&["a.test"]));
    let failed = async {
        while !events::any(|event| event.message().starts_with("cannot accept")) {
            tokio::task::yield_now().await;
        }
    };
    let failed = tokio::time::timeout(wire::PATIENCE, failed);
    tokio::select! {
        _ = listener.accept() => panic!("nobody has connected"),
        failed = failed => failed.expect("an event in time"),
    }
}
