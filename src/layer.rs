//! The layer and its settings. How a request is handled lives in `service`.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use tower_layer::Layer;

use crate::answer::{EmptyBody, Json, ProblemJson};
use crate::authority::EffectiveAuthority;
use crate::config::{ConfigError, host_pattern};
use crate::report::Verdict;
use crate::service::Misdirected;
use crate::verdict::{Coalescing, Rules};

/// Answers 421 Misdirected Request (RFC 9110 §15.5.20) to requests whose authority cannot be served
/// on the connection they arrived on, and 400 to those that have no proper authority.
///
/// [`new`](Self::new) is the safe default: the connection must be as good as the one that the host
/// would have got by itself ([`Coalescing::SameTlsConfig`]). It needs a
/// [`ConnectionInfo`](crate::ConnectionInfo) with every request, which this crate's acceptors
/// provide; a request without one is answered 500, and the log says what to install.
///
/// Put it outside everything that routes, reads `Host` or authenticates. In axum,
/// [`Router::layer`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer) covers the routes
/// and the fallback added *before* it.
///
/// # Not for forward proxies
///
/// 421 is for origin servers and for gateways, which answer in an origin's name. A forward proxy must
/// not generate it (RFC 9110 §15.5.20).
///
/// # Example
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_misdirected::{CertificateNames, ConnectionInfo, MisdirectedLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = ServiceBuilder::new()
///     .layer(MisdirectedLayer::new())
///     .service(service_fn(|_: Request<()>| async {
///         Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
///     }));
///
/// // An acceptor would insert this.
/// let connection = ConnectionInfo::tls()
///     .server_name("app.example")
///     .certificate_names(CertificateNames::from_sans(["app.example", "api.example"], []))
///     .build();
/// let get = |host: &str| {
///     Request::get("/")
///         .header("host", host)
///         .extension(connection.clone())
///         .body(())
/// };
///
/// let response = app.clone().oneshot(get("api.example")?).await?;
/// assert_eq!(response.status(), StatusCode::OK);
///
/// let response = app.clone().oneshot(get("other.example")?).await?;
/// assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
/// assert_eq!(response.headers()["cache-control"], "no-store");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct MisdirectedLayer<R = EmptyBody> {
    settings: Arc<Settings>,
    responder: R,
}

/// Called with every verdict.
type OnVerdict = Arc<dyn Fn(&Verdict<'_>) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) rules: Rules,
    pub(crate) default_host: Option<HeaderValue>,
    pub(crate) close_http1: bool,
    pub(crate) report_only: bool,
    pub(crate) on_verdict: Option<OnVerdict>,
}

impl MisdirectedLayer {
    /// The safe default: [`Coalescing::SameTlsConfig`], any host and any port, an answer without a
    /// body, HTTP/1 connections closed after a refusal.
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let app: axum::Router = axum::Router::new().layer(MisdirectedLayer::new());
    /// ```
    pub fn new() -> Self {
        Self {
            settings: Arc::new(Settings {
                rules: Rules::default(),
                default_host: None,
                close_http1: true,
                report_only: false,
                on_verdict: None,
            }),
            responder: EmptyBody,
        }
    }
}

impl Default for MisdirectedLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> MisdirectedLayer<R> {
    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// Sets how far one connection may serve several hosts. The default is
    /// [`Coalescing::SameTlsConfig`].
    ///
    /// ```
    /// use tower_misdirected::{Coalescing, MisdirectedLayer};
    ///
    /// let layer = MisdirectedLayer::new().coalescing(Coalescing::Certificate);
    /// ```
    pub fn coalescing(self, level: Coalescing) -> Self {
        self.set(|settings| settings.rules.coalescing = level)
    }

