//! What a handler can ask for: the authority that was judged, and the connection's facts.

use std::error::Error;
use std::fmt;

use axum::extract::connect_info::{ConnectInfo, Connected, MockConnectInfo};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use http::request::Parts;
use http::{Extensions, StatusCode};
use tokio::net::TcpListener;

use crate::authority::EffectiveAuthority;
use crate::connection::ConnectionInfo;
use crate::rejection::Malformed;

/// The connection info that axum put into a request, `ConnectInfo` before `MockConnectInfo`.
#[inline]
pub(crate) fn connect_info(extensions: &Extensions) -> Option<&ConnectionInfo> {
    match extensions.get::<ConnectInfo<ConnectionInfo>>() {
        Some(ConnectInfo(info)) => Some(info),
        None => {
            let mock = extensions.get::<MockConnectInfo<ConnectionInfo>>();
            mock.map(|MockConnectInfo(info)| info)
        }
    }
}

/// The authority that the layer judged. Rejects with 400 where there is none, which only a
/// report-only layer, or no layer, lets come this far.
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
    type Rejection = MalformedAuthority;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MalformedAuthority> {
        Self::of_parts(parts).map_err(MalformedAuthority)
    }
}

/// The connection's facts, from wherever the layer reads them. Rejects with 500 where there are none.
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
        find(&parts.extensions).ok_or(MissingConnectionInfo(()))
    }
}

/// `Option<ConnectionInfo>` in a handler that also runs without an acceptor of this crate.
impl<S: Sync> OptionalFromRequestParts<S> for ConnectionInfo {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(find(&parts.extensions))
    }
}

fn find(extensions: &Extensions) -> Option<ConnectionInfo> {
    crate::service::connection_info(extensions).cloned()
}

/// A plaintext listener: [`ConnectionInfo::plaintext`] with both addresses.
///
/// ```no_run
/// use axum::Router;
/// use tokio::net::TcpListener;
/// use tower_misdirected::{ConnectionInfo, MisdirectedLayer};
///
/// # async fn serve() -> std::io::Result<()> {
/// let app = Router::new().layer(MisdirectedLayer::new());
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionInfo>()).await
/// # }
/// ```
impl Connected<IncomingStream<'_, TcpListener>> for ConnectionInfo {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let info = Self::plaintext().peer_addr(*stream.remote_addr());
        match stream.io().local_addr() {
            Ok(local) => info.local_addr(local).build(),
            Err(_) => info.build(),
        }
    }
}

/// The rejection of the extractor [`EffectiveAuthority`]: 400 without a body.
///
/// ```
/// use axum::{http::StatusCode, response::IntoResponse};
/// use tower_misdirected::MalformedAuthority;
///
/// fn answer(rejection: MalformedAuthority) -> axum::response::Response {
///     println!("{}", rejection.reason());
///     rejection.into_response()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedAuthority(Malformed);

impl MalformedAuthority {
    /// Why there is no authority.
    pub fn reason(self) -> Malformed {
        self.0
    }
}

impl fmt::Display for MalformedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for MalformedAuthority {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl IntoResponse for MalformedAuthority {
    fn into_response(self) -> Response {
        StatusCode::BAD_REQUEST.into_response()
    }
}

/// The rejection of the extractor [`ConnectionInfo`]: 500 without a body, for the server was set up
/// without it.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingConnectionInfo(());

impl fmt::Display for MissingConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::Rejection::NoConnectionInfo.fmt(f)
    }
}

impl Error for MissingConnectionInfo {}

impl IntoResponse for MissingConnectionInfo {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
