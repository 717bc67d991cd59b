//! The connection info of a QUIC connection. Recording the facts lives in `handshake`.

use super::handshake::HandshakeData;
use crate::connection::ConnectionInfo;

impl ConnectionInfo {
    /// Returns the facts about a QUIC connection, with the current address of the peer. The local address is unknown,
    /// because quinn does not tell its port.
    ///
    /// Returns `None` in two cases:
    ///
    /// - The crypto configuration of the endpoint is not a [`QuicTls`](crate::QuicTls).
    /// - The client is not known yet. After quinn's `into_0rtt`, the client is unknown until the handshake is complete
    ///   or has resumed a session with 0-RTT. No request arrives earlier, so call this method when the first request
    ///   has arrived.
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
