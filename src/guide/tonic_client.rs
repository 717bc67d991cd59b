use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, stream};
use http::Request;
use http_body_util::{BodyExt, BodyStream, Either, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::{Client, connect::Connect};
use hyper_util::rt::TokioExecutor;
use tonic::{Status, body::Body};
use tower::{ServiceBuilder, util::MapRequest};
use tower_misdirected::client::{RetryMisdirected, RetryMisdirectedLayer};

/// A request whose messages are larger is not repeated. In octets.
pub const LIMIT: usize = 64 * 1024;

type Buffered = Either<Full<Bytes>, Body>;

/// The service that a generated client calls.
pub type Service<C> = MapRequest<RetryMisdirected<Client<C, Buffered>>, ReadReady>;

type ReadReady = fn(Request<Body>) -> Request<Buffered>;

/// Creates a service that repeats a call on a fresh connection if the server answers 421.
pub fn service<C: Connect + Clone>(connector: C) -> Service<C> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build(connector);
    ServiceBuilder::new()
        .map_request((|request| request.map(buffer)) as ReadReady)
        .layer(RetryMisdirectedLayer::new())
        .service(client)
}

/// Reads what is ready of the body. The message of a unary call is ready as a whole, so such
/// a call can be repeated.
fn buffer(mut body: Body) -> Buffered {
    let mut message = BytesMut::new();
    let next = loop {
        let frame = match body.frame().now_or_never() {
            Some(Some(frame)) => frame,
            Some(None) => return Either::Left(Full::new(message.freeze())),
            None => break None, // a stream that waits for its next message
        };
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) if message.len() + data.len() <= LIMIT => {
                message.extend_from_slice(&data);
            }
            Ok(other) => break Some(Ok(other.map_or_else(|frame| frame, Frame::data))),
            Err(status) => break Some(Err(status)),
        }
    };
    let first = Some(Ok::<_, Status>(Frame::data(message.freeze())));
    let read = stream::iter(first.into_iter().chain(next));
    Either::Right(Body::new(StreamBody::new(
        read.chain(BodyStream::new(body)),
    )))
}
