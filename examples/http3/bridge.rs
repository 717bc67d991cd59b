//! Connects h3 to tower: passes every request of a QUIC connection to a router, with the
//! `ConnectionInfo` in its extensions.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use h3_quinn::RecvStream;
use http::HeaderValue;
use http::header::DATE;
use http_body_util::BodyExt;
use hyper::body::Frame;
use quinn::Endpoint;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower_misdirected::ConnectionInfo;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The shortest time that a connection stays open after the last answer. h3 does not report
/// when the client has received an answer, and closing the connection discards data that has
/// not arrived.
const LINGER: Duration = Duration::from_secs(1);

/// The time limit and the limit in octets for reading the rest of a request after its answer.
const REST: Duration = Duration::from_secs(5);
const MAX_REST: usize = 1 << 16;

/// The time limit of open requests after shutdown.
const DRAIN: Duration = Duration::from_secs(10);

/// The size limit of a request's fields, counted as in RFC 9114 §4.2.2. h3 sets no limit
/// itself.
const MAX_FIELDS: u64 = 1 << 16;

/// Serves until shutdown, and then waits a while for open requests.
///
/// Connections that become outdated end within `drain`, at random moments, so that not all
/// clients reconnect at once. With `None` they stay open.
pub async fn serve(
    endpoint: Endpoint,
    app: Router,
    drain: Option<Duration>,
    shutdown: CancellationToken,
) {
    let connections = TaskTracker::new();
    while let Some(Some(incoming)) = shutdown.run_until_cancelled(endpoint.accept()).await {
        let (app, shutdown) = (app.clone(), shutdown.clone());
        connections.spawn(async move {
            // An error here affects only one client.
            if let Ok(connection) = incoming.await {
                let _ = serve_connection(connection, app, drain, shutdown).await;
            }
        });
    }
    endpoint.set_server_config(None);
    connections.close();
    let _ = tokio::time::timeout(DRAIN, connections.wait()).await;
    endpoint.close(0u32.into(), b"");
    endpoint.wait_idle().await;
}

/// Serves the requests of one connection until the client closes it. On shutdown, and when
/// the connection is outdated, sends GOAWAY, completes the requests that have arrived, and
/// closes the connection.
pub async fn serve_connection(
    connection: quinn::Connection,
    app: Router,
    drain: Option<Duration>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let quic = h3_quinn::Connection::new(connection.clone());
    let mut h3 = h3::server::builder()
        .max_field_section_size(MAX_FIELDS)
        .build(quic)
        .await?;
    let mut info = ConnectionInfo::from_quinn(&connection);
    let mut outdated = pin!(outdated(info.clone(), drain));
    let requests = TaskTracker::new();
    // GOAWAY names the first request that gets no answer (RFC 9114 §5.2), counted from the
    // last request that has arrived.
    let first_unanswered = loop {
        let resolver = tokio::select! {
            resolver = h3.accept() => resolver?,
            () = shutdown.cancelled() => break 1,
            () = &mut outdated => break 1,
        };
        let Some(resolver) = resolver else {
            // The client sends no more requests, and all answers have been passed to QUIC.
            tokio::select! {
                _ = connection.closed() => {}
                () = sent(&connection) => {}
            }
            return Ok(());
        };
        if info.is_none() {
            // The client of a connection with 0-RTT data is known by now. If not, the layer
            // answers 500.
            info = ConnectionInfo::from_quinn(&connection);
            outdated.set(self::outdated(info.clone(), drain));
        }
        // A request does not wait for the connection's turn.
        if drain.is_some() && info.as_ref().is_some_and(ConnectionInfo::is_outdated) {
            requests.spawn(reject(resolver));
            break 0;
        }
        let request = answer(resolver, info.clone(), app.clone());
        requests.spawn(async {
            if let Err(error) = request.await {
                // A client may have chosen parts of the text.
                let error = error.to_string();
                eprintln!("an HTTP/3 request failed: {}", error.escape_debug());
            }
        });
    };
    h3.shutdown(first_unanswered).await?;
    requests.close();
    let drained = async {
        requests.wait().await;
        sent(&connection).await;
    };
    tokio::select! {
        () = reject_all(&connection) => {}
        () = drained => {}
    }
    Ok(())
}

