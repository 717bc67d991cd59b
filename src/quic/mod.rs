//! The integration with quinn: TLS for HTTP/3. What QUIC has in common with TLS over TCP lives in `handshake`.
//!
//! quinn asks for a session before the ClientHello has arrived. So a session first only collects CRYPTO frames,
//! until the ClientHello is complete and chooses the configuration.

mod alert;
mod client_hello;
mod handshake;
mod info;
mod server_hello;
mod session;
mod tls;

pub use self::tls::{QuicTls, QuicTlsError};
