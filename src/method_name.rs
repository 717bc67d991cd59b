//! The names of methods in logs and metrics. A client can invent any number of methods of any length.

use http::Method;

/// The methods that OpenTelemetry's semantic conventions know since version 1.38: the methods of RFC 9110, PATCH
/// (RFC 5789) and QUERY (RFC 10008). Names of methods are case-sensitive (RFC 9110 §9.1).
const KNOWN: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
];

/// The name of every other method in these conventions.
const OTHER: &str = "_OTHER";

pub(crate) fn method_name(method: &Method) -> &'static str {
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or(OTHER)
}
