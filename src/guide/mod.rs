//! A guide with one page for each question.
//!
//! - [What do I add to my server?](servers)
//! - [How do I serve HTTPS, and renew the certificate?](certificates)
//! - [How do I serve hosts that differ in TLS?](virtual_hosts)
//! - [How do I protect a host with client certificates?](client_certificates)
//! - [What can I change while the server runs?](changing)
//! - [How do I serve gRPC?](grpc)
//! - [How do I serve HTTP/3?](http3)
//! - [How do I use OpenSSL, BoringSSL or another TLS stack?](other_tls_stacks)
//! - [How do I serve behind a proxy or CDN?](proxies)
//! - [How do I replace a host check that I already have?](migrating)
//! - [What does a refused client see?](answers)
//! - [What do clients do with a 421?](clients)
//! - [How do I roll this out?](rolling_out)
//! - [I get 421s: what now?](troubleshooting)
//! - [What does this error mean?](errors)
//! - [What does the layer promise, and what is my part?](promises)
//! - [Which rules does the layer follow?](rules)
//! - [What does the layer cost?](speed)

#[doc = include_str!("servers.md")]
///
/// ## salvo, warp and poem
///
/// Serve these frameworks in a loop over hyper, because their own TLS listeners provide no
/// [`ConnectionInfo`](crate::ConnectionInfo). The layer is outside the framework, and handlers read the connection from
/// the extensions of the request. [The loop over hyper](#hyper) also shuts down gracefully.
///
/// With salvo, whose function for hyper is hidden in salvo's documentation:
///
/// ```rust,ignore
#[doc = include_str!("salvo.rs")]
/// ```
///
/// With warp:
///
/// ```rust,ignore
#[doc = include_str!("warp.rs")]
/// ```
///
/// With poem. The body type of poem's responses for hyper cannot be made from bytes, so
/// [`json`](crate::MisdirectedLayer::json) does not fit. poem's own adapter for tower layers does not fit either,
/// because it passes requests of poem's type:
///
/// ```rust,ignore
#[doc = include_str!("poem.rs")]
/// ```
pub mod servers {}

#[doc = include_str!("grpc.md")]
pub mod grpc {}

#[doc = include_str!("http3.md")]
///
/// ## `bridge`
///
/// Copy this file to `src/bridge.rs`. The repository's example `http3` uses it, and so do the tests of this crate. For a
/// loop of your own, take `serve_connection`.
///
/// ```rust,ignore
#[doc = include_str!("../../examples/http3/bridge.rs")]
/// ```
pub mod http3 {}

#[doc = include_str!("certificates.md")]
#[doc = include_str!("acme.rs")]
/// ```
///
/// This order works:
///
/// 1. Make an `AcmeState` for the names, with a cache on disk. Without one, every start orders new certificates.
/// 2. Make the configurations of the hosts, and the virtual hosts.
/// 3. Make the acceptor, and the listener from it. Accept connections.
/// 4. Poll the `AcmeState` in a task. Before it has a certificate, handshakes for its names fail.
///
/// Renewal happens inside the configuration, so it causes no 421 and ends no connection.
///
/// Without `acme_challenges`, the resolver answers challenges by itself, if the configuration of the host offers
/// `h2`, `http/1.1` and `acme-tls/1` and does not require client certificates. A challenge for an IP address has a
/// server name such as `1.2.0.192.in-addr.arpa` (RFC 8738 §6), which no virtual host has, so it needs `acme_challenges`.
pub mod certificates {}

