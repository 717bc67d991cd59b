//! Tower middleware that answers **421 Misdirected Request** (RFC 9110 §15.5.20) when a request's authority cannot be
//! served on the connection it arrived on. It works with axum, hyper, tonic and other servers, over HTTP/1, HTTP/2 and
//! HTTP/3.
//!
//! # The problem
//!
//! A server has one IP address and one certificate for `www.example.com` and `admin.example.com`. Only `admin` requires
//! a client certificate. A browser opens an HTTP/2 connection for `www`. The server's certificate also covers `admin`,
//! so the browser sends requests for `admin` *on the same connection* (RFC 9113 §9.1.1). The handshake never ran the
//! checks that `admin` requires. The same happens if a client sends one name in the TLS handshake (SNI) and another
//! name in `Host`.
//!
//! The right answer is 421: the client may retry on another connection, whatever the method. Browsers retry by
//! themselves. Rust clients on hyper-util retry with [`client::RetryMisdirectedLayer`]. [`guide::clients`] shows what
//! each tested client does.
//!
//! # Two mistakes
//!
//! - *No check.* nginx, Apache httpd and Traefik have all had CVEs of this kind.
//! - *Comparing `Host` with SNI as strings.* This refuses legitimately coalesced requests, IP addresses, and hosts with
//!   a port, capitals or a trailing dot.
//!
//! This crate makes neither mistake. By default the layer checks two things: the certificate that this handshake
//! presented covers the host, and the handshake used the TLS configuration of the host. See [`Coalescing`] for other
//! levels.
//!
//! # How to use it
//!
//! A listener or an acceptor records what each handshake presented, and the layer reads the record. This server uses
//! the two PEM files that certbot writes:
//!
//! ```toml
//! [dependencies]
//! axum = "0.8"
//! rustls = { version = "0.23", default-features = false, features = ["ring", "std", "tls12"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! tower-misdirected = { version = "0.1", features = ["axum", "pem"] }
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use tower_misdirected::{
//!     CertificateFiles, ConnectionInfo, EffectiveAuthority, MisdirectedLayer, TlsListener,
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let provider = rustls::crypto::ring::default_provider();
//!     provider.install_default().expect("this process has no provider yet");
//!
//!     let app = Router::new()
//!         .route("/", get(|authority: EffectiveAuthority| async move {
//!             format!("hello from {}", authority.host())
//!         }))
//!         .layer(MisdirectedLayer::new().json());
//!
//!     let certificate = CertificateFiles::open("fullchain.pem", "privkey.pem")?;
//!     certificate.watch(Duration::from_secs(60)); // presents the renewed certificate to new connections
//!     let config = certificate.server_config()?; // offers HTTP/2 and HTTP/1.1
//!     let listener = TlsListener::bind("0.0.0.0:8443", config).await?;
//!     axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await?;
//!     Ok(())
//! }
//! ```
//!
//! In production, listen on port 443, which [needs a privilege](guide::errors#when-a-listener-binds) on most systems.
//! The listener also takes an `Arc<rustls::ServerConfig>` of your own. See [`guide::certificates`].
//!
//! # Virtual hosts
//!
//! If hosts differ in their TLS configurations, for example in client authentication, pass [`VirtualHosts`] to the
//! acceptor. The acceptor looks up the server name of every handshake, and the layer looks up the host of every
//! request:
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
//!         .host("*.example.com", public) // may share connections with www
//!         .host("admin.example.com", mutual_tls) // requires client certificates
//!         .build()?;
//!     Ok(hosts.into())
//! }
//! ```
//!
//! Handlers of `admin.example.com` now never run without a client certificate. You can [replace](VirtualHosts::replace)
//! the virtual hosts while the server runs. Connections that become outdated
//! [end gracefully](guide::changing#outdated-connections), and their clients reconnect.
//! [`VirtualHosts::overlaps`] lists the pairs of hosts between which clients will get 421.
//!
//! # What the client gets
//!
//! A refusal is a response with `Cache-Control: no-store` and an optional JSON body; [`guide::answers`] shows every
//! kind of refusal in full. A refusal tells the client nothing about the server. The operator gets the reason as a
//! [`Rejection`] in the response's extensions, in a [callback](MisdirectedLayer::on_verdict), and as a `tracing` event.
//!
//! # Tests
//!
//! A test without connections builds a [`ConnectionInfo`] by hand:
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
//!     .single_tls_config()
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
//! | your server | what to add, and the feature |
//! |---|---|
//! | `axum::serve` | [`TlsListener`] (`axum`, `rustls`) |
//! | `axum::serve` over a Unix socket or another listener | [`TlsListener::over`] (`axum`, `rustls`) |
//! | axum-server | [`TlsAcceptor`] as its acceptor (`axum-server`) |
//! | a loop over hyper | [`TlsListener::accept`] (`rustls`) |
//! | tonic | [`TlsListener::into_incoming`] (`tonic`) |
//! | salvo, warp, poem | [`TlsListener::accept`], with [recipes](guide::servers#salvo-warp-and-poem) (`rustls`) |
//! | HTTP/3 with quinn and h3 | [`QuicTls`], then [`ConnectionInfo::from_quinn`] (`quinn`) |
//! | another TLS stack | [`VirtualHosts::select`], then a [`ConnectionInfo`] built by hand |
//! | TLS behind a load balancer that forwards TCP connections | [`TlsAcceptor::proxy_protocol`] (`proxy-protocol`) |
//! | plain HTTP that only this machine uses | [`MisdirectedLayer::loopback()`](MisdirectedLayer::loopback) |
//! | plain HTTP behind a proxy | [`MisdirectedLayer::behind_gateway`] (`axum` to list the gateways) |
//! | other plain HTTP | [`Coalescing::Unchecked`] with [`allowed_hosts`](MisdirectedLayer::allowed_hosts) |
//! | actix-web, Rocket, pingora | [a server or proxy in front](guide::servers#servers-that-take-no-tower-layer) |
//!
//! The [guide] has one page for each question. [`guide::servers`] shows each of these servers in full,
//! [`guide::rolling_out`] leads from reporting to enforcing, [`guide::troubleshooting`] leads from a 421 to its cause and
//! fix, [`guide::errors`] explains every error, and [`guide::rules`] states every rule of the layer.
//!
//! # Where to put the layer
//!
//! Put the layer outside everything that routes, authenticates or reads `Host`. In axum, `.layer()` covers only the
//! routes and the fallback that were added before it. A layer around the whole router covers all routes and costs less;
//! [`guide::speed`](guide::speed#which-form-in-axum) shows how.
//!
//! The layer is for origin servers and for gateways. A forward proxy must not send 421 (RFC 9110 §15.5.20).
//!
//! # Guarantees
//!
//! - The inner service sees only the authority that the layer judged, and handlers get it from [`EffectiveAuthority`].
//!   If a request names two hosts, the layer answers 400, or replaces `Host` if the request target overrides it
//!   (RFC 9112 §3.2.2). The layer never reads `Forwarded` or `X-Forwarded-Host`.
//! - With [`VirtualHosts`], at the default level and stricter levels, a request is served only under the current TLS
//!   configuration of its host. This holds for coalesced connections, resumed sessions and 0-RTT data, over every HTTP
//!   version.
//! - Without virtual hosts, open connections keep the TLS configuration that accepted them.
//! - If the layer needs connection info and a request has none, the layer answers 500.
//! - A refused request does not reach the inner service, and the layer does not read its body.
//! - A request that passes costs no allocation, unless the layer changes the request. The cost does not grow with the
//!   number of names or hosts.
//! - The crate has no `unsafe` code.
//!
//! A [report-only](MisdirectedLayer::report_only) layer refuses nothing, so it gives none of these guarantees. See
//! [`guide::promises`] for the full list, the tests, and your part.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `tracing`, on by default | a log event for every refusal, with bounded length; needs a subscriber such as tracing-subscriber |
//! | `axum` | extractors; with `rustls`, [`TlsListener`] for `axum::serve`, and axum's feature `http2` |
//! | `rustls` | [`TlsAcceptor`], [`TlsListener`], and reading the names of certificates |
//! | `pem` | [`CertificateFiles`]: certificates from PEM files, and their renewal; implies `rustls` |
//! | `axum-server` | [`TlsAcceptor`] for axum-server; implies `rustls` |
//! | `quinn` | [`QuicTls`] for HTTP/3; implies `rustls` |
//! | `proxy-protocol` | [`PlaintextListener`] and [`ProxyProtocol`]; with `rustls`, [`TlsAcceptor::proxy_protocol`] |
//! | `tonic` | [`TlsListener`] for tonic's server; implies `rustls` |
//! | `client` | [`client::RetryMisdirectedLayer`]: clients that repeat a request after a 421 |
//!
//! No feature chooses a crypto provider.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The crate page links to items that features add.
#![cfg_attr(
    not(all(
        feature = "axum-server",
        feature = "axum",
        feature = "client",
        feature = "pem",
        feature = "proxy-protocol",
        feature = "quinn",
        feature = "tonic"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

mod answer;
mod authority;
mod certificate;
mod config_id;
mod connection;
mod host;
mod layer;
mod malformed;
mod method_name;
mod network;
mod peers;
mod sync;
mod verdict;
mod virtual_hosts;

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "axum-server")]
mod axum_server;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "rustls")]
mod handshake;
#[cfg(any(feature = "rustls", feature = "proxy-protocol"))]
mod listening;
#[cfg(feature = "pem")]
mod pem;
#[cfg(feature = "proxy-protocol")]
mod plaintext;
#[cfg(feature = "proxy-protocol")]
mod proxy_protocol;
#[cfg(feature = "quinn")]
mod quic;
#[cfg(feature = "rustls")]
mod sessions;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(feature = "tonic")]
mod tonic;

