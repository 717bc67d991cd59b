//! HTTP/3 with quinn and h3.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::SendRequest;
use h3::error::{Code, StreamError};
use hyper::http::uri::PathAndQuery;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use tokio::task::JoinHandle;

use crate::deadline::Deadline;
use crate::failure::{Failure, Kind};
use crate::observation::Ended;
use crate::request::request;
use crate::response::{MAX_BODY, MAX_HEAD, Response};

/// h3 reads a field section as a whole, however long it claims to be. So the connection is watched from below.
const MAX_RECEIVED: u64 = 4 * (MAX_HEAD + MAX_BODY) as u64;

/// How often the connection is looked at.
const WATCH: Duration = Duration::from_millis(10);

pub struct Http3 {
    sender: SendRequest<h3_quinn::OpenStreams, Bytes>,
    driver: JoinHandle<h3::error::ConnectionError>,
    quic: Connection,
    // Its sockets live as long as the connection.
    _endpoint: Endpoint,
}

/// The handshake of QUIC, with the name in the configuration's place.
pub async fn handshake(
    addr: SocketAddr,
    config: rustls::ClientConfig,
    name: &str,
) -> Result<(Endpoint, Connection), Failure> {
    let any: SocketAddr = match addr {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = Endpoint::client(any).map_err(|error| Failure::of(&error))?;
    let crypto = QuicClientConfig::try_from(config).map_err(|error| Failure::of(&error))?;
    let config = ClientConfig::new(Arc::new(crypto));
    let connecting = endpoint.connect_with(config, addr, name);
    let connecting = connecting.map_err(|error| Failure::of(&error))?;
    match connecting.await {
        Ok(connection) => Ok((endpoint, connection)),
        Err(error) => Err(failure(&error)),
    }
}

/// A TLS alert is a transport error of QUIC (RFC 9001 §4.8).
fn failure(error: &ConnectionError) -> Failure {
    if let ConnectionError::ConnectionClosed(close) = error
        && let code @ 0x100..=0x1ff = u64::from(close.error_code)
    {
        return Failure::alert(((code & 0xff) as u8).into());
    }
    let kind = match error {
        ConnectionError::TimedOut => Kind::TimedOut,
        error if closed_well(error) => Kind::Goaway,
        ConnectionError::LocallyClosed | ConnectionError::TransportError(_) => Kind::Other,
        _ => Kind::Ended,
    };
    Failure::new(kind, error.to_string())
}

/// Whether the server has shut the connection down gracefully (RFC 9114 §5.2), with a GOAWAY that h3 may not have told of.
fn closed_well(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(close)
        if close.error_code.into_inner() == Code::H3_NO_ERROR.value())
}

impl Http3 {
    pub async fn new(endpoint: Endpoint, quic: Connection) -> Result<Self, Failure> {
        let mut builder = h3::client::builder();
        builder.max_field_section_size(MAX_HEAD as u64);
        let opened = builder.build(h3_quinn::Connection::new(quic.clone())).await;
        // The connection knows more than h3.
        let failed = |error: &_| {
            quic.close_reason()
                .map_or_else(|| Failure::of(error), |end| failure(&end))
        };
        let (mut driver, sender) = opened.map_err(|error| failed(&error))?;
        let driver = tokio::spawn(async move { driver.wait_idle().await });
        Ok(Self {
            sender,
            driver,
            quic,
            _endpoint: endpoint,
        })
    }

    /// Sends a request, and reads the answer until the deadline.
    pub async fn ask(
        &mut self,
        authority: &str,
        path: &PathAndQuery,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        let quic = self.quic.clone();
        let received = move |quic: &Connection| quic.stats().udp_rx.bytes;
        let most = received(&quic) + MAX_RECEIVED;
        // A task of its own, because h3 does not return while data keeps coming.
        let watch = tokio::spawn(async move {
            while received(&quic) < most {
                tokio::time::sleep(WATCH).await;
            }
            close(&quic, Code::H3_EXCESSIVE_LOAD);
        });
        let answer = self.exchange(authority, path, deadline).await;
        watch.abort();
        match self.quic.close_reason() {
            Some(ConnectionError::LocallyClosed) if answer.is_err() => {
                Err(Failure::new(Kind::Other, "the answer is too long"))
            }
            _ => answer,
        }
    }

    async fn exchange(
        &mut self,
        authority: &str,
        path: &PathAndQuery,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        let request = request(authority, path)?;
        let response = async {
            let mut stream = self.sender.send_request(request).await?;
            match stream.finish().await {
                // The server may answer without the rest of the request (RFC 9114 §4.1).
                Ok(()) | Err(StreamError::RemoteTerminate { .. }) => {}
                Err(error) => return Err(error),
            }
            let response = stream.recv_response().await?;
            Ok((response, stream))
        };
        let response = deadline.answer(response).await?;
        let (response, mut stream) = response.map_err(|error| self.stream_failure(&error))?;
        let (head, ()) = response.into_parts();
        let read = async {
            let mut left = MAX_BODY;
            while let Ok(Some(data)) = stream.recv_data().await {
                left = left.checked_sub(data.remaining())?;
            }
            Some(())
        };
        deadline.rest(read).await;
        // Not by `stop_sending`, which panics in h3-quinn 0.0.10 while a read is pending. Dropping the stream stops it.
        drop(stream);
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            ended: None,
            reusable: true,
        })
    }

    /// The connection knows more than the stream.
    fn stream_failure(&self, error: &StreamError) -> Failure {
        if let Some(reason) = self.quic.close_reason() {
            return failure(&reason);
        }
        let mut failure = Failure::of(error);
        // A request that was under way when the server sent GOAWAY is rejected (RFC 9114 §5.2).
        if let StreamError::RemoteClosing { .. }
        | StreamError::RemoteTerminate {
            code: Code::H3_REQUEST_REJECTED,
            ..
        } = error
        {
            failure.kind = Kind::Goaway;
        }
        failure
    }

    /// Whether the server has closed the connection, or does within `patience`. h3 tells of a GOAWAY only when the next
    /// request is sent.
    pub async fn ended(&mut self, patience: Duration) -> Option<Ended> {
        if !self.driver.is_finished() {
            let _ = tokio::time::timeout(patience, &mut self.driver).await;
        }
        let reason = self.quic.close_reason()?;
        Some(match closed_well(&reason) {
            true => Ended::Goaway,
            false => Ended::Eof,
        })
    }
}

impl Drop for Http3 {
    fn drop(&mut self) {
        self.driver.abort();
        close(&self.quic, Code::H3_NO_ERROR);
    }
}

fn close(quic: &Connection, code: Code) {
    quic.close(code.value().try_into().unwrap_or_default(), b"");
}