/// # How do I use OpenSSL, BoringSSL or another TLS stack?
///
/// Build a [`ConnectionInfo`](crate::ConnectionInfo) when the handshake of a connection is complete, and insert it
/// into the extensions of every request on that connection. The info must say which certificate *this* handshake
/// presented, and which TLS configuration accepted the connection:
///
/// | your server has | what to do |
/// |---|---|
/// | one context for every connection | call [`single_tls_config`](crate::ConnectionInfoBuilder::single_tls_config) |
/// | several contexts, chosen by server name | put them into [`VirtualHosts`](crate::VirtualHosts) and follow [the recipe](#several-contexts-with-openssl-or-boringssl) |
/// | a TLS stack that says less | [leave out what you do not know](#what-must-another-tls-stack-do) |
///
/// ## One context
///
/// ```
/// use tower_misdirected::{CertificateNames, ConnectionInfo};
///
/// /// Describes a connection to a server with a single context.
/// fn connection_info(server_name: Option<&str>, dns_names: &[&str]) -> ConnectionInfo {
///     ConnectionInfo::tls()
///         .server_name(server_name)
///         .certificate_names(CertificateNames::from_sans(dns_names, [])) // of the presented certificate
///         .single_tls_config()
///         .build()
/// }
/// ```
///
/// Do not call `single_tls_config` if a callback can change the context or what it requires. A connection for one
/// host would then reach the other hosts without the checks of their handshakes.
///
/// ## Several contexts, with OpenSSL or BoringSSL
///
/// Call `bind_sessions` for every context before you build it. Build
/// [`VirtualHosts<SslContext>`](crate::VirtualHosts) from the contexts, and a `selector` from the virtual hosts.
/// Hosts that share an `Arc<SslContext>` share connections. For every connection, call `select`, perform the
/// handshake, and call `connection_info`. Put a time limit around `select` and the handshake.
///
/// ```rust,ignore
#[doc = include_str!("openssl.rs")]
/// ```
///
/// `select` returns an `Ssl` and a stream. With tokio-openssl, perform the handshake like this:
///
/// ```rust,ignore
#[doc = include_str!("tokio_openssl.rs")]
/// ```
///
/// With the `boring` crate, replace `openssl` by `boring` in the imports of the recipe. With tokio-boring, perform the
/// handshake like this:
///
/// ```rust,ignore
#[doc = include_str!("tokio_boring.rs")]
/// ```
///
/// ### With axum-server
///
/// Implement axum-server's `Accept` with the functions of the recipe:
///
/// ```rust,ignore
#[doc = include_str!("axum_server_openssl.rs")]
/// ```
///
/// Then serve with `.acceptor(OpensslAcceptor::new(selector))`. The features `rustls` and `axum-server` of this crate
/// are not needed.
///
/// ### What the recipe cannot do
///
/// The recipe does not work with an acceptor that takes a single `SslAcceptor` and performs the handshake itself.
///
/// ### Why does the recipe not call `set_ssl_context`?
///
/// `set_ssl_context` changes the certificate of a handshake that has begun under another context. These parts do not
/// change:
///
/// | what | OpenSSL 3 | BoringSSL |
/// |---|---|---|
/// | whether a client certificate is required | that of the first context | that of the first context |
/// | TLS versions and the verify callback | those of the first context | those of the first context |
/// | sessions, in a callback for the server name | a session of one host resumes for every other host | the same, unless every context has its own session id context |
///
/// So a client without a certificate could open a connection for a host that requires one. In the recipe, the
/// selected context performs the whole handshake.
///
/// ### What happens to sessions?
///
/// A resumed handshake does not check the client certificate again. So a session must only resume under the context
/// under which it began. Two things ensure that in the recipe:
///
/// - Each `SslContext` has its own session cache and its own ticket keys.
/// - `bind_sessions` gives each context a random session id context. Contexts then keep their sessions apart even if
///   you give them the same ticket keys or an external cache. OpenSSL needs the session id context in any case to
///   resume sessions with client certificates.
///
/// A resumed session keeps its client certificate, but may lack the intermediate certificates.
///
/// Sessions end with the process, because the session id context is random. If several machines share ticket keys
/// and must resume each other's sessions, set the session id context yourself, to at most 32 octets. Use one value for
/// each context, the same on every machine, and a new value whenever the context changes. The
/// [id of a configuration](crate::VirtualHostsBuilder::config_id) is such a value. Setting the id alone affects only
/// requests, because this crate does not see the sessions of another TLS stack.
///
/// ### What happens when I replace a context?
///
/// Call [`VirtualHosts::replace`](crate::VirtualHosts::replace) with a new `SslContext`. Open connections answer 421
/// for the hosts that have a new context, and sessions of the old context do not resume. The recipe keeps the
/// selection of the handshake, so a replacement after the handshake does not let a request through.
///
/// ## What must another TLS stack do?
///
/// The same applies to s2n-tls, native-tls and every other stack:
///
/// - Call [`VirtualHosts::select`](crate::VirtualHosts::select) *during* the handshake, and use the configuration
///   that it returns for the whole handshake. Keep the selection for
///   [`ConnectionInfoBuilder::selection`](crate::ConnectionInfoBuilder::selection).
/// - If `select` returns `None`, refuse the handshake with the alert `unrecognized_name`.
/// - A session must resume only under the configuration under which it began. If you cannot ensure that, turn
///   resumption off.
/// - Pass a client certificate only if the handshake has verified it, or the handshake that began the session.
/// - Say whether the handshake [resumed](crate::ConnectionInfoBuilder::resumed) a session, because handlers may ask.
/// - If you cannot tell which certificate the handshake presented, leave the certificate names out. If you cannot
///   tell which configuration accepted the connection, call neither `selection` nor `single_tls_config`. In both
///   cases the layer serves only the server name, and refuses all coalescing. That is safe only if the handshake
///   used the configuration of the server name, sessions included.
///
/// native-tls has one certificate for each acceptor and no callback for the server name. If a server has a single
/// native-tls acceptor, it has one context.
///
/// ## Which hosts will get 421s?
///
/// Call [`VirtualHosts::overlaps_by`](crate::VirtualHosts::overlaps_by) with a function that returns the certificate
/// names of a context. The method lists the hosts that browsers will coalesce although their contexts differ.
///
/// ## How does the info reach the request?
///
/// In a loop over hyper, insert a clone into the extensions of every request, as in [the loop over
/// hyper](crate::guide::servers#hyper). With `axum::serve`, implement axum's `Listener` for your listener
/// and `Connected` for a type of your own. Then let a middleware outside the layer copy the `ConnectionInfo`
/// from that type into the extensions.
pub mod other_tls_stacks {}

