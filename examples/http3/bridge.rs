//! From h3 to tower and back: every request of a QUIC connection goes to a router, with what is known of
//! the connection in its extensions.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use h3_quinn::RecvStream;
use http_body_util::BodyExt;
use hyper::body::Frame;
use quinn::Endpoint;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower_misdirected::ConnectionInfo;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long the last answers may be under way to the client. h3 does not tell when it has them, and closing
/// a connection discards what has not arrived.
const LINGER: Duration = Duration::from_secs(1);

/// How long open requests may take after shutdown.
const DRAIN: Duration = Duration::from_secs(10);

/// How many octets the fields of a request may have, as RFC 9114 §4.2.2 counts them. h3 sets no limit itself.
const MAX_FIELDS: u64 = 1 << 16;

/// Serves until shutdown, and then what is open, for a while.
pub async fn serve(endpoint: Endpoint, app: Router, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(Some(incoming)) = shutdown.run_until_cancelled(endpoint.accept()).await {
        let (app, shutdown) = (app.clone(), shutdown.clone());
        connections.spawn(async move {
            // What goes wrong here concerns one client.
            if let Ok(connection) = incoming.await {
                let _ = serve_connection(connection, app, shutdown).await;
            }
        });
    }
    endpoint.set_server_config(None);
    connections.close();
    let _ = tokio::time::timeout(DRAIN, connections.wait()).await;
    endpoint.close(0u32.into(), b"");
    endpoint.wait_idle().await;
}

/// Serves the requests of one connection until it ends, or until shutdown and the answers to those that came
/// before.
pub async fn serve_connection(
    connection: quinn::Connection,
    app: Router,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let quic = h3_quinn::Connection::new(connection.clone());
    let mut h3 = h3::server::builder()
        .max_field_section_size(MAX_FIELDS)
        .build(quic)
        .await?;
    let mut open = true;
    let mut info = None;
    let requests = TaskTracker::new();
    let mut drained = std::pin::pin!(async {
        requests.wait().await;
        tokio::time::sleep(LINGER).await;
    });
    loop {
        tokio::select! {
            resolver = h3.accept() => match resolver? {
                Some(resolver) if open => {
                    // Known by the time of the first request, even where that is 0-RTT data. Requests
                    // without it are answered 500.
                    info = info.or_else(|| ConnectionInfo::from_quinn(&connection));
                    let request = answer(resolver, info.clone(), app.clone());
                    requests.spawn(async {
                        if let Err(error) = request.await {
                            eprintln!("HTTP/3: {error:?}");
                        }
                    });
                }
                Some(resolver) => drop(requests.spawn(reject(resolver))),
                None => return Ok(()),
            },
            () = shutdown.cancelled(), if open => {
                open = false;
                // GOAWAY names the first request that gets no answer (RFC 9114 §5.2): the one after the
                // last that has come.
                h3.shutdown(1).await?;
                requests.close();
            }
            () = &mut drained => return Ok(()),
        }
    }
}

/// Tells the client that a request has not been looked at, so that it can be sent again elsewhere
/// (RFC 9114 §4.1.1).
async fn reject(resolver: RequestResolver<h3_quinn::Connection, Bytes>) {
    if let Ok((_, mut stream)) = resolver.resolve_request().await {
        stream.stop_sending(Code::H3_REQUEST_REJECTED);
        stream.stop_stream(Code::H3_REQUEST_REJECTED);
    }
}

async fn answer(
    resolver: RequestResolver<h3_quinn::Connection, Bytes>,
    info: Option<ConnectionInfo>,
    app: Router,
) -> Result<(), Error> {
    let (request, stream) = resolver.resolve_request().await?;
    let (mut send, receive) = stream.split();
    let mut request: Request = request.map(|()| Body::new(RequestBody(receive)));
    if let Some(info) = info {
        request.extensions_mut().insert(info);
    }
    let response = app
        .oneshot(request)
        .await
        .unwrap_or_else(|error: Infallible| match error {});
    let (head, mut body) = response.into_parts();
    send.send_response(http::Response::from_parts(head, ()))
        .await?;
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => send.send_data(data).await?,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    send.send_trailers(trailers).await?;
                }
            }
        }
    }
    send.finish().await?;
    Ok(())
}

/// The body of a request as it comes in.
struct RequestBody(RequestStream<RecvStream, Bytes>);

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = h3::error::StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match ready!(self.0.poll_recv_data(cx)?) {
            Some(mut data) => Some(Frame::data(data.copy_to_bytes(data.remaining()))),
            None => ready!(self.0.poll_recv_trailers(cx)?).map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }
}
