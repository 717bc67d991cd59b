//! TLS over TCP: the acceptor, the stream it returns, and the listener that accepts both. What QUIC has in common
//! with it lives in `handshake`.

mod accepting;
mod acceptor;
mod addresses;
mod draining;
mod endings;
mod frames;
#[cfg(feature = "proxy-protocol")]
mod header;
mod inner;
mod lingering;
mod listener;
mod pending;
mod refuse;
mod stream;
mod turn;

pub use self::acceptor::TlsAcceptor;
pub use self::addresses::Addresses;
pub use self::inner::InnerListener;
#[cfg(feature = "axum")]
pub(crate) use self::inner::Sealed;
pub use self::listener::TlsListener;
pub use self::stream::TlsStream;
