//! Extractors for handlers. The extracted types live in `authority` and `connection`.

use std::error::Error;
use std::fmt;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::authority::EffectiveAuthority;
use crate::connection::{ConnectionInfo, connection_info};
use crate::malformed::Malformed;
use crate::verdict::Rejection;

/// Extracts the authority of the request. If the request has no valid authority, the extractor answers 400. A layer
/// that is not report-only refuses such a request first.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_misdirected::{EffectiveAuthority, MisdirectedLayer};
///
/// let app: Router = Router::new()
///     .route("/", get(|authority: EffectiveAuthority| async move {
///         format!("hello from {}", authority.host())
///     }))
///     .layer(MisdirectedLayer::new());
/// ```
impl<S: Sync> FromRequestParts<S> for EffectiveAuthority {
    type Rejection = Malformed;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Malformed> {
        Self::of_parts(parts)
    }
}

/// Extracts the connection info, from the same places as the layer. If the request has none, the extractor answers 500.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_misdirected::ConnectionInfo;
///
/// let app: Router = Router::new().route("/", get(|connection: ConnectionInfo| async move {
///     format!("{:?}", connection.server_name())
/// }));
/// ```
impl<S: Sync> FromRequestParts<S> for ConnectionInfo {
    type Rejection = MissingConnectionInfo;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingConnectionInfo> {
        let info = connection_info(&parts.extensions).cloned();
        info.ok_or(MissingConnectionInfo(()))
    }
}

/// Extracts `Option<ConnectionInfo>`, for a handler that also runs without connection info.
impl<S: Sync> OptionalFromRequestParts<S> for ConnectionInfo {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(connection_info(&parts.extensions).cloned())
    }
}

/// Converts the rejection of the extractor [`EffectiveAuthority`] into a 400 without a body.
impl IntoResponse for Malformed {
    fn into_response(self) -> Response {
        StatusCode::BAD_REQUEST.into_response()
    }
}

/// Rejection of the extractor [`ConnectionInfo`]: 500 without a body, because no acceptor or listener provided the
/// info. `Debug` writes the same text as `Display`.
///
/// ```
/// use axum::response::IntoResponse;
/// use tower_misdirected::MissingConnectionInfo;
///
/// fn answer(rejection: MissingConnectionInfo) -> axum::response::Response {
///     eprintln!("{rejection}");
///     rejection.into_response()
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MissingConnectionInfo(());

impl fmt::Display for MissingConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rejection::NoConnectionInfo.fmt(f)
    }
}

impl fmt::Debug for MissingConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for MissingConnectionInfo {}

impl IntoResponse for MissingConnectionInfo {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
