use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::Connect};
use hyper_util::rt::TokioExecutor;
use tower::Layer;
use tower_misdirected::client::{RetryMisdirected, RetryMisdirectedLayer};

/// Creates a client that repeats a request on a fresh connection if the server answers 421.
pub fn client<C: Connect + Clone>(connector: C) -> RetryMisdirected<Client<C, Full<Bytes>>> {
    let client = Client::builder(TokioExecutor::new()).build(connector);
    RetryMisdirectedLayer::new().layer(client)
}
