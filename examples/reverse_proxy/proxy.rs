//! Forwards a request to the upstream, and returns the answer.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::uri::Scheme;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;
use tower::ServiceExt;
use tower_http::timeout::TimeoutBody;
use tower_misdirected::{ConnectionInfo, EffectiveAuthority};

use crate::common::Result;
use crate::fields;
use crate::upstream::{Client, Payload, Upstream};

/// The greatest length in octets of a body that is read before it is sent, so that it can be sent twice. A longer body,
/// or a body of unknown length, is a stream and is not repeated.
const IN_MEMORY: u64 = 64 * 1024;

/// How much is printed of the reason for which the upstream does not answer, in characters.
const MAX_REASON: usize = 400;

/// The state that every request needs.
#[derive(Clone)]
pub struct Proxy {
    scheme: Scheme,
    client: Client,
    timeout: Duration,
}

impl Proxy {
    /// Creates a proxy in front of an upstream. With HTTPS, it trusts the authorities in the PEM file `ca`. The timeout
    /// applies to the time until the head of an answer, including the request's body and the repeat, and to each pause
    /// of a body.
    pub fn new(upstream: Upstream, ca: Option<&str>, timeout: Duration) -> Result<Self> {
        Ok(Self {
            client: upstream.client(ca)?,
            scheme: upstream.scheme,
            timeout,
        })
    }
}

/// Forwards a request. If that fails, the client gets a status without a body.
pub async fn forward(
    State(proxy): State<Proxy>,
    authority: EffectiveAuthority,
    connection: ConnectionInfo,
    request: Request,
) -> Response {
    let limit = proxy.timeout;
    let to_head = request.method() == Method::HEAD;
    let answer = timeout(limit, send(proxy, &authority, &connection, request));
    let failed = match answer.await {
        Ok(Ok(response)) => match response.status() {
            // The upstream refused a new connection, or refused a body that cannot be sent twice. The client's
            // connection is not the cause, so the client must not see a 421.
            StatusCode::MISDIRECTED_REQUEST => StatusCode::BAD_GATEWAY,
            // The upstream switched protocols without a request to do so.
            status if status.is_informational() => StatusCode::BAD_GATEWAY,
            _ if fields::is_coded(response.headers()) => StatusCode::BAD_GATEWAY,
            _ => return to_client(response, to_head, limit),
        },
        Ok(Err(status)) => status,
        Err(_) => StatusCode::GATEWAY_TIMEOUT,
    };
    // The failure may be temporary.
    (failed, [(CACHE_CONTROL, "no-store")]).into_response()
}

async fn send(
    proxy: Proxy,
    authority: &EffectiveAuthority,
    connection: &ConnectionInfo,
    request: Request,
) -> Result<http::Response<Incoming>, StatusCode> {
    let (mut head, body) = request.into_parts();
    // RFC 9112 §6.1 for the coding.
    if matches!(head.method, Method::CONNECT | Method::TRACE) || fields::is_coded(&head.headers) {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    fields::to_upstream(&mut head, authority, connection);

    // Without the port, so that there is only one pool of connections for each host.
    let uri = Uri::builder()
        .scheme(proxy.scheme.clone())
        .authority(authority.host().to_string());
    let uri = match head.uri.path_and_query() {
        Some(path) => uri.path_and_query(path.clone()),
        None => uri.path_and_query("/"), // absolute form without a path
    };
    let body = payload(body, proxy.timeout).await?;
    if matches!(head.method, Method::GET | Method::HEAD)
        && matches!(body, Either::Right(_))
        && !head.headers.contains_key(CONTENT_LENGTH)
    {
        // Without this field, hyper sends no body with these methods over HTTP/1.1. Over HTTP/2 it removes the field.
        let chunked = HeaderValue::from_static("chunked");
        head.headers.insert(TRANSFER_ENCODING, chunked);
    }
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = uri.build().map_err(|_| StatusCode::BAD_REQUEST)?;
    *request.headers_mut() = head.headers;

    proxy.client.oneshot(request).await.map_err(|error| {
        let (host, reason) = (authority.host(), chain(&error));
        eprintln!(
            "the upstream does not answer for {host}: {reason}; does it run, and does --ca fit?"
        );
        StatusCode::BAD_GATEWAY
    })
}

/// Reads a short body. Any other body stays a stream, which is read only as fast as the upstream accepts it.
async fn payload(body: Body, pause: Duration) -> Result<Payload, StatusCode> {
    match body.size_hint().exact() {
        Some(length) if length <= IN_MEMORY => {
            let body = body.collect().await;
            let body = body.map_err(|_| StatusCode::BAD_REQUEST)?;
            Ok(Either::Left(Full::new(body.to_bytes())))
        }
        _ => Ok(Either::Right(Body::new(TimeoutBody::new(pause, body)))),
    }
}

/// Forwards an answer with its trailers. The extensions are dropped, because they contain the upstream's address.
fn to_client(response: http::Response<Incoming>, to_head: bool, pause: Duration) -> Response {
    let (mut head, body) = response.into_parts();
    fields::remove_hop_by_hop(&mut head.headers);
    // The length of the body for a GET is unknown. axum would set it to 0.
    let unknown = to_head && !head.headers.contains_key(CONTENT_LENGTH);
    // An empty body reports its end, which a timeout around it would hide.
    let body = match body.is_end_stream() && !unknown {
        true => Body::empty(),
        false => Body::new(TimeoutBody::new(pause, body)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// An error with its causes. The text of hyper-util's error contains only the step that failed. The upstream may have
/// chosen parts of the text, so it is bounded, and one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let one_line = text.replace(char::is_control, " ");
    one_line.chars().take(MAX_REASON).collect()
}
