//! Contexts of OpenSSL or BoringSSL for the virtual hosts of the tests.

use std::ffi::c_void;
use std::sync::{Arc, LazyLock};

use openssl::pkey::PKey;
use openssl::ssl::{
    AlpnError, SslAcceptor, SslContext, SslContextBuilder, SslMethod, SslOptions, SslVerifyMode,
    select_next_proto,
};
use openssl::x509::X509;
use tower_misdirected::{VirtualHosts, VirtualHostsBuilder};

use crate::pki::{self, Authority, Leaf};
use crate::recipe;

/// The certificate of every virtual host.
pub static CERTIFICATE: LazyLock<Leaf> = LazyLock::new(|| {
    pki::leaf(&[
        "www.test",
        "shop.test",
        "admin.test",
        "new.test",
        "newest.test",
        "picky.test",
    ])
});

/// A client of the authority that `admin.test` trusts.
pub static ONE: LazyLock<Leaf> = LazyLock::new(|| pki::leaf(&["client-one.test"]));

/// Where servers remember sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// In tickets, with keys of each context.
    Tickets,
    /// In tickets, with the same keys for every context, as several machines have them.
    SharedTickets,
    /// In the cache of each context.
    Cache,
}

pub const EVERY_MEMORY: [Memory; 3] = [Memory::Tickets, Memory::SharedTickets, Memory::Cache];

/// A context that the recipe has not touched yet. With an authority, it requires client certificates.
pub fn builder(authority: Option<&Authority>, memory: Memory) -> SslContextBuilder {
    let mut context = SslContext::builder(SslMethod::tls()).unwrap();
    let certificate = X509::from_der(&CERTIFICATE.der).unwrap();
    context.set_certificate(&certificate).unwrap();
    let key = PKey::private_key_from_der(CERTIFICATE.key.secret_der()).unwrap();
    context.set_private_key(&key).unwrap();
    context.set_alpn_select_callback(|_, offered| {
        select_next_proto(b"\x02h2\x08http/1.1", offered).ok_or(AlpnError::NOACK)
    });
    if let Some((authority, _)) = authority {
        let authority = X509::from_der(authority).unwrap();
        context.cert_store_mut().add_cert(authority).unwrap();
        context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    match memory {
        Memory::Tickets => {}
        Memory::SharedTickets => share_ticket_keys(&mut context),
        Memory::Cache => {
            context.set_options(SslOptions::NO_TICKET);
        }
    }
    context
}

/// A context that follows the recipe.
pub fn context(authority: Option<&Authority>, memory: Memory) -> Arc<SslContext> {
    let mut context = builder(authority, memory);
    recipe::bind_sessions(&mut context).unwrap();
    Arc::new(context.build())
}

/// A context of `SslAcceptor`, as most servers have it.
pub fn acceptor(leaf: &Leaf) -> Arc<SslContext> {
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).unwrap();
    let certificate = X509::from_der(&leaf.der).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    let key = PKey::private_key_from_der(leaf.key.secret_der()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_alpn_select_callback(|_, offered| {
        select_next_proto(b"\x02h2", offered).ok_or(AlpnError::NOACK)
    });
    recipe::bind_sessions(&mut acceptor).unwrap();
    Arc::new(acceptor.build().into_context())
}

/// `www.test` and `shop.test` share a context. `admin.test` requires a client certificate.
pub fn hosts(memory: Memory) -> VirtualHostsBuilder<SslContext> {
    let open = context(None, memory);
    VirtualHosts::builder()
        .host("www.test", open.clone())
        .host("shop.test", open)
        .host("admin.test", context(Some(&pki::CA), memory))
}

/// The crates have no function for this.
#[cfg(tls_recipe = "openssl")]
fn share_ticket_keys(context: &mut SslContextBuilder) {
    unsafe extern "C" {
        fn SSL_CTX_ctrl(context: *mut c_void, command: i32, length: i64, keys: *mut c_void) -> i64;
    }
    const SET_TICKET_KEYS: i32 = 59;
    let mut keys = [7_u8; 80];
    let context = context.as_ptr().cast();
    let keys = keys.as_mut_ptr().cast();
    assert_eq!(
        unsafe { SSL_CTX_ctrl(context, SET_TICKET_KEYS, 80, keys) },
        1
    );
}

#[cfg(tls_recipe = "boring")]
fn share_ticket_keys(context: &mut SslContextBuilder) {
    unsafe extern "C" {
        fn SSL_CTX_set_tlsext_ticket_keys(
            context: *mut c_void,
            keys: *const c_void,
            length: usize,
        ) -> i32;
    }
    let keys = [7_u8; 48];
    let context = context.as_ptr().cast();
    let keys = keys.as_ptr().cast();
    assert_eq!(
        unsafe { SSL_CTX_set_tlsext_ticket_keys(context, keys, 48) },
        1
    );
}
