//! TLS alerts as quinn reports them. The code that ends a handshake chooses the alert.

use quinn_proto::{TransportError, TransportErrorCode};

// RFC 8446 §6.2
pub(super) const UNEXPECTED_MESSAGE: u8 = 10;
pub(super) const HANDSHAKE_FAILURE: u8 = 40;
pub(super) const DECODE_ERROR: u8 = 50;
pub(super) const INTERNAL_ERROR: u8 = 80;
// RFC 7301 §3.2
pub(super) const NO_APPLICATION_PROTOCOL: u8 = 120;

/// Ends the connection with a TLS alert (RFC 9001 §4.8).
pub(super) fn alert(number: u8) -> TransportError {
    TransportError {
        code: TransportErrorCode::crypto(number),
        frame: None,
        reason: String::new(),
    }
}
