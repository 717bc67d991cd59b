//! x
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod authority;
mod certificate;
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

pub use self::answer::{EmptyBody, Json, ProblemJson, Responder};
pub use self::authority::EffectiveAuthority;
pub use self::certificate::CertificateNames;
pub use self::connection::{ConnectionInfo, ConnectionInfoBuilder, TlsVersion};
pub use self::future::ResponseFuture;
pub use self::host::Host;
pub use self::layer::{InvalidHostPattern, MisdirectedLayer};
pub use self::rejection::{Malformed, Rejection};
pub use self::report::{Outcome, Verdict};
pub use self::service::Misdirected;
pub use self::verdict::Coalescing;

#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub use self::acceptor::{TlsAcceptor, TlsStream};
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::extract::{MalformedAuthority, MissingConnectionInfo};
#[cfg(all(feature = "axum", feature = "rustls"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "axum", feature = "rustls"))))]
pub use self::listener::TlsListener;
