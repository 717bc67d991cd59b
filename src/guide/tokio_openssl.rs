use std::io;
use std::pin::Pin;

use openssl::ssl::Ssl;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_openssl::SslStream;

/// Performs the handshake with tokio-openssl.
pub async fn handshake<IO>(ssl: Ssl, io: IO) -> io::Result<SslStream<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = SslStream::new(ssl, io)?;
    let accepted = Pin::new(&mut stream).accept().await;
    accepted.map_err(io::Error::other)?;
    Ok(stream)
}
