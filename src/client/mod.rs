//! Client middleware that repeats a misdirected request on another connection (RFC 9110 §15.5.20). The rest of this
//! crate is about servers, and shares nothing with this module.
//!
//! A server answers 421 when it cannot serve a request on the connection that the request came on. The remedy is to
//! repeat the request on another connection. Browsers do so by themselves; the HTTP clients of Rust hand the 421 to
//! the program. [`RetryMisdirectedLayer`] adds the repeat to hyper-util's
//! [`Client`](hyper_util::client::legacy::Client), and to every tower service around it:
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_rustls::HttpsConnectorBuilder;
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower::{Layer, Service, ServiceExt};
//! use tower_misdirected::client::RetryMisdirectedLayer;
//!
//! # async fn example(tls: rustls::ClientConfig) -> Result<(), Box<dyn std::error::Error>> {
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
//! # What is repeated
//!
//! If the response is a 421, the layer drops it unread and sends the request again, whatever its method. Method, URI,
//! version, header fields and extensions are those that the layer was given. The caller sees nothing of the first
//! response. If the repeat gets 421 too, the caller gets that response unchanged; if the repeat fails, the caller gets
//! the error.
//!
//! A request is repeated only if its body can be sent twice. The layer asks before it sends anything:
//!
//! - Bodies that are in memory can, and so can empty ones. [`RepeatBody`] lists the types.
//! - A stream cannot, so the caller gets the 421.
//! - [`RetryMisdirectedLayer::repeat_bodies`] takes a closure that decides for any other type of body.
//!
//! The layer never acts on the fields of a 421. In particular it ignores `Alt-Svc` (RFC 7838 §6).
//!
//! # Which connection the repeat goes out on
//!
//! Every connection that answered 421 is poisoned, also if no repeat follows: the client sends no further request on
//! it. Requests under way on a poisoned HTTP/2 connection complete.
//!
//! The repeat goes to the host and port of the URI, like the request itself. If the client's pool has an idle
//! connection for them, the client uses that one, and after a change on the server it may be as stale as the first
//! one. A refusal on such a connection does not count: the layer poisons that connection too and repeats the request
//! again, until a repeat went out on a connection that was not in the pool. It passes over up to
//! [`MAX_POOLED_REFUSALS`] pooled connections, and the next 421 goes to the caller.
//!
//! Over HTTP/2 the layer repeats a request once. The pool has one HTTP/2 connection for each host and port, so a
//! connection that it has after a refusal was opened after the connection that refused.
//!
//! # Limits
//!
//! - Without hyper-util's `Client` at the bottom there is no repeat, and the caller gets the 421. The same holds if a
//!   layer in between removes the extensions of requests.
//! - Put the layer directly around the client. A layer in between sees the request once per attempt. A layer that
//!   follows redirects must be outside: otherwise a 421 to the redirected request repeats the first request, which
//!   the server has processed.
//! - hyper-util does not say whether a connection was in the pool. The layer concludes it: the client takes a
//!   connection out of the pool as soon as it is polled, whereas a new connection has to wait for I/O. The layer makes
//!   sure of that wait by using up the [budget] that tokio gives the task for the poll.
//! - If a layer in between defers the call, such as tower's `Buffer` or one that awaits something of tokio before it
//!   calls the client, every connection counts as new. So there is one repeat, which may go out on a stale connection.
//!   The same happens if another request returns a stale connection to the pool while the repeat waits for a new one.
//! - If a request gets a connection of another request while the client opens one for it, the client finishes opening
//!   that one in the background. The repeat may get it, and it counts as new, although the handshake may be older
//!   than a change on the server. So shortly after a burst of first requests to a host, a 421 may reach the caller,
//!   also over HTTP/2.
//! - Outside a task of tokio, in a future that is [`unconstrained`], and with a connector that needs no I/O of tokio,
//!   such as one in memory, a new connection may count as one from the pool. Then a request that is always refused is
//!   sent more than twice, within the bound.
//! - On several threads, another request may take a connection out of the pool after the 421 arrived and before the
//!   layer poisons the connection. That request is refused too, and repeated in its turn.
//! - The layer captures the connection with
//!   [`capture_connection`](hyper_util::client::legacy::connect::capture_connection), and a request has room for one
//!   capture. A capture of the caller's own is replaced and stays empty. If the layer is applied twice, the inner one
//!   does the work.
//!
//! # Cost
//!
//! The client consumes a request as it sends it, so the layer has to copy the request before, although few copies are
//! ever used. A request costs one clone of its header fields and of its extensions, one capture of the connection, and
//! one clone of the inner service. Without fields and extensions, only the capture allocates. The octets of a body of
//! [`Bytes`](bytes::Bytes) are shared and not copied. A request whose body cannot be sent twice is not copied at all.
//!
//! # In a reverse proxy
//!
//! The layer can wrap the client of a reverse proxy. It does not change the URI, so the repeat goes to the same
//! upstream. A 421 of the upstream then reaches the client of the proxy only if a new connection was refused as well.
//!
//! Refuse the hosts that the proxy does not serve before it sends anything upstream, for instance with
//! [`MisdirectedLayer::allowed_hosts`](crate::MisdirectedLayer::allowed_hosts). An upstream that answers 421 to a
//! foreign `Host` makes every such request cost the pool its idle connections and at least one handshake. So a few
//! requests of an attacker would keep the proxy connecting.
//!
//! A gateway may pass on a 421 of its upstream, as an origin server's answer. A forward proxy must not generate one
//! (RFC 9110 §15.5.20).
//!
//! # Security
//!
//! - A 421 says that the server did not process the request on this connection, so repeating a `POST` is safe, and
//!   RFC 9110 §15.5.20 allows it for every method. The layer takes the word of whoever answers. If a server processes
//!   a request and answers 421 all the same, or if an intermediary makes a 421 of another response, the request takes
//!   effect twice. If you cannot rule that out, send what must not take effect twice with a client without the layer.
//! - The repeat goes to the same URI, and the new connection passes the same checks of the server's certificate. A 421
//!   cannot send a request, or the credentials in it, anywhere else.
//! - A server that always answers 421 gets each request twice. It may get one more copy for each connection that it
//!   left idle in the client's pool, up to [`MAX_POOLED_REFUSALS`], and each of them serves for that once.
//!   The request itself opens at most one connection more than without the layer. Later requests open the connections
//!   that replace the poisoned ones.
//! - The body of a refused response is dropped unread, so a server cannot hold up the repeat with it. Over HTTP/1 that
//!   closes the connection, over HTTP/2 it resets the stream.
//! - A server may refuse an upload before it has read all of it. The repeat does not wait for the rest. If the 421 over
//!   HTTP/1 has an empty body, hyper goes on sending the first upload, and the connection stays open until the server
//!   has read the upload or closes the connection.
//! - The layer sets no timeout. A timeout outside it covers all attempts together.
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
