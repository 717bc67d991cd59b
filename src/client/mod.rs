//! Client middleware that repeats a misdirected request on another connection (RFC 9110 §15.5.20). The rest of this
//! crate is for servers, and shares no code with this module.
//!
//! If a server cannot serve a request on the connection it arrived on, the server answers 421. The client should then
//! repeat the request on another connection. Browsers do this by themselves, but Rust's HTTP clients return the 421 to
//! the caller. [`RetryMisdirectedLayer`] adds the repeat to hyper-util's [`Client`](hyper_util::client::legacy::Client)
//! and to tower services around it:
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_rustls::HttpsConnectorBuilder;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{Layer, Service, ServiceExt};
//! use tower_misdirected::client::RetryMisdirectedLayer;
//!
//! # async fn example(roots: rustls::RootCertStore) -> Result<(), Box<dyn std::error::Error>> {
//! // `roots` has the certificate authorities that the client trusts.
//! let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
//! let https = HttpsConnectorBuilder::new()
//!     .with_tls_config(tls)
//!     .https_only()
//!     .enable_all_versions()
//!     .build();
//! let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(https);
//! let mut client = RetryMisdirectedLayer::new().layer(client);
//!
//! let request = Request::post("https://app.example/orders").body(Full::from("one of each"))?;
//! let response = client.ready().await?.call(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`guide::clients`](crate::guide::clients#hyper-util) has the `[dependencies]`, and says how to see a repeat.
//!
//! # Repeated requests
//!
//! If the response is a 421, the layer drops it unread and sends the request again, whatever the method. The repeat has
//! the same method, URI, version, header fields and extensions. The caller does not see the first response. If a repeat
//! on a new connection also gets 421, the caller gets that response unchanged. If the repeat fails, the caller gets the
//! error.
//!
//! The layer repeats a request only if its body can be sent twice. The layer decides this before it sends anything:
//!
//! - Bodies in memory and empty bodies can be sent twice. [`RepeatBody`] lists the types.
//! - A stream cannot be sent twice, so the caller gets the 421.
//! - For any other type of body, pass a closure to [`RetryMisdirectedLayer::repeat_bodies`].
//!
//! The layer ignores the header fields of a 421, including `Alt-Svc` (RFC 7838 §6).
//!
//! # The connection of the repeat
//!
//! The layer poisons every connection that answered 421, even if no repeat follows: the client sends no further request
//! on it. Open requests on a poisoned HTTP/2 connection complete.
//!
//! The repeat goes to the same host and port. If the client's pool has an idle connection to them, the client uses the
//! idle connection. After a change on the server, that connection may be as stale as the first connection. So a refusal
//! on a pooled connection does not count: the layer poisons this connection too, and repeats the request again, until a
//! repeat is sent on a new connection. After [`MAX_POOLED_REFUSALS`] refusals on pooled connections, the caller gets
//! the next 421.
//!
//! Over HTTP/2, the layer repeats a request only once. The pool has one HTTP/2 connection for each host and port, so
//! after a refusal, a pooled connection is newer than the connection that refused (but see [Limits](#limits)).
//!
//! # Limits
//!
//! - Without hyper-util's `Client` as the innermost service, there is no repeat, and the caller gets the 421. The same
//!   happens if a layer in between removes the extensions of requests.
//! - Put the layer directly around the client. A layer in between sees the request once per attempt. A layer that
//!   follows redirects must be outside. Otherwise a 421 to the redirected request repeats the first request, which the
//!   server has already processed.
//! - hyper-util does not tell whether a connection was in the pool, so the layer infers it: the client takes a pooled
//!   connection in its first poll, but a new connection has to wait for I/O. To enforce this wait, the layer uses up
//!   the [budget] that tokio gives the task for the poll.
//! - If a layer in between defers the call, every connection counts as new. Examples are tower's `Buffer`, and a layer
//!   that awaits a tokio resource before it calls the client. There is then only one repeat, which may be sent on a
//!   stale connection. The repeat may also be sent on a stale connection if another request returns a stale connection
//!   to the pool while the repeat waits for a new connection.
//! - While the client opens a connection for a request, the request may get a pooled connection instead. The client
//!   then finishes opening the connection in the background. A repeat may get this connection, which counts as new,
//!   although its handshake may be older than a change on the server. So shortly after a burst of first requests to a
//!   host, a 421 may reach the caller, also over HTTP/2.
//! - A new connection may count as pooled outside a tokio task, in an [`unconstrained`] future, and with a connector
//!   that uses no tokio I/O, such as an in-memory connector. A request that is always refused is then sent more than
//!   twice, within the bound.
//! - With several threads, another request may take a connection from the pool after the 421 has arrived and before the
//!   layer poisons the connection. That request is refused and repeated too.
//! - The layer uses [`capture_connection`](hyper_util::client::legacy::connect::capture_connection), and a request can
//!   have only one capture. If the caller has captured the connection, the layer replaces the capture, which then stays
//!   empty. If the layer is applied twice, only the inner layer repeats requests.
//!
//! # Cost
//!
//! The client consumes a request when it sends it, so the layer copies every request first. This costs one clone of the
//! header fields and of the extensions, one capture of the connection, and one clone of the inner service. Without
//! header fields and extensions, only the capture allocates. A body of [`Bytes`](bytes::Bytes) is shared and not
//! copied. If the body cannot be sent twice, the layer does not copy the request.
//!
//! # In a reverse proxy
//!
//! The layer can wrap the client of a reverse proxy. It does not change the URI, so the repeat goes to the same
//! upstream. A 421 of the upstream then reaches the proxy's client only if the upstream refused a new connection too.
//!
//! The proxy should refuse unknown hosts before it sends a request upstream, for example with
//! [`MisdirectedLayer::allowed_hosts`](crate::MisdirectedLayer::allowed_hosts). Otherwise, if the upstream answers 421
//! to an unknown `Host`, every such request closes the idle connections in the pool and costs at least one handshake.
//! An attacker could keep the proxy busy with few requests.
//!
//! A gateway may forward a 421 of its upstream, because it is the answer of an origin server. A forward proxy must not
//! generate a 421 (RFC 9110 §15.5.20).
//!
//! # Security
//!
//! - A 421 means that the server did not process the request, so repeating a `POST` is safe, and RFC 9110 §15.5.20
//!   allows it for every method. The layer trusts the 421. If a server processes a request and nevertheless answers
//!   421, or if an intermediary turns another response into a 421, the request takes effect twice. If this can happen,
//!   use a client without the layer for requests that must not take effect twice.
//! - The repeat goes to the same URI, and the client checks the server's certificate on the new connection in the same
//!   way. A 421 cannot redirect a request, or the credentials in it, to another server.
//! - A server that always answers 421 gets each request twice. Over HTTP/1 it may get one more copy for each idle
//!   connection in the client's pool, up to [`MAX_POOLED_REFUSALS`]. Each of these connections is poisoned after one
//!   copy. A request opens at most one connection more than without the layer. Later requests must open new connections
//!   instead of the poisoned connections.
//! - The layer drops the body of a refused response unread, so a server cannot delay the repeat with a slow body. Over
//!   HTTP/1, this closes the connection. Over HTTP/2, it resets the stream.
//! - A server may refuse an upload before it has read all of it. The repeat does not wait for the rest of the upload.
//!   If a 421 over HTTP/1 has an empty body, hyper continues to send the first upload, and the connection stays open
//!   until the server has read the upload or closes the connection.
//! - The layer sets no timeout. A timeout outside the layer covers all attempts together.
//!
//! [budget]: https://docs.rs/tokio/1/tokio/task/coop/index.html
//! [`unconstrained`]: https://docs.rs/tokio/1/tokio/task/fn.unconstrained.html

mod body;
mod budget;
mod future;
mod layer;
mod repeater;
mod service;
mod spare;

#[cfg(feature = "axum")]
mod axum_body;
#[cfg(feature = "tonic")]
mod tonic_body;

pub use self::body::RepeatBody;
pub use self::future::{MAX_POOLED_REFUSALS, ResponseFuture};
pub use self::layer::RetryMisdirectedLayer;
pub use self::repeater::{ByType, Repeater, RepeaterFn};
pub use self::service::RetryMisdirected;
