use std::io;

use boring::ssl::Ssl;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_boring::{SslStream, SslStreamBuilder};

/// Performs the handshake with tokio-boring.
pub async fn handshake<IO>(ssl: Ssl, io: IO) -> io::Result<SslStream<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let accepted = SslStreamBuilder::new(ssl, io).accept().await;
    accepted.map_err(|error| io::Error::other(error.to_string()))
}
