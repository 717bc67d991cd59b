//! A guide with one page for each question.
//!
//! | question | page |
//! |---|---|
//! | What do I add to my server? | [`servers`] |
//! | How do I serve hosts that differ in TLS, and change them while the server runs? | [`virtual_hosts`] |
//! | How do I use OpenSSL, BoringSSL or another TLS stack? | [`other_tls_stacks`] |
//! | What do browsers and other clients do with a 421, and how do I configure HAProxy and nginx? | [`clients`] |
//! | How do I find the cause of a 421? | [`troubleshooting`] |
//! | What does the layer promise, and what is my part? | [`promises`] |
//! | Which rules does the layer follow? | [`rules`] |
//! | What does the layer cost? | [`speed`] |

#[doc = include_str!("servers.md")]
pub mod servers {}

/// How do I use another TLS stack than rustls?
///
/// Build a [`ConnectionInfo`](crate::ConnectionInfo) from the connection when its handshake is complete, and
/// insert it into the extensions of every request on that connection. It must say which certificate *this*
/// handshake presented. If the TLS stack cannot tell, leave the certificate names out. The layer then serves
/// only the server name, which is safe and refuses all coalescing.
///
/// # OpenSSL and BoringSSL
///
/// With the `openssl` crate, no feature of this crate is needed:
///
/// ```rust,ignore
#[doc = include_str!("openssl.rs")]
/// ```
///
/// With the `boring` crate, only one line differs:
///
/// ```rust,ignore
/// use boring::ssl::{NameType, SslRef};
/// ```
///
/// # How does the info reach the request?
///
/// In a loop over hyper, insert a clone into every request, as the example of
/// [`TlsAcceptor`](crate::TlsAcceptor) does. With `axum::serve`, implement axum's `Listener` for your listener
/// and `Connected` for a type of your own. Then let a middleware outside the layer copy the `ConnectionInfo`
/// from that type into the extensions.
pub mod other_tls_stacks {}

#[doc = include_str!("virtual_hosts.md")]
pub mod virtual_hosts {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("promises.md")]
pub mod promises {}

#[doc = include_str!("rules.md")]
pub mod rules {}

#[doc = include_str!("speed.md")]
#[doc = include_str!("speed.svg")]
#[doc = include_str!("speed_results.md")]
pub mod speed {}
