//! The header fields that the proxy changes in requests and responses.

use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, TE, TRANSFER_ENCODING, UPGRADE,
    VIA,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version};
use tower_misdirected::{ConnectionInfo, EffectiveAuthority};

/// Removes the connection-specific fields, including the fields that `Connection` names (RFC 9110 §7.6.1).
pub fn remove_hop_by_hop(fields: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(fields, CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect();
    for name in named {
        fields.remove(name);
    }
    // If a message has both fields, `Content-Length` is not the length of its body (RFC 9112 §6.3).
    if fields.contains_key(TRANSFER_ENCODING) {
        fields.remove(CONTENT_LENGTH);
    }
    for name in [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        fields.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        fields.remove(name);
    }
}

/// Returns whether the body has a transfer coding other than `chunked`, which hyper does not decode.
pub fn is_coded(fields: &HeaderMap) -> bool {
    tokens(fields, TRANSFER_ENCODING).any(|coding| !coding.eq_ignore_ascii_case(b"chunked"))
}

/// Prepares the fields of a request for the upstream.
pub fn to_upstream(
    request: &mut Parts,
    authority: &EffectiveAuthority,
    connection: &ConnectionInfo,
) {
    let fields = &mut request.headers;
    let trailers = tokens(fields, TE).any(|token| token.eq_ignore_ascii_case(b"trailers"));
    remove_hop_by_hop(fields);
    if trailers {
        // The proxy forwards trailers, and some gRPC servers require the field.
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
    // The client writes `Host` or `:authority` from the URI.
    fields.remove(HOST);
    // hyper has sent the 100 (RFC 9110 §10.1.1).
    fields.remove(EXPECT);
    join_cookies(fields);

    // This proxy is the first, so fields from clients are not trustworthy. Many frameworks treat `_` like `-`.
    let forwarded: Vec<HeaderName> = fields
        .keys()
        .filter(|name| {
            let name = name.as_str().replace('_', "-");
            name == FORWARDED.as_str() || name.starts_with("x-forwarded-")
        })
        .cloned()
        .collect();
    for name in forwarded {
        fields.remove(name);
    }
    let client = connection.client_addr().map(|addr| addr.ip().to_string());
    for (name, value) in [
        ("x-forwarded-for", client),
        ("x-forwarded-host", Some(authority.to_string())),
        ("x-forwarded-proto", Some("https".to_owned())),
    ] {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            fields.insert(name, value);
        }
    }

    // RFC 9110 §7.6.3.
    let received = match request.version {
        Version::HTTP_10 => "1.0 reverse_proxy",
        Version::HTTP_11 => "1.1 reverse_proxy",
        _ => "2 reverse_proxy",
    };
    fields.append(VIA, HeaderValue::from_static(received));
}

/// HTTP/2 may split `Cookie` into several fields, and HTTP/1.1 must not (RFC 9113 §8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = fields
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        fields.insert(COOKIE, joined);
    }
}

/// The members of a list in a field, which may have several field lines.
fn tokens(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = fields.get_all(name).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
}
