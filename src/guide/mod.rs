//! The guide: which server to set up how, other TLS stacks, and what to do about a 421.
//!
//! - [`servers`]: which server am I using?
//! - [`virtual_hosts`]: hosts that differ in TLS, client certificates, changes while serving.
//! - [`other_tls_stacks`]: OpenSSL, BoringSSL and everything else.
//! - [`clients`]: what browsers and other clients do with a 421, and HAProxy and nginx in front.
//! - [`troubleshooting`]: by symptom.
//! - [`rules`]: which rules does the layer follow?
//! - [`speed`]: what it costs, measured.

#[doc = include_str!("servers.md")]
pub mod servers {}

/// TLS stacks other than rustls.
///
/// An acceptor has one duty: to say what *this* handshake presented. Build a
/// [`ConnectionInfo`](crate::ConnectionInfo) from the connection when its handshake is complete, and
/// put it into the extensions of every request of the connection. A stack that cannot tell which
/// certificate it presented leaves the names out; then the layer serves the server name only, which is
/// safe and refuses all coalescing.
///
/// # OpenSSL and BoringSSL
///
/// With the `openssl` crate, and with no feature of this one:
///
/// ```rust,ignore
#[doc = include_str!("openssl.rs")]
/// ```
///
/// With the `boring` crate everything is the same but for one line:
///
/// ```rust,ignore
/// use boring::ssl::{NameType, SslRef};
/// ```
///
/// # Where the request gets it
///
/// In a loop over hyper, insert a clone per request, as in
/// [`TlsAcceptor`](crate::TlsAcceptor)'s example. With `axum::serve`, implement axum's `Listener` for
/// your listener and `Connected` for a type of your own, and let a middleware outside the layer copy
/// the `ConnectionInfo` from it into the extensions.
pub mod other_tls_stacks {}

#[doc = include_str!("virtual_hosts.md")]
pub mod virtual_hosts {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("rules.md")]
pub mod rules {}

#[doc = include_str!("speed.md")]
#[doc = include_str!("speed.svg")]
#[doc = include_str!("speed_results.md")]
pub mod speed {}