    /// Serves these hosts only; any other is answered 421.
    ///
    /// An entry is a DNS name (`app.example`), a wildcard for one label (`*.app.example`, which does
    /// not match `app.example` itself), or an IP address (`127.0.0.1`, `::1` or `[::1]`). Case and a
    /// trailing dot do not matter. The last call wins.
    ///
    /// With [`Coalescing::Unchecked`] this needs no TLS and no connection info: it keeps DNS
    /// rebinding away from a plain HTTP server.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for an entry that is none of these: one with a port, a scheme, a `*`
    /// elsewhere, or with non-ASCII letters, which must be given in Punycode (`xn--…`, RFC 5890).
    /// And for an empty list, which would refuse everything.
    ///
    /// ```
    /// use tower_misdirected::{Coalescing, MisdirectedLayer};
    ///
    /// let layer = MisdirectedLayer::new()
    ///     .coalescing(Coalescing::Unchecked)
    ///     .allowed_hosts(["localhost", "*.app.example", "127.0.0.1", "::1"])?;
    ///
    /// let error = MisdirectedLayer::new().allowed_hosts(["bücher.example"]).unwrap_err();
    /// assert_eq!(error.value(), "bücher.example");
    /// assert!(error.to_string().contains("xn--"));
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn allowed_hosts<I>(self, hosts: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut entries = hosts
            .into_iter()
            .map(|host| host_pattern(host.as_ref()).map(|pattern| (pattern, ())))
            .peekable();
        if entries.peek().is_none() {
            return Err(ConfigError::empty_list("allowed_hosts"));
        }
        let hosts = entries.collect::<Result<_, _>>()?;
        Ok(self.set(|settings| settings.rules.allowed_hosts = Some(Arc::new(hosts))))
    }

    /// Serves these ports only; an authority with any other is answered 421. An authority without a
    /// port has its scheme's default, 443 or 80.
    ///
    /// By default the port takes no part: behind a port mapping it is rarely the one that is listened
    /// on.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for an empty list, which would refuse everything.
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let layer = MisdirectedLayer::new().ports([443, 8443])?;
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn ports(self, ports: impl IntoIterator<Item = u16>) -> Result<Self, ConfigError> {
        let ports: Arc<[u16]> = ports.into_iter().collect();
        if ports.is_empty() {
            return Err(ConfigError::empty_list("ports"));
        }
        Ok(self.set(|settings| settings.rules.ports = Some(ports)))
    }

    /// Gives HTTP/1.0 requests without `Host` this authority, `host` or `host:port`. Without a
    /// default they are answered 400. The inner service sees it as the `Host` field.
    ///
    /// It is judged like any other, so it has to be one that the connection may serve.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where it is no such authority.
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let layer = MisdirectedLayer::new().default_host("app.example")?;
    /// assert!(MisdirectedLayer::new().default_host("*.example").is_err());
    /// # Ok::<_, tower_misdirected::ConfigError>(())
    /// ```
    pub fn default_host(self, authority: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::no_authority("default_host", authority);
        let parsed: EffectiveAuthority = authority.parse().map_err(|_| invalid())?;
        let value = HeaderValue::try_from(parsed.to_string()).map_err(|_| invalid())?;
        Ok(self.set(|settings| settings.default_host = Some(value)))
    }

    /// Whether a request whose scheme is not the connection's is answered 421, such as `http` over
    /// TLS, which passes by default (RFC 9110 §7.4). `https` over plaintext passes at
    /// [`Coalescing::Unchecked`] only, and not there either once this is set.
    ///
    /// HTTP/2, HTTP/3 and HTTP/1's absolute-form name a scheme. That of an HTTP/2 request with `Host` in
    /// place of `:authority` is lost on the way to this layer, so strictness refuses such a request,
    /// and a plaintext connection does not serve it either.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().strict_scheme(true);
    /// ```
    pub fn strict_scheme(self, strict: bool) -> Self {
        self.set(|settings| settings.rules.strict_scheme = strict)
    }

    /// Whether every request on a plaintext connection is answered 421, unless it comes from a
    /// [trusted gateway](crate::ConnectionInfo::trusted_gateway). Off by default.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().require_tls(true);
    /// ```
    pub fn require_tls(self, require: bool) -> Self {
        self.set(|settings| settings.rules.require_tls = require)
    }

