//! What the layer adds to every refusal: an error status, `Cache-Control: no-store`, an empty `Allow`, `Content-Length`,
//! and the connection header fields.
//! The body stays as the responder wrote it, except for `HEAD` and gRPC.

use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body;

use super::grpc;
use super::refusal::Refusal;

pub(crate) fn seal<B: Body + Default>(
    response: &mut Response<B>,
    refusal: &Refusal<'_>,
    close_http1: bool,
) {
    // A responder may choose another error, such as 404 for an unknown host. A responder that forgets to set a status
    // must not turn a refusal into a success.
    if response.status() < StatusCode::BAD_REQUEST {
        *response.status_mut() = refusal.status();
    }
    forbid_caching(response.headers_mut());
    hide_methods(response.headers_mut());
    let version = refusal.version();
    if version >= Version::HTTP_2 {
        // HTTP/2 and HTTP/3 have no connection-specific fields (RFC 9113 §8.2.2, RFC 9114 §4.2).
        response.headers_mut().remove(CONNECTION);
    } else if close_http1 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        // For an HTTP/1.0 client that asked for `keep-alive`, hyper would add it to an HTTP/1.1 answer.
        *response.version_mut() = version;
    }
    response.extensions_mut().insert(refusal.rejection());
    if *refusal.method() == Method::HEAD {
        remove_body(response, version);
        return;
    }
    if grpc::is_call(refusal) {
        grpc::make_trailers_only(response);
    }
    state_length(response);
}

/// Sets `Content-Length`. axum adds it outside the layers of a route, but not for other paths, which would tell that the
/// path exists.
fn state_length<B: Body>(response: &mut Response<B>) {
    if response.headers().contains_key(CONTENT_LENGTH) {
        return;
    }
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
}

/// Keeps the methods of a route out of a refusal. axum adds `Allow` outside the layers of a route, unless the response
/// has one, which would tell that the path exists. axum itself sends an empty `Allow` for a route without methods.
fn hide_methods(headers: &mut HeaderMap) {
    let none = HeaderValue::from_static("");
    headers.entry(ALLOW).or_insert(none);
}

/// Removes the body of an answer to `HEAD`, and sets `Content-Length` to its length (RFC 9110 §9.3.2). Not every server
/// removes the body, and some would send the length of the empty body.
fn remove_body<B: Body + Default>(response: &mut Response<B>, version: Version) {
    match response.body().size_hint().exact() {
        Some(length) => {
            let headers = response.headers_mut();
            headers.entry(CONTENT_LENGTH).or_insert(length.into());
        }
        // hyper drops the body itself, and sends the fields of a body of unknown length. With an empty body, it would
        // send `Content-Length: 0`.
        None if version < Version::HTTP_2 => return,
        None => {}
    }
    *response.body_mut() = B::default();
}

/// Keeps a refusal out of caches. A refusal describes the connection, not the resource, but RFC 7540 §9.1.2 made 421
/// cacheable by default. Some caches prefer other fields to `Cache-Control`: targeted fields (RFC 9213) and their
/// predecessors. Those fields are removed.
pub(crate) fn forbid_caching(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| controls_caches(name)).cloned() {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn controls_caches(name: &HeaderName) -> bool {
    match name.as_str() {
        "expires" | "edge-control" | "surrogate-control" | "x-accel-expires" => true,
        name => name.ends_with("-cache-control"),
    }
}