#[doc = include_str!("virtual_hosts.md")]
///
/// ## The life of a connection
///
#[doc = include_str!("connection.svg")]
pub mod virtual_hosts {}

#[doc = include_str!("client_certificates.md")]
pub mod client_certificates {}

#[doc = include_str!("changing.md")]
pub mod changing {}

#[doc = include_str!("clients.md")]
///
/// ### hyper-util
///
/// ```toml
/// [dependencies]
/// bytes = "1"
/// http = "1"
/// http-body-util = "0.1"
/// hyper-rustls = { version = "0.27", default-features = false, features = ["http1", "http2", "ring", "tls12"] }
/// hyper-util = { version = "0.1", features = ["client-legacy", "http1", "http2", "tokio"] }
/// rustls = { version = "0.23", default-features = false, features = ["ring", "std", "tls12"] }
/// tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
/// tower = { version = "0.5", features = ["util"] }
/// tower-misdirected = { version = "0.1", features = ["client"] }
/// ```
///
/// Wrap the client in [`RetryMisdirectedLayer`](crate::client::RetryMisdirectedLayer). Its
/// [module](crate::client) shows the connector and a request:
///
/// ```rust,ignore
#[doc = include_str!("hyper_util.rs")]
/// ```
///
/// If a connection refuses a request, the layer removes the connection from the pool. With the body type `Full<Bytes>`
/// every request can be repeated. For other types, see [`RepeatBody`](crate::client::RepeatBody). The example
/// `reverse_proxy` has bodies of which some can be repeated and others are streams.
///
/// ### reqwest
///
/// Send the repeat through a second [`reqwest::Client`](https://docs.rs/reqwest) that keeps no connections. The recipe
/// works with reqwest 0.12 and 0.13:
///
/// ```toml
/// [dependencies]
/// # In 0.13, the feature is `rustls`.
/// reqwest = { version = "0.12", default-features = false, features = ["http2", "rustls-tls"] }
/// ```
///
/// ```rust,ignore
#[doc = include_str!("reqwest.rs")]
/// ```
///
/// Build a request with [`Request::new`](https://docs.rs/reqwest/0.13/reqwest/struct.Request.html), or with any
/// `reqwest::Client`, and pass it to `execute`:
///
/// ```rust,ignore
/// let client = RepeatingClient::new(reqwest::Client::builder)?;
/// let request = reqwest::Client::new().post("https://www.example.com/").body("hello").build()?;
/// let response = client.execute(request).await?;
/// ```
///
/// - The first client keeps an HTTP/2 connection that has refused a request. Until the server ends that connection,
///   every request to the host gets a 421 first, and the repeat costs a handshake. A server with this crate sends
///   GOAWAY.
/// - The recipe does not follow redirects. reqwest returns the last response only, so a 421 after a redirect would make
///   the recipe repeat a request that the server has already processed. Follow a redirect with another call of
///   `execute`.
/// - The settings of both clients must be the same, so the recipe takes a function. To share cookies, pass the same
///   `cookie_provider`.
///
/// reqwest has nothing simpler:
///
/// - Its [retry policies](https://docs.rs/reqwest/0.13/reqwest/retry/) repeat a request through the same pool. Over
///   HTTP/2 the repeat goes to the connection that has refused the request, and over HTTP/1.1 possibly to another stale
///   one.
/// - It drops the extensions of a request, so the connection of a request cannot be captured and removed from the pool.
/// - Its `connector_layer` sees connections, but no responses.
///
/// ### tonic, over hyper-util's client
///
/// Let the generated client call hyper-util's client with the layer, in place of a `Channel`. A generated client takes
/// any service, and adds the scheme and the host: `GreeterClient::with_origin(service(connector), origin)`. Add these
/// lines to those for [hyper-util](#hyper-util). This crate's feature `tonic` lets the layer repeat tonic's bodies:
///
/// ```toml
/// [dependencies]
/// futures-util = "0.3"
/// hyper = "1"
/// tonic = "0.14"
/// tower-misdirected = { version = "0.1", features = ["client", "tonic"] }
/// ```
///
/// ```rust,ignore
#[doc = include_str!("tonic_client.rs")]
/// ```
///
/// - tonic's request body says neither whether it is a stream nor how long it is. The recipe reads the part of the body
///   that is ready, without waiting. The request of a unary or server-streaming call is ready as a whole.
/// - A stream whose next message is not ready yet goes to the server unchanged. If the server refuses it, the program
///   sees UNAVAILABLE.
/// - Set timeouts, keep-alive and other settings of an `Endpoint` with the builder of hyper-util's client and with
///   layers.
///
/// ### tonic, with a `Channel`
///
/// Open another `Channel`. A `Channel` has one connection, and keeps it after a 421. A `Channel` does not use
/// hyper-util's client, so the layer has no effect around it. The recipe needs only tonic:
///
/// ```toml
/// [dependencies]
/// tonic = { version = "0.14", features = ["tls-ring"] }
/// ```
///
/// ```rust,ignore
#[doc = include_str!("tonic_channel.rs")]
/// ```
///
/// Call it with the endpoint and a closure that makes the call:
///
/// ```rust,ignore
/// let answer = call(&mut channel, || endpoint.connect_lazy(), async |channel| {
///     GreeterClient::new(channel).say_hello(HelloRequest::default()).await
/// })
/// .await?;
/// ```
///
/// - The closure `call` creates the request, so it can create a stream again as well.
/// - Earlier clones of the `Channel` keep the old connection. So keep the channel in one place.
/// - tonic does not tell the program the HTTP status. The recipe recognizes the message of this crate's
///   [refusals](crate::guide::rules#c8-grpc). A bare 421 of another server is UNKNOWN to tonic.
pub mod clients {}

#[doc = include_str!("answers.md")]
pub mod answers {}

#[doc = include_str!("proxies.md")]
pub mod proxies {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}

#[doc = include_str!("rolling_out.md")]
pub mod rolling_out {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("promises.md")]
pub mod promises {}

#[doc = include_str!("rules_authority.md")]
///
#[doc = include_str!("verdict.svg")]
#[doc = include_str!("rules.md")]
pub mod rules {}

#[doc = include_str!("speed.md")]
#[doc = include_str!("speed.svg")]
#[doc = include_str!("speed_results.md")]
pub mod speed {}
