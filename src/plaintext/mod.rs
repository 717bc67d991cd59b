//! Plaintext connections from gateways that send PROXY protocol headers: the acceptor, the stream, and the listener.
//! The headers live in `proxy_protocol`, and TLS connections live in `tls`.

mod acceptor;
mod listener;
mod stream;

pub use self::listener::PlaintextListener;
pub use self::stream::PlaintextStream;
