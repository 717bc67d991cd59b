//! The integration with quinn: TLS for HTTP/3. The parts that QUIC shares with TLS over TCP live in `handshake`.
//!
//! quinn starts a session before the ClientHello has arrived. So a session first collects CRYPTO frames, until the
//! ClientHello is complete and the configuration can be chosen.

mod alert;
mod client_hello;
mod handshake;
mod info;
mod server_hello;
mod session;
mod tls;

pub use self::tls::{QuicTls, QuicTlsError};