/// Waits until the client has probably received all answers. Until the client has
/// acknowledged everything, QUIC sends the rest, or repeats it after about three round trips
/// (RFC 9002 §6.2.1).
async fn sent(connection: &quinn::Connection) {
    let frames = || connection.stats().frame_tx.stream;
    loop {
        let before = frames();
        tokio::time::sleep(LINGER.max(4 * connection.rtt())).await;
        if frames() == before {
            return;
        }
    }
}

/// Waits until the connection is outdated and its turn has come, at a random moment within
/// `drain`. Waits forever if there is no info, or if outdated connections stay open.
pub async fn outdated(info: Option<ConnectionInfo>, drain: Option<Duration>) {
    let (Some(info), Some(spread)) = (info, drain) else {
        return std::future::pending().await;
    };
    loop {
        info.outdated().await;
        tokio::time::sleep(spread.mul_f64(fastrand::f64())).await;
        // Another replacement may have made the connection current again.
        if info.is_outdated() {
            return;
        }
    }
}

/// Tells the client that the request was not processed, so that the client can repeat it on
/// another connection (RFC 9114 §4.1.1).
async fn reject(resolver: RequestResolver<h3_quinn::Connection, Bytes>) {
    if let Ok((_, mut stream)) = resolver.resolve_request().await {
        stream.stop_sending(Code::H3_REQUEST_REJECTED);
        stream.stop_stream(Code::H3_REQUEST_REJECTED);
    }
}

/// Rejects the requests that arrive after GOAWAY, until the connection ends.
async fn reject_all(connection: &quinn::Connection) {
    let rejected = (Code::H3_REQUEST_REJECTED.value() as u32).into();
    while let Ok((mut send, mut receive)) = connection.accept_bi().await {
        let _ = receive.stop(rejected);
        let _ = send.reset(rejected);
    }
}

async fn answer(
    resolver: RequestResolver<h3_quinn::Connection, Bytes>,
    info: Option<ConnectionInfo>,
    app: Router,
) -> Result<(), Error> {
    let (request, stream) = resolver.resolve_request().await?;
    let (mut send, receive) = stream.split();
    let (body, rest) = RequestBody::new(receive);
    let mut request: Request = request.map(|()| Body::new(body));
    if let Some(info) = info {
        request.extensions_mut().insert(info);
    }
    let response = app
        .oneshot(request)
        .await
        .unwrap_or_else(|error: Infallible| match error {});
    let (mut head, mut body) = response.into_parts();
    // RFC 9110 §6.6.1. hyper does this for the other versions.
    let now = httpdate::HttpDate::from(SystemTime::now()).to_string();
    if let Ok(now) = HeaderValue::try_from(now) {
        head.headers.entry(DATE).or_insert(now);
    }
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
    // It may contain the body of the request.
    drop(body);
    let _ = tokio::time::timeout(REST, read_rest(rest)).await;
    Ok(())
}

/// Reads what the application has left of a request. Some clients, such as those on h3,
/// never read an answer if they are stopped while they still send.
async fn read_rest(rest: oneshot::Receiver<Receive>) {
    let Ok(mut receive) = rest.await else { return };
    let mut left = MAX_REST;
    while let Ok(Some(data)) = receive.recv_data().await {
        match left.checked_sub(data.remaining()) {
            Some(less) => left = less,
            None => break,
        }
    }
    // The answer is complete without the rest, so the client may stop (RFC 9114 §4.1). When the
    // stream is dropped, quinn says so with the code 0, which means H3_NO_ERROR (RFC 9114 §8).
    // `stop_sending` panics in h3-quinn 0.0.10 while a read is pending, and one may be pending
    // although `recv_data` has returned.
}

type Receive = RequestStream<RecvStream, Bytes>;

/// The body of a request while it arrives. When it is dropped, it hands back its stream.
struct RequestBody(Option<(Receive, oneshot::Sender<Receive>)>);

impl RequestBody {
    fn new(receive: Receive) -> (Self, oneshot::Receiver<Receive>) {
        let (hand_back, rest) = oneshot::channel();
        (Self(Some((receive, hand_back))), rest)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some((receive, hand_back)) = self.0.take() {
            let _ = hand_back.send(receive);
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = h3::error::StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some((receive, _)) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = match ready!(receive.poll_recv_data(cx)?) {
            Some(mut data) => Some(Frame::data(data.copy_to_bytes(data.remaining()))),
            None => ready!(receive.poll_recv_trailers(cx)?).map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }
}
