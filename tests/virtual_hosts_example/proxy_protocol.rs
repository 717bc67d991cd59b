//! D6: `proxy_protocol`: the line of an answer ends with the address of the client.

use super::*;
use crate::wire::http3::get3;
use crate::wire::proxy::{LOCAL, UNKNOWN, both};

const LISTED: &str = "proxy_protocol = [\"127.0.0.1/32\"]\n";
const ANY: &str = "proxy_protocol = \"any\"\n";
const UNLISTED: &str = "proxy_protocol = [\"192.0.2.1/32\"]\n";

/// Two hosts that share their connections, and one that does not.
fn hosts() -> String {
    [host("www"), sharing("shop", "www"), own("other", "other")].concat()
}

fn site() -> Site {
    let site = Site::new();
    site.certificate("other", &["other.test"]);
    site
}

/// A TLS connection that begins with a header.
async fn open_behind(
    addr: SocketAddr,
    header: &[u8],
    alpn: &str,
    sni: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut tcp = TcpStream::connect(addr).await?;
    tcp.write_all(header).await?;
    let handshake = wire::handshake(tcp, pki::client(&[alpn]), Some(sni));
    let handshake = tokio::time::timeout(wire::PATIENCE, handshake).await;
    handshake.expect("an end in time")
}

/// Has `shop.test` answered on connections for `www.test`, over HTTP/2 and HTTP/1.1.
async fn answers(addr: SocketAddr, header: &[u8], client: &str) {
    let expected = format!("host=shop.test vhost=shop sni=www.test client=- addr={client}\n");
    let io = open_behind(addr, header, "h2", "www.test").await;
    let two = wire::http2(io.unwrap()).await;
    assert_eq!(get(&two, "shop.test").await.body(), &expected);

    let io = open_behind(addr, header, "http/1.1", "www.test").await;
    let request = "GET / HTTP/1.1\nHost: shop.test\n\n";
    let answer = wire::exchange(&mut io.unwrap(), request).await;
    assert_eq!((answer.status, answer.body), (200, expected));
}

/// Has `other.test` refused on such connections.
async fn keeps_apart(addr: SocketAddr, header: &[u8]) {
    let io = open_behind(addr, header, "h2", "www.test").await;
    let two = wire::http2(io.unwrap()).await;
    assert_eq!(status(&two, "other.test").await, 421);

    let io = open_behind(addr, header, "http/1.1", "www.test").await;
    let request = "GET / HTTP/1.1\nHost: other.test\n\n";
    let answer = wire::exchange(&mut io.unwrap(), request).await;
    assert_eq!(answer.status, 421);
}

/// Has handshakes fail that begin with this.
async fn refuses(addr: SocketAddr, header: &[u8]) {
    for alpn in ["h2", "http/1.1"] {
        let io = open_behind(addr, header, alpn, "www.test").await;
        assert!(io.is_err(), "{alpn}");
    }
}

#[tokio::test]
async fn d6_the_address_is_the_clients_where_a_listed_peer_sends_a_header() {
    for peers in [LISTED, ANY] {
        let site = site();
        let example = site.serve(&format!("{peers}{}", hosts())).await;
        for (client, ip) in [
            ("192.0.2.7:49152", "192.0.2.7"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("[::ffff:192.0.2.7]:443", "192.0.2.7"),
        ] {
            for header in both(client) {
                answers(example.addr, &header, ip).await;
                keeps_apart(example.addr, &header).await;
            }
        }
        for header in [LOCAL, UNKNOWN] {
            answers(example.addr, header, "127.0.0.1").await;
            keeps_apart(example.addr, header).await;
        }
        for header in [&b""[..], b"PROXY TCP4 nobody\r\n"] {
            refuses(example.addr, header).await;
        }
        let twice = both("192.0.2.7:1").concat();
        refuses(example.addr, &twice).await;
        example.ends_on_ctrl_c().await;
    }
}

#[tokio::test]
async fn d6_no_header_is_read_from_a_peer_that_is_not_listed() {
    for peers in [UNLISTED, ""] {
        let site = site();
        let example = site.serve(&format!("{peers}{}", hosts())).await;
        answers(example.addr, b"", "127.0.0.1").await;
        keeps_apart(example.addr, b"").await;
        // A client that claims a listed address is not believed either.
        for header in both("192.0.2.1:1") {
            refuses(example.addr, &header).await;
        }
        refuses(example.addr, LOCAL).await;
    }
}

#[tokio::test]
async fn d6_http3_has_no_header() {
    for peers in [LISTED, ANY] {
        let site = site();
        let configuration = format!("{peers}http3 = true\n{}", hosts());
        let example = site.serve(&configuration).await;
        for header in both("192.0.2.7:49152") {
            answers(example.addr, &header, "192.0.2.7").await;
        }
        let (three, ..) = open3(example.addr, pki::client(&[]), "www.test").await;
        let expected = "host=shop.test vhost=shop sni=www.test client=- addr=127.0.0.1\n";
        assert_eq!(get3(&three, "shop.test").await.body(), expected);
        assert_eq!(get3(&three, "other.test").await.status(), 421);
        example.ends_on_ctrl_c().await;
    }
}

#[tokio::test]
async fn a_reload_that_changes_who_sends_headers_is_refused() {
    let site = site();
    for (before, others) in [
        (LISTED, ["", ANY, UNLISTED]),
        (ANY, ["", LISTED, UNLISTED]),
        ("", [ANY, LISTED, UNLISTED]),
    ] {
        let mut example = site.serve(&format!("{before}{}", hosts())).await;
        let header = match before {
            "" => Vec::new(),
            _ => both("192.0.2.7:1")[0].clone(),
        };
        let client = if before.is_empty() {
            "127.0.0.1"
        } else {
            "192.0.2.7"
        };
        for after in others {
            let configuration = format!("{after}{}", hosts());
            let text = site.refuse(&mut example, &configuration).await;
            assert!(text.contains("proxy_protocol"), "{text}");
            assert!(text.contains("site.toml"), "{text}");
            assert!(text.contains("restart"), "{text}");
            answers(example.addr, &header, client).await;
        }
        // The same peers are no change.
        site.reload(&mut example, &format!("{before}{}", hosts()))
            .await;
        answers(example.addr, &header, client).await;
        example.ends_on_ctrl_c().await;
    }
}
