//! The connection info of a QUIC connection. What its handshake recorded lives in `handshake`.

use super::handshake::HandshakeData;
use crate::connection::ConnectionInfo;

impl ConnectionInfo {
    /// Describes a QUIC connection by its handshake, with the current address of its peer. The local address is
    /// unknown, because quinn does not tell its port.
    ///
    /// `None` in two cases:
    ///
    /// - the crypto configuration of the endpoint is not a [`QuicTls`](crate::QuicTls).
    /// - the client is not known yet. After quinn's `into_0rtt` that lasts until the handshake is complete, or has
    ///   resumed a session with 0-RTT. No request arrives before that, so call this when the first one has
    ///   arrived.
    ///
    /// ```
    /// use tower_misdirected::ConnectionInfo;
    ///
    /// async fn accept(incoming: quinn::Incoming) -> Result<(), quinn::ConnectionError> {
    ///     let connection = incoming.await?;
    ///     if let Some(info) = ConnectionInfo::from_quinn(&connection) {
    ///         println!("for {:?}", info.server_name());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn from_quinn(connection: &quinn::Connection) -> Option<Self> {
        let data = connection
            .handshake_data()?
            .downcast::<HandshakeData>()
            .ok()?;
        let mut facts = data.client_is_known.then_some(data.facts)?;
        facts.peer_addr = Some(connection.remote_address());
        Some(Self::new(facts))
    }
}
