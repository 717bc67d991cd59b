//! Refusals for gRPC clients: a trailers-only response with a gRPC status. What every refusal carries lives in `seal`.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use super::refusal::Refusal;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The media type of gRPC, which suffixes and parameters may follow. gRPC-Web begins with it too.
const MEDIA_TYPE: &str = "application/grpc";

/// Returns whether the request is a gRPC call. It checks the method first, because every call is a `POST`, and
/// comparing methods is cheaper than looking up a field.
pub(super) fn is_call(refusal: &Refusal<'_>) -> bool {
    let content_type = || refusal.headers().get(CONTENT_TYPE);
    *refusal.method() == Method::POST && content_type().is_some_and(is_media_type)
}

fn is_media_type(value: &HeaderValue) -> bool {
    let Some((begin, rest)) = value.as_bytes().split_at_checked(MEDIA_TYPE.len()) else {
        return false;
    };
    let ends = rest
        .first()
        .is_none_or(|next| !next.is_ascii_alphanumeric());
    begin.eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()) && ends
}

/// Adds the gRPC status and removes the body. Without a gRPC status, clients derive one from the HTTP status. For 421
/// that is UNKNOWN, which no retry policy covers.
///
/// A response that already has a gRPC status stays as the responder wrote it. So does a response with another HTTP
/// status, such as 404, from which clients derive a suitable gRPC status.
pub(super) fn make_trailers_only<B: Default>(response: &mut Response<B>) {
    let (status, message) = match response.status() {
        // UNAVAILABLE
        StatusCode::MISDIRECTED_REQUEST => ("14", "misdirected request"),
        // INTERNAL, which clients also derive from a 400 without a gRPC status.
        StatusCode::BAD_REQUEST => ("13", "bad request"),
        StatusCode::INTERNAL_SERVER_ERROR => ("13", "internal server error"),
        _ => return,
    };
    let headers = response.headers_mut();
    if headers.contains_key(&GRPC_STATUS) {
        return;
    }
    // These fields describe the removed body.
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
    *response.body_mut() = B::default();
}
