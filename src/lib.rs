//! Tower middleware that answers **421 Misdirected Request** (RFC 9110 §15.5.20) when a request's
//! authority cannot be served on the connection it arrived on.
//!
//! # The problem
//!
//! One server, one address, one certificate for `www.example.com` and `admin.example.com`; `admin` has
//! its own rules, say a client certificate. A browser opens an HTTP/2 connection for `www`, sees that the
//! certificate covers `admin` too, and sends the requests for `admin` *on the same connection*
//! (RFC 9113 §9.1.1). Whatever the handshake checks for `admin` has never run. The same happens with any
//! client that says one name in its TLS handshake (SNI) and another in `Host`.
//!
//! The right answer is 421: the client then retries on a connection of its own, whatever the method.
//! Browsers do so by themselves, and the page rarely notices: [`guide::clients`] tells what each client does.
//!
//! # Two mistakes
//!
//! - *Not to look.* Then an open connection is a way around the handshake's checks. nginx, Apache httpd
//!   and Traefik have all had CVEs of that kind.
//! - *To compare `Host` with SNI as strings.* Then every request that a browser coalesced legitimately
//!   is refused, and so are ports, capitals, trailing dots and IP addresses.
//!
//! The default here is neither. It asks whether this connection is *as good as* the one that the host
//! would have got by itself: does the certificate that this handshake presented cover the host, and is its
//! TLS configuration the host's? See [`Coalescing`] for the other levels.
//!
//! # How to use it
//!
//! A listener, or an acceptor, that records what each handshake presented, and a layer that reads it:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use axum::{Router, routing::get};
//! use tower_misdirected::{ConnectionInfo, EffectiveAuthority, MisdirectedLayer, TlsListener};
//!
//! # async fn serve(config: rustls::ServerConfig) -> std::io::Result<()> {
//! let app = Router::new()
//!     .route("/", get(|authority: EffectiveAuthority| async move {
//!         format!("hello from {}", authority.host()) // the very name that was judged
//!     }))
//!     .layer(MisdirectedLayer::new().json());
//!
//! let listener = TlsListener::bind("0.0.0.0:443", Arc::new(config)).await?;
//! axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await
//! # }
//! ```
//!
//! # Virtual hosts
//!
//! Where hosts differ in TLS, because one asks for client certificates or each has its own certificate,
//! give the acceptor [`VirtualHosts`]. They choose the configuration of each handshake by its server
//! name, and the layer asks the same virtual hosts about every request:
//!
//! ```
//! use std::sync::Arc;
//!
//! use rustls::ServerConfig;
//! use tower_misdirected::{TlsAcceptor, VirtualHosts, VirtualHostsError};
//!
//! fn acceptor(
//!     public: Arc<ServerConfig>,
//!     mutual_tls: Arc<ServerConfig>,
//! ) -> Result<TlsAcceptor, VirtualHostsError> {
//!     let hosts = VirtualHosts::builder()
//!         .host("www.example.com", public.clone())
//!         .host("*.example.com", public) // shares its connections with www
//!         .host("admin.example.com", mutual_tls) // asks for client certificates
//!         .build()?;
//!     Ok(hosts.into())
//! }
//! ```
//!
//! A handler of `admin.example.com` now never runs without a client certificate. The virtual hosts can be
//! [replaced](VirtualHosts::replace) while the server runs, and
//! [tell beforehand](VirtualHosts::overlaps) where 421s will come from.
//!
//! # What the client gets
//!
//! A refusal is a response with `Cache-Control: no-store` and, if asked for, a JSON body. It tells the
//! client nothing about the server; the reason goes to the operator, as a [`Rejection`] in the response's
//! extensions, to a [callback](MisdirectedLayer::on_verdict) and as a `tracing` event.
//!
//! # Tests
//!
//! In tests, which have no connections, make a [`ConnectionInfo`] by hand:
//!
//! ```
//! use axum::{Extension, Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt;
//! use tower_misdirected::{CertificateNames, ConnectionInfo, MisdirectedLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = ConnectionInfo::tls()
//!     .server_name("www.example.com")
//!     .certificate_names(CertificateNames::from_sans(["www.example.com", "api.example.com"], []))
//!     .build();
//! let app = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(MisdirectedLayer::new().json())
//!     .layer(Extension(connection));
//!
//! let get = |host: &str| Request::get("/").header("host", host).body(Body::empty());
//!
//! assert_eq!(app.clone().oneshot(get("api.example.com")?).await?.status(), 200);
//! assert_eq!(app.clone().oneshot(get("admin.example.com")?).await?.status(), 421);
//! # Ok(())
//! # }
//! ```
//!
//! # Which server am I using?
//!
//! | your server | what to add | feature |
//! |---|---|---|
//! | `axum::serve` | [`TlsListener`] | `axum`, `rustls` |
//! | axum-server | [`TlsAcceptor`] as its acceptor | `axum-server` |
//! | a loop over hyper | [`TlsAcceptor::accept`] | `rustls` |
//! | HTTP/3 with quinn and h3 | [`QuicTls`], then [`ConnectionInfo::from_quinn`] | `quinn` |
//! | another TLS stack | a [`ConnectionInfo`] made by hand | none |
//! | plain HTTP | [`Coalescing::Unchecked`] with [`allowed_hosts`](MisdirectedLayer::allowed_hosts) | none |
//!
//! [`guide::servers`] has each of them in full, proxies included; [`guide::virtual_hosts`] is for hosts that
//! differ in TLS, and [`guide::troubleshooting`] goes by symptom.
//!
//! # Where to put the layer
//!
//! Outside everything that routes, authenticates or reads `Host`. In axum `.layer()` covers the routes and
//! the fallback that were added before it, and none added after.
//!
//! The layer is for origin servers and for gateways. A forward proxy must not send 421
//! (RFC 9110 §15.5.20).
//!
//! # What is promised
//!
//! - A handler never sees another name than the one that was judged: conflicting names are answered 400, or
//!   the `Host` field is replaced where the request target overrides it (RFC 9112 §3.2.2).
//!   [`EffectiveAuthority`] is that name. `Forwarded` and `X-Forwarded-Host` are never read.
//! - At the default level and above, a request is served under the TLS configuration that its host has now.
//!   So no handler of a host that requires client certificates runs without one, whether the client
//!   coalesces, resumes a session or sends 0-RTT data, over HTTP/1, 2 or 3.
//! - Without connection info a request is answered 500, never served unchecked.
//! - A refused request does not reach the inner service, and its body is not read.
//! - A request that passes costs no allocation, and no more with ten thousand names or hosts than with one.
//! - No `unsafe` code.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `tracing` | yes | an event for every refusal, with OpenTelemetry's field names |
//! | `axum` | | extractors; with `rustls`, [`TlsListener`] |
//! | `rustls` | | [`TlsAcceptor`], [`VirtualHosts`], and reading the names of certificates |
//! | `axum-server` | | [`TlsAcceptor`] for axum-server; implies `rustls` |
//! | `quinn` | | [`QuicTls`] for HTTP/3; implies `rustls` |
//!
//! No feature chooses a crypto provider.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The crate page links to what features add.
#![cfg_attr(
    not(all(feature = "axum-server", feature = "axum", feature = "quinn")),
    allow(rustdoc::broken_intra_doc_links)
)]

