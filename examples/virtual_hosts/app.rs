//! The application behind the layer: it answers with one line that describes the request.

use std::fmt::{self, Display, Write};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::ALT_SVC;
use axum::http::{HeaderValue, Method, Version};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_misdirected::{ConnectionInfo, EffectiveAuthority, MisdirectedLayer, VirtualHosts};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::{Body, Config};

/// The current router, which a reload replaces.
#[derive(Clone)]
pub struct App(Arc<RwLock<Router>>);

impl App {
    pub fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    pub fn replace(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    /// Passes every request to the current router, so that a reload also affects open connections.
    pub fn router(&self) -> Router {
        let app = self.clone();
        Router::new().fallback(move |request: Request| {
            let current = app.0.read().unwrap_or_else(PoisonError::into_inner);
            current.clone().oneshot(request)
        })
    }
}

/// The data for the answers.
struct Site {
    hosts: VirtualHosts,
    /// The `Alt-Svc` field that advertises HTTP/3 (RFC 7838), if the server has it.
    alt_svc: Option<HeaderValue>,
}

/// The configured application, served on this port.
pub fn router(config: &Config, hosts: VirtualHosts, port: u16) -> Router {
    let alt_svc = HeaderValue::try_from(format!("h3=\":{port}\"; ma=86400")).ok();
    let alt_svc = alt_svc.filter(|_| config.http3);
    let answers = Router::new()
        .fallback(answer)
        .with_state(Arc::new(Site { hosts, alt_svc }));
    let layer = MisdirectedLayer::new()
        .coalescing(config.coalescing)
        .check_certificate(config.check_certificate)
        .report_only(config.report_only);
    match config.body {
        Body::None => answers.layer(layer),
        Body::Json => answers.layer(layer.json()),
        Body::ProblemJson => answers.layer(layer.problem_json()),
    }
}

async fn answer(
    State(site): State<Arc<Site>>,
    connection: Option<ConnectionInfo>,
    mut request: Request,
) -> Response {
    // Reads the whole body, so that the connection stays usable. The content of CONNECT is a tunnel without an end.
    if request.method() != Method::CONNECT {
        while let Some(Ok(_)) = request.body_mut().frame().await {}
    }
    // The name that the layer judged. A malformed request has none, and passes only in report-only mode.
    let authority = EffectiveAuthority::of(&request).ok();
    let host = authority.as_ref().map(EffectiveAuthority::host);
    let vhost = host.and_then(|host| site.hosts.get(host));
    let connection = connection.as_ref();
    let addr = connection.and_then(ConnectionInfo::client_addr);
    let line = format!(
        "host={} vhost={} sni={} client={} addr={}\n",
        Field(host),
        Field(vhost.as_ref().map(|vhost| vhost.id())),
        Field(connection.and_then(ConnectionInfo::server_name)),
        Field(connection.and_then(client)),
        Field(addr.map(|addr| addr.ip())),
    );
    // Sent over TCP, to clients that do not use HTTP/3 yet, and never with a refusal.
    let over_tcp = request.version() != Version::HTTP_3;
    let alt_svc = site.alt_svc.clone().filter(|_| over_tcp);
    (alt_svc.map(|value| [(ALT_SVC, value)]), line).into_response()
}

/// Returns the common name of the client's certificate, which the handshake verified.
fn client(connection: &ConnectionInfo) -> Option<String> {
    let certificate = connection.client_certificates().next()?;
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

/// Returns a value, or `-`. Characters that could end a line or begin another field are escaped, because a common name
/// can be any text.
struct Field<T>(Option<T>);

impl<T: Display> Display for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = &self.0 else {
            return f.write_char('-');
        };
        match value.to_string() {
            dash if dash == "-" => write!(f, "{}", '-'.escape_unicode()),
            value => value.chars().try_for_each(|c| match c {
                ' ' => write!(f, "{}", c.escape_unicode()),
                '\'' | '"' => f.write_char(c),
                _ => write!(f, "{}", c.escape_debug()),
            }),
        }
    }
}
