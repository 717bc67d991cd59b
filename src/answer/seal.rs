//! What every refusal carries, whatever its responder wrote: an error status, no permission to cache, and the
//! connection header fields. The body is the responder's, except for `HEAD` and gRPC.

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body;

use super::grpc;
use super::refusal::Refusal;

pub(crate) fn seal<B: Body + Default>(
    response: &mut Response<B>,
    refusal: &Refusal<'_>,
    close_http1: bool,
) {
    // A responder may choose another error, such as 404 for an unknown host. It must not turn a refusal into a
    // success, which happens if it forgets to set a status.
    if response.status() < StatusCode::BAD_REQUEST {
        *response.status_mut() = refusal.status();
    }
    forbid_caching(response.headers_mut());
    let version = refusal.version();
    if version >= Version::HTTP_2 {
        // HTTP/2 and HTTP/3 have no connection-specific fields (RFC 9113 §8.2.2, RFC 9114 §4.2).
        response.headers_mut().remove(CONNECTION);
    } else if close_http1 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        // hyper would add `keep-alive` to an HTTP/1.1 answer for an HTTP/1.0 client that asked for it.
        *response.version_mut() = version;
    }
    response.extensions_mut().insert(refusal.rejection());
    if *refusal.method() == Method::HEAD {
        remove_body(response, version);
    } else if grpc::is_call(refusal) {
        grpc::make_trailers_only(response);
    }
}

/// Removes the body of an answer to `HEAD`, and states its length (RFC 9110 §9.3.2). Not every server removes
/// it, and some would state the length of what is left.
fn remove_body<B: Body + Default>(response: &mut Response<B>, version: Version) {
    match response.body().size_hint().exact() {
        Some(length) => {
            let headers = response.headers_mut();
            headers.entry(CONTENT_LENGTH).or_insert(length.into());
        }
        // hyper sends no body here, but the fields that announce one of unknown length. An empty body in its place
        // would be stated as one of length 0.
        None if version < Version::HTTP_2 => return,
        None => {}
    }
    *response.body_mut() = B::default();
}

/// Keeps a refusal out of caches. It describes the connection and never the resource, while 421 was cacheable
/// by default in RFC 7540 §9.1.2. Some caches obey other fields before `Cache-Control`: targeted ones
/// (RFC 9213) and their predecessors. These are removed.
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
