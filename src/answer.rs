//! The answer to a refused request (RFC 9110 §15.5.20): which body it has, and what every refusal
//! carries whoever wrote it. Nothing in it tells the client why.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use http_body::Body;

use crate::rejection::Rejection;

/// Writes the response to a refused request.
///
/// Implemented by [`EmptyBody`], [`Json`] and [`ProblemJson`], and by every function or closure from
/// [`Rejection`] to [`Response`] whose body is a [`Body`] and [`Default`], so most users never name it: see
/// [`MisdirectedLayer::responder`](crate::MisdirectedLayer::responder).
///
/// ```
/// use http::Response;
/// use tower_misdirected::{Rejection, Responder};
///
/// #[derive(Clone)]
/// struct Plain;
///
/// impl Responder<String> for Plain {
///     fn respond(&self, rejection: Rejection) -> Response<String> {
///         let body = format!("{}\n", rejection.status());
///         let mut response = Response::new(body);
///         *response.status_mut() = rejection.status();
///         response
///     }
///
///     fn respond_to_head(&self, rejection: Rejection) -> Response<String> {
///         let mut response = self.respond(rejection);
///         let length = response.body().len().into();
///         response.headers_mut().insert("content-length", length);
///         response.map(|_| String::new())
///     }
/// }
/// ```
pub trait Responder<B> {
    /// The response to a request of any method but HEAD.
    fn respond(&self, rejection: Rejection) -> Response<B>;

    /// The response to a HEAD request: the same head, and a body that is empty (RFC 9110 §9.3.2).
    /// Not every server would drop it, and some would tell the length of what is left.
    fn respond_to_head(&self, rejection: Rejection) -> Response<B>;
}

impl<F, B> Responder<B> for F
where
    F: Fn(Rejection) -> Response<B>,
    B: Body + Default,
{
    fn respond(&self, rejection: Rejection) -> Response<B> {
        self(rejection)
    }

    fn respond_to_head(&self, rejection: Rejection) -> Response<B> {
        let mut response = self(rejection);
        if let Some(length) = response.body().size_hint().exact() {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        response.map(|_| B::default())
    }
}

/// The default [`Responder`]: no body. Works with any body type that is [`Default`].
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
    fn respond(&self, rejection: Rejection) -> Response<B> {
        with_status(rejection.status(), B::default())
    }

    fn respond_to_head(&self, rejection: Rejection) -> Response<B> {
        self.respond(rejection)
    }
}

/// The [`Responder`] of [`MisdirectedLayer::json`](crate::MisdirectedLayer::json): a JSON object that
/// tells programs what the status tells, `{"error":"misdirected_request"}`. Works with any body type
/// that is `From<Bytes>`.
///
/// ```
/// use tower_misdirected::{Json, MisdirectedLayer};
///
/// let layer: MisdirectedLayer<Json> = MisdirectedLayer::new().json();
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Json;

impl Json {
    const TYPE: &str = "application/json";

    fn body(rejection: Rejection) -> Content {
        match rejection.status() {
            StatusCode::MISDIRECTED_REQUEST => (r#"{"error":"misdirected_request"}"#, "31"),
            StatusCode::BAD_REQUEST => (r#"{"error":"bad_request"}"#, "23"),
            _ => (r#"{"error":"internal_server_error"}"#, "33"),
        }
    }
}

impl<B: From<Bytes>> Responder<B> for Json {
    fn respond(&self, rejection: Rejection) -> Response<B> {
        with_content(rejection.status(), Self::TYPE, Self::body(rejection))
    }

    fn respond_to_head(&self, rejection: Rejection) -> Response<B> {
        self.respond(rejection).map(|_: B| Bytes::new().into())
    }
}

/// The [`Responder`] of [`MisdirectedLayer::problem_json`](crate::MisdirectedLayer::problem_json):
/// problem details (RFC 9457) with the type `about:blank`,
/// `{"type":"about:blank","title":"Misdirected Request","status":421}`. Works with any body type that is
/// `From<Bytes>`.
///
/// ```
/// use tower_misdirected::{MisdirectedLayer, ProblemJson};
///
/// let layer: MisdirectedLayer<ProblemJson> = MisdirectedLayer::new().problem_json();
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ProblemJson;

impl ProblemJson {
    const TYPE: &str = "application/problem+json";

    fn body(rejection: Rejection) -> Content {
        match rejection.status() {
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
        }
    }
}

impl<B: From<Bytes>> Responder<B> for ProblemJson {
    fn respond(&self, rejection: Rejection) -> Response<B> {
        with_content(rejection.status(), Self::TYPE, Self::body(rejection))
    }

    fn respond_to_head(&self, rejection: Rejection) -> Response<B> {
        self.respond(rejection).map(|_: B| Bytes::new().into())
    }
}

fn with_status<B>(status: StatusCode, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// A text and its length, which the answer to HEAD tells although it leaves the text out.
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

/// What every refusal carries, whatever the responder wrote.
pub(crate) fn seal<B>(
    response: &mut Response<B>,
    rejection: Rejection,
    version: Version,
    close_http1: bool,
) {
    // A responder may choose another error, 404 for an unknown host say, but must not pass a refusal
    // off as a success, which a forgotten status would be.
    if response.status() < StatusCode::BAD_REQUEST {
        *response.status_mut() = rejection.status();
    }
    forbid_caching(response.headers_mut());
    if version >= Version::HTTP_2 {
        // RFC 9113 §8.2.2: HTTP/2 has no connection-specific fields.
        response.headers_mut().remove(CONNECTION);
    } else if close_http1 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        // hyper would add `keep-alive` to an HTTP/1.1 answer for an HTTP/1.0 client that asked for it.
        *response.version_mut() = version;
    }
    response.extensions_mut().insert(rejection);
}

/// A refusal describes the connection, never the resource, so no cache may keep it; 421 was cacheable
/// by default in RFC 7540 §9.1.2. Fields that some caches put before `Cache-Control` go too: targeted
/// ones (RFC 9213) and their predecessors.
pub(crate) fn forbid_caching(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| rules_caches(name)).cloned() {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn rules_caches(name: &HeaderName) -> bool {
    match name.as_str() {
        "expires" | "edge-control" | "surrogate-control" | "x-accel-expires" => true,
        name => name.ends_with("-cache-control"),
    }
}
