//! Plaintext connections from gateways that send PROXY protocol headers: accepting one, the stream, and a listener.
//! The headers themselves live in `proxy_protocol`, and TLS connections in `tls`.

mod acceptor;
mod listener;
mod stream;

pub use self::listener::PlaintextListener;
pub use self::stream::PlaintextStream;