mod answer;
mod authority;
mod certificate;
mod config;
mod connection;
mod future;
mod host;
mod layer;
mod names;
mod rejection;
mod report;
mod service;
mod verdict;

#[cfg(feature = "rustls")]
mod acceptor;
#[cfg(feature = "axum-server")]
mod axum_server;
#[cfg(feature = "axum")]
mod extract;
#[cfg(all(feature = "axum", feature = "rustls"))]
mod listener;
#[cfg(feature = "quinn")]
mod quic;
#[cfg(feature = "rustls")]
mod virtual_hosts;

// Nothing but documentation, with examples that need every feature.
#[cfg(all(
    any(doc, doctest),
    feature = "axum-server",
    feature = "axum",
    feature = "quinn"
))]
#[cfg_attr(docsrs, doc(auto_cfg = false))]
pub mod guide;

/// The README's examples compile too.
#[cfg(all(doctest, feature = "axum-server", feature = "axum", feature = "quinn"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub use self::answer::{EmptyBody, Json, ProblemJson, Responder};
pub use self::authority::EffectiveAuthority;
pub use self::certificate::CertificateNames;
pub use self::config::ConfigError;
pub use self::connection::{ConnectionInfo, ConnectionInfoBuilder, TlsVersion};
pub use self::future::ResponseFuture;
pub use self::host::Host;
pub use self::layer::MisdirectedLayer;
pub use self::rejection::{Malformed, Rejection};
pub use self::report::{Outcome, Verdict};
pub use self::service::Misdirected;
pub use self::verdict::Coalescing;

#[cfg(feature = "rustls")]
pub use self::acceptor::{TlsAcceptor, TlsStream};
#[cfg(feature = "axum")]
pub use self::extract::{MalformedAuthority, MissingConnectionInfo};
#[cfg(all(feature = "axum", feature = "rustls"))]
pub use self::listener::TlsListener;
#[cfg(feature = "quinn")]
pub use self::quic::{QuicTls, QuicTlsError};
#[cfg(feature = "rustls")]
pub use self::virtual_hosts::{
    InvalidName, Overlap, VirtualHost, VirtualHosts, VirtualHostsBuilder, VirtualHostsError,
};