// Documentation only. Its examples need every feature.
#[cfg(all(
    any(doc, doctest),
    feature = "axum-server",
    feature = "axum",
    feature = "client",
    feature = "pem",
    feature = "proxy-protocol",
    feature = "quinn",
    feature = "tonic"
))]
#[cfg_attr(docsrs, doc(auto_cfg = false))]
pub mod guide;

/// Compiles the examples of the README.
#[cfg(all(
    doctest,
    feature = "axum-server",
    feature = "axum",
    feature = "pem",
    feature = "quinn",
    feature = "tonic"
))]
#[doc = include_str!("../README.md")]
struct Readme;

pub use self::answer::{EmptyBody, JsonBody, ProblemJsonBody, Refusal, Responder, ResponderFn};
pub use self::authority::EffectiveAuthority;
pub use self::certificate::CertificateNames;
pub use self::connection::{ConnectionInfo, ConnectionInfoBuilder, Outdated, TlsVersion};
pub use self::host::Host;
pub use self::layer::{AllowedHosts, ConfigError, Misdirected, MisdirectedLayer, ResponseFuture};
pub use self::malformed::Malformed;
pub use self::peers::{Peers, PeersError};
pub use self::verdict::{Coalescing, Outcome, Rejection, Verdict};
pub use self::virtual_hosts::{
    InvalidName, Overlap, Selection, VirtualHost, VirtualHosts, VirtualHostsBuilder,
    VirtualHostsError,
};

#[cfg(feature = "axum")]
pub use self::axum::MissingConnectionInfo;
#[cfg(all(feature = "axum", any(feature = "rustls", feature = "proxy-protocol")))]
pub use self::axum::Over;
#[cfg(feature = "axum-server")]
pub use self::axum_server::WithConnectionInfo;
#[cfg(feature = "rustls")]
pub use self::handshake::{FailureReason, HandshakeFailure};
#[cfg(any(feature = "rustls", feature = "proxy-protocol"))]
pub use self::listening::{Addresses, BindError, InnerListener};
#[cfg(feature = "pem")]
pub use self::pem::{CertificateFiles, CertificateFilesError};
#[cfg(feature = "proxy-protocol")]
pub use self::plaintext::{PlaintextListener, PlaintextStream};
#[cfg(feature = "proxy-protocol")]
pub use self::proxy_protocol::ProxyProtocol;
#[cfg(feature = "quinn")]
pub use self::quic::{QuicTls, QuicTlsError};
#[cfg(feature = "rustls")]
pub use self::tls::{TlsAcceptor, TlsListener, TlsStream};
#[cfg(feature = "tonic")]
pub use self::tonic::TlsIncoming;
