//! The responders of this crate. Their bodies contain only the status.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::refusal::Refusal;
use super::responder::Responder;

/// The default [`Responder`]: sends no body. The response body type must implement [`Default`].
///
/// ```
/// use tower_misdirected::{EmptyBody, MisdirectedLayer};
///
/// let layer: MisdirectedLayer<EmptyBody> = MisdirectedLayer::new();
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EmptyBody;

impl<B: Default> Responder<B> for EmptyBody {
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        with_status(refusal.status(), B::default())
    }
}

/// The [`Responder`] of [`MisdirectedLayer::json`](crate::MisdirectedLayer::json): sends the JSON object
/// `{"error":"misdirected_request"}`. The response body type must implement `From<Bytes>`.
///
/// The value of `error` is `bad_request` in a 400 and `internal_server_error` in a 500.
///
/// ```
/// use tower_misdirected::{JsonBody, MisdirectedLayer};
///
/// let layer: MisdirectedLayer<JsonBody> = MisdirectedLayer::new().json();
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct JsonBody;

impl<B: From<Bytes>> Responder<B> for JsonBody {
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        let content = match refusal.status() {
            StatusCode::MISDIRECTED_REQUEST => (r#"{"error":"misdirected_request"}"#, "31"),
            StatusCode::BAD_REQUEST => (r#"{"error":"bad_request"}"#, "23"),
            _ => (r#"{"error":"internal_server_error"}"#, "33"),
        };
        with_content(refusal.status(), "application/json", content)
    }
}

/// The [`Responder`] of [`MisdirectedLayer::problem_json`](crate::MisdirectedLayer::problem_json): sends problem
/// details (RFC 9457), `{"type":"about:blank","title":"Misdirected Request","status":421}`. The response body type must
/// implement `From<Bytes>`.
///
/// ```
/// use tower_misdirected::{MisdirectedLayer, ProblemJsonBody};
///
/// let layer: MisdirectedLayer<ProblemJsonBody> = MisdirectedLayer::new().problem_json();
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ProblemJsonBody;

impl<B: From<Bytes>> Responder<B> for ProblemJsonBody {
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        let content = match refusal.status() {
            StatusCode::MISDIRECTED_REQUEST => (
                r#"{"type":"about:blank","title":"Misdirected Request","status":421}"#,
                "65",
            ),
            StatusCode::BAD_REQUEST => (
                r#"{"type":"about:blank","title":"Bad Request","status":400}"#,
                "57",
            ),
            _ => (
                r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
                "67",
            ),
        };
        with_content(refusal.status(), "application/problem+json", content)
    }
}

fn with_status<B>(status: StatusCode, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// A body and its length.
type Content = (&'static str, &'static str);

fn with_content<B: From<Bytes>>(
    status: StatusCode,
    media_type: &'static str,
    (body, length): Content,
) -> Response<B> {
    let bytes = Bytes::from_static(body.as_bytes());
    let mut response = with_status(status, bytes.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static(length));
    response
}
