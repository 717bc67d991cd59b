//! TLS over TCP: the acceptor, the stream that it returns, and the listener. The parts that QUIC shares live in
//! `handshake`.

mod accepting;
mod acceptor;
mod draining;
mod endings;
mod established;
mod frames;
#[cfg(feature = "proxy-protocol")]
mod header;
mod lingering;
mod listener;
mod refuse;
mod settings;
mod stream;
mod turn;

pub use self::acceptor::TlsAcceptor;
pub use self::listener::TlsListener;
pub use self::stream::TlsStream;
