//! Refuses a handshake because of its server name. rustls reports other failures of a handshake.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::handshake::{Ended, UNRECOGNIZED_NAME};

/// Tells the client that no virtual host matches its server name (RFC 6066 §3). The alert is not encrypted, because no
/// keys have been negotiated yet.
pub(super) async fn refuse<IO: AsyncWrite + Unpin>(
    mut io: IO,
    server_name: Option<String>,
) -> io::Error {
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    let alert = [ALERT, 3, 3, 0, 2, FATAL, UNRECOGNIZED_NAME];
    let sent = async {
        io.write_all(&alert).await?;
        io.shutdown().await
    };
    match sent.await {
        Ok(()) => Ended::UnrecognizedName(server_name).into(),
        Err(error) => error,
    }
}
