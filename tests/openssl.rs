//! The documented recipe for OpenSSL, over a real handshake. It needs OpenSSL's headers, so it is
//! built where `--cfg tls_recipe="openssl"` in `RUSTFLAGS` asks for it.
#![cfg(tls_recipe = "openssl")]

mod pki;
#[path = "../src/guide/openssl.rs"]
mod recipe;
mod recipes;
mod wire;

use openssl::pkey::PKey;
use openssl::ssl::{AlpnError, SslAcceptor, SslMethod, select_next_proto};
use openssl::x509::X509;

#[tokio::test]
async fn the_recipe_records_what_the_handshake_presented() {
    recipes::check(|tcp, leaf| {
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
    })
    .await;
}
