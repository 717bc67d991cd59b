//! The documented recipe for OpenSSL and BoringSSL, over a real handshake. They need C libraries and
//! define the same symbols, so this is built for one at a time, where `--cfg tls_recipe="openssl"` or
//! `"boring"` in `RUSTFLAGS` asks for it.
#![cfg(any(tls_recipe = "boring", tls_recipe = "openssl"))]

// The recipe says `openssl`, and so does all that follows.
#[cfg(tls_recipe = "boring")]
extern crate boring as openssl;

mod pki;
#[path = "../src/guide/openssl.rs"]
mod recipe;
mod wire;

use std::net::{TcpListener, TcpStream};

use openssl::pkey::PKey;
use openssl::ssl::{AlpnError, SslAcceptor, SslMethod, select_next_proto};
use openssl::x509::X509;
use tower_misdirected::ConnectionInfo;

use crate::pki::Leaf;

/// The server's side of a handshake, and what the recipe makes of it.
fn accept(tcp: TcpStream, leaf: &Leaf) -> ConnectionInfo {
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).unwrap();
    acceptor
        .set_certificate(&X509::from_der(&leaf.der).unwrap())
        .unwrap();
    let key = PKey::private_key_from_der(leaf.key.secret_der()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_alpn_select_callback(|_, offered| {
        select_next_proto(b"\x02h2", offered).ok_or(AlpnError::NOACK)
    });
    let stream = acceptor.build().accept(tcp).unwrap();
    recipe::connection_info(stream.ssl())
}

#[tokio::test]
async fn d5_the_recipe_records_what_the_handshake_presented() {
    for sni in [Some("a.test"), None] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::task::spawn_blocking(move || {
            let leaf = pki::leaf(&["a.test", "*.w.test", "192.0.2.1", "2001:db8::1"]);
            accept(listener.accept().unwrap().0, &leaf)
        });
        let _client = wire::connect(addr, pki::client(&["h2"]), sni).await;
        let info = server.await.unwrap();

        assert!(info.is_tls());
        assert_eq!(info.server_name(), sni);
        assert_eq!(info.alpn(), Some(&b"h2"[..]));
        let names = ["a.test", "*.w.test", "192.0.2.1", "[2001:db8::1]"];
        assert_eq!(info.certificate_names().to_strings(), names);
    }
}