    /// Answers with the body `{"error":"misdirected_request"}` of type `application/json`. The
    /// response body must be `From<Bytes>`.
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let app: axum::Router = axum::Router::new().layer(MisdirectedLayer::new().json());
    /// ```
    pub fn json(self) -> MisdirectedLayer<Json> {
        self.responder(Json)
    }

    /// Answers with problem details (RFC 9457) of type `application/problem+json`. The response body
    /// must be `From<Bytes>`.
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let app: axum::Router = axum::Router::new().layer(MisdirectedLayer::new().problem_json());
    /// ```
    pub fn problem_json(self) -> MisdirectedLayer<ProblemJson> {
        self.responder(ProblemJson)
    }

    /// Answers with what `responder` writes: a function from [`Rejection`](crate::Rejection) to a
    /// response, whose body must be [`Default`], or a [`Responder`](crate::Responder).
    ///
    /// It is asked for every refusal, malformed requests (400) and missing connection info (500)
    /// included. Whatever it writes leaves with `Cache-Control: no-store`, and with the rejection's
    /// own status where its status is no error. Do not tell the client the reason: it would expose
    /// how the server is set up.
    ///
    /// ```
    /// use axum::response::IntoResponse;
    /// use http::StatusCode;
    /// use tower_misdirected::{MisdirectedLayer, Rejection};
    ///
    /// let layer = MisdirectedLayer::new().responder(|rejection: Rejection| match rejection {
    ///     // A retry would not help, so some servers prefer this one.
    ///     Rejection::UnknownHost => StatusCode::NOT_FOUND.into_response(),
    ///     _ => (rejection.status(), "try another connection\n").into_response(),
    /// });
    /// # let _: axum::Router = axum::Router::new().layer(layer);
    /// ```
    pub fn responder<N>(self, responder: N) -> MisdirectedLayer<N> {
        MisdirectedLayer {
            settings: self.settings,
            responder,
        }
    }

    /// Whether a refusal closes an HTTP/1 connection, by `Connection: close`. On by default, for the
    /// client has to use another one anyway. HTTP/2 and HTTP/3 connections always stay.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().close_http1(false);
    /// ```
    pub fn close_http1(self, close: bool) -> Self {
        self.set(|settings| settings.close_http1 = close)
    }

    /// Whether to judge and report every request but refuse none, malformed ones included: a way to
    /// see what the layer would do before it does it. Off by default.
    ///
    /// A response to a request that would have been refused carries the
    /// [`Rejection`](crate::Rejection) in its extensions, like a refusal.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new()
    ///     .report_only(true)
    ///     .on_verdict(|verdict| println!("{:?}", verdict.outcome()));
    /// ```
    pub fn report_only(self, report_only: bool) -> Self {
        self.set(|settings| settings.report_only = report_only)
    }

    /// Calls `callback` with the verdict on every request, before the inner service runs. The last
    /// call wins.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use tower_misdirected::{MisdirectedLayer, Outcome};
    ///
    /// static COALESCED: AtomicU64 = AtomicU64::new(0);
    ///
    /// let layer = MisdirectedLayer::new().on_verdict(|verdict| {
    ///     if verdict.outcome() == Outcome::Coalesced {
    ///         COALESCED.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// ```
    pub fn on_verdict(self, callback: impl Fn(&Verdict<'_>) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.on_verdict = Some(Arc::new(callback)))
    }
}

impl<S, R: Clone> Layer<S> for MisdirectedLayer<R> {
    type Service = Misdirected<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Misdirected::new(inner, self.settings.clone(), self.responder.clone())
    }
}

impl<R> fmt::Debug for MisdirectedLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MisdirectedLayer")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("rules", &self.rules)
            .field("default_host", &self.default_host)
            .field("close_http1", &self.close_http1)
            .field("report_only", &self.report_only)
            .finish_non_exhaustive()
    }
}
