//! The changes that the layer makes to a request, so that inner services see the judged authority. `layer` decides when
//! to make them.

use http::header::HOST;
use http::{HeaderValue, Request, Version};

/// Sets the `Host` field of an HTTP/1.0 request without an authority to the default authority.
pub(crate) fn supply_default<B>(request: &mut Request<B>, default: &HeaderValue) {
    let before_1_1 = request.version() < Version::HTTP_11;
    if before_1_1 && request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        request.headers_mut().insert(HOST, default.clone());
    }
}

/// Sets `Host` to the authority of the request target (RFC 9112 §3.2.2), so that no inner service can route by another
/// name.
pub(crate) fn replace_host<B>(request: &mut Request<B>) {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let value = authority.and_then(|authority| HeaderValue::from_str(authority).ok());
    match value {
        Some(value) => request.headers_mut().insert(HOST, value),
        None => request.headers_mut().remove(HOST),
    };
}
