//! D6: `ProxyProtocol::accept` on transports in memory, where time can stand still.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;
use tower_misdirected::{Addresses, Peers, PlaintextStream, ProxyProtocol};

use super::{CLIENT, GET, addresses, us};
use crate::wire::proxy;

const GATEWAY: &str = "127.0.0.1:50000";

/// In memory there are no addresses, so only `any` contains the peer.
fn any() -> ProxyProtocol {
    ProxyProtocol::from_peers(Peers::any())
}

/// Accepts a connection that begins with these octets and ends behind them.
async fn accepted(
    proxy_protocol: &ProxyProtocol,
    octets: &[u8],
    peer: Option<&str>,
) -> Result<PlaintextStream<DuplexStream>, Error> {
    let (near, mut far) = tokio::io::duplex(8192);
    far.write_all(octets).await.unwrap();
    drop(far);
    match peer {
        Some(peer) => {
            let peer: std::net::SocketAddr = peer.parse().unwrap();
            let addresses = Addresses::new().peer_addr(peer);
            proxy_protocol.accept_with_addresses(near, addresses).await
        }
        None => proxy_protocol.accept(near).await,
    }
}

#[tokio::test]
async fn d6_the_stream_has_the_addresses_and_all_octets_behind_the_header() {
    let listed = ProxyProtocol::from_peers(us());
    for header in proxy::both(CLIENT) {
        let octets = [&header[..], GET.as_bytes()].concat();
        for (proxy_protocol, peer, seen, left) in [
            (&any(), None, format!("{CLIENT} -"), GET.as_bytes()),
            (
                &listed,
                Some(GATEWAY),
                format!("{CLIENT} {GATEWAY}"),
                GET.as_bytes(),
            ),
            // Nothing is read from others.
            (&listed, None, "- -".to_owned(), &octets),
            (
                &listed,
                Some("10.0.0.1:1"),
                "10.0.0.1:1 10.0.0.1:1".to_owned(),
                &octets,
            ),
        ] {
            let mut stream = accepted(proxy_protocol, &octets, peer).await.unwrap();
            assert_eq!(addresses(stream.connection_info()), seen);
            let info = stream.connection_info();
            assert!(!info.is_tls() && !info.is_trusted_gateway());
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, left);
        }
    }
}

#[tokio::test]
async fn d6_an_error_names_the_peer_and_what_it_sent() {
    for (octets, kind, text) in [
        (GET, ErrorKind::InvalidData, "`GET / HTTP/1.1"),
        (
            "PROXY TCP4 \x1b[31m",
            ErrorKind::UnexpectedEof,
            "after 16 octets",
        ),
        (
            "PROXY TCP4 \x1b[31m\r\n",
            ErrorKind::InvalidData,
            "`\\x1b[31m`",
        ),
        ("", ErrorKind::UnexpectedEof, "after 0 octets"),
    ] {
        let listed = ProxyProtocol::from_peers(us());
        let error = accepted(&listed, octets.as_bytes(), Some(GATEWAY)).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let shown = error.to_string();
        assert!(shown.contains(text), "{shown}");
        assert!(shown.contains(GATEWAY), "{shown}");
        assert!(
            shown
                .bytes()
                .all(|octet| octet == b' ' || octet.is_ascii_graphic())
        );
    }
}

/// Waits for a header of which only this has come by the middle of the time, and returns when it ended.
async fn ended_after(proxy_protocol: ProxyProtocol, header: &[u8], limit: Duration) -> Duration {
    let (near, mut far) = tokio::io::duplex(8192);
    let begin = Instant::now();
    let slow = async {
        tokio::time::sleep(limit / 2).await;
        far.write_all(header).await.unwrap();
        std::future::pending::<()>().await;
    };
    let error = tokio::select! {
        accepted = proxy_protocol.accept(near) => accepted.unwrap_err(),
        () = slow => unreachable!(),
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(
        error.to_string().contains("PROXY protocol header"),
        "{error}"
    );
    begin.elapsed()
}

#[tokio::test(start_paused = true)]
async fn d6_the_time_limit_is_ten_seconds_or_what_was_asked_for() {
    let seconds = Duration::from_secs;
    for header in [&b""[..], b"P", &proxy::LOCAL[..15]] {
        let elapsed = ended_after(any(), header, seconds(10)).await;
        assert_eq!(elapsed.as_secs(), 10);
        let short = any().header_timeout(seconds(3));
        let elapsed = ended_after(short, header, seconds(3)).await;
        assert_eq!(elapsed.as_secs(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn d6_the_time_limit_is_for_the_header_alone() {
    let (near, mut far) = tokio::io::duplex(8192);
    far.write_all(proxy::LOCAL).await.unwrap();
    let mut stream = any().accept(near).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    far.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn d6_one_bound_holds_for_all_clones_and_at_least_one_connection_may_wait() {
    let hour = Duration::from_secs(3600);
    let proxy_protocol = any().header_timeout(hour).max_pending_headers(0);
    let begin = |proxy_protocol: ProxyProtocol| {
        let (near, far) = tokio::io::duplex(8192);
        let accepting = tokio::spawn(async move { proxy_protocol.accept(near).await });
        (accepting, far)
    };
    let (oldest, _silent) = begin(proxy_protocol.clone());
    tokio::task::yield_now().await;
    let (newest, mut far) = begin(proxy_protocol.clone());
    let oldest = tokio::time::timeout(crate::wire::PATIENCE, oldest).await;
    let error = oldest.expect("an end in time").unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("this is the oldest"), "{error}");
    far.write_all(proxy::LOCAL).await.unwrap();
    newest.await.unwrap().unwrap();
}
