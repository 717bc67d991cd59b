//! HTTP/3 through quinn and h3.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint};
use rustls::ClientConfig;

use super::PATIENCE;

/// What a client of its own needs to open QUIC connections; sessions are resumed where `config` is shared.
pub fn quic_config(config: impl Into<Arc<ClientConfig>>) -> quinn::ClientConfig {
    let mut config = Arc::unwrap_or_clone(config.into());
    config.alpn_protocols = vec![b"h3".to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()))
}

/// A client's endpoint, which lives as long as its connections are to.
pub fn quic_client() -> Endpoint {
    Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

/// Opens a QUIC connection with this server name, or with none.
pub async fn connect_quic(
    endpoint: &Endpoint,
    addr: SocketAddr,
    config: impl Into<Arc<ClientConfig>>,
    sni: Option<&str>,
) -> Result<Connection, ConnectionError> {
    let mut config = Arc::unwrap_or_clone(config.into());
    config.enable_sni = sni.is_some();
    let connecting = endpoint
        .connect_with(quic_config(config), addr, sni.unwrap_or("unused.invalid"))
        .unwrap();
    let connected = tokio::time::timeout(PATIENCE, connecting);
    connected.await.expect("a handshake in time")
}

pub type Client3 = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

/// Begins HTTP/3 on a connection.
pub async fn http3(connection: Connection) -> Client3 {
    try_http3(connection).await.unwrap()
}

/// As [`http3`], where the other end may close instead.
pub async fn try_http3(connection: Connection) -> Result<Client3, h3::error::ConnectionError> {
    let quic = h3_quinn::Connection::new(connection);
    let (mut driver, client) = h3::client::new(quic).await?;
    tokio::spawn(async move { driver.wait_idle().await });
    Ok(client)
}

/// Sends a GET for this authority and reads the whole answer.
pub async fn get3(client: &Client3, authority: &str) -> Response<String> {
    let request = Request::get(format!("https://{authority}/"))
        .body(())
        .unwrap();
    let answer = tokio::time::timeout(PATIENCE, send3(client, request));
    answer.await.expect("an answer in time").unwrap()
}

/// Sends a request without a body and reads the whole answer, or the error of its stream.
pub async fn send3(
    client: &Client3,
    request: Request<()>,
) -> Result<Response<String>, h3::error::StreamError> {
    let mut stream = client.clone().send_request(request).await?;
    stream.finish().await?;
    let response = stream.recv_response().await?;
    let mut body = Vec::new();
    while let Some(mut data) = stream.recv_data().await? {
        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    Ok(response.map(|()| String::from_utf8(body).unwrap()))
}

/// Waits until the other end closes a connection, and says whether it did so without an error
/// (RFC 9114 §8.1).
pub async fn ended_well(connection: &Connection) -> bool {
    let closed = tokio::time::timeout(PATIENCE, connection.closed());
    match closed.await.expect("an end in time") {
        ConnectionError::ApplicationClosed(close) => {
            close.error_code.into_inner() == h3::error::Code::H3_NO_ERROR.value()
        }
        _ => false,
    }
}
