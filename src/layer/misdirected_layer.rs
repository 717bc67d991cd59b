//! The layer, and the methods that set it up. Choosing hosts lives in `allowed_hosts`, choosing who writes the answer
//! in `responders`, handling a request in `service`.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use tower_layer::Layer;

use super::error::ConfigError;
use super::service::Misdirected;
use super::settings::Settings;
use crate::answer::EmptyBody;
use crate::authority::EffectiveAuthority;
use crate::verdict::{Coalescing, Verdict};

/// Layer that answers 421 Misdirected Request (RFC 9110 §15.5.20) to requests whose authority cannot be served on
/// the connection they arrived on, and 400 to requests without a valid authority.
///
/// [`new`](Self::new) is the safe default: it serves a host only on connections that are as good as a connection
/// of the host's own ([`Coalescing::SameTlsConfig`]). It needs a [`ConnectionInfo`](crate::ConnectionInfo) with
/// every request, which this crate's acceptors provide. A request without one gets 500, and the log says which
/// acceptor to install.
///
/// Put the layer outside everything that routes, reads `Host` or authenticates. In axum,
/// [`Router::layer`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer) covers the routes and the
/// fallback that were added *before* it.
///
/// # Not for forward proxies
///
/// Origin servers may send 421, and so may gateways, which answer in the name of an origin. A forward proxy must
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
///     .single_tls_config()
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
    pub(super) settings: Arc<Settings>,
    pub(super) responder: R,
}

impl MisdirectedLayer {
    /// Creates the safe default: [`Coalescing::SameTlsConfig`], any host and any port, answers without a body, and
    /// HTTP/1 connections closed after a refusal.
    ///
    /// On a plaintext connection there is no certificate to compare with the host, so every host passes. For a
    /// plaintext server use [`loopback`](Self::loopback), [`behind_gateway`](Self::behind_gateway), or set the
    /// [`allowed_hosts`](Self::allowed_hosts).
    ///
    /// ```
    /// use tower_misdirected::MisdirectedLayer;
    ///
    /// let app: axum::Router = axum::Router::new().layer(MisdirectedLayer::new());
    /// ```
    pub fn new() -> Self {
        Self {
            settings: Arc::default(),
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
    pub(super) fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
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

    /// Serves only these ports, and answers 421 to an authority with any other. An absent port stands for the
    /// default of the scheme, 443 or 80. If the layer does not see the scheme of the request, the scheme is that of
    /// the connection.
    ///
    /// Without this setting the layer ignores the port, because behind a port mapping clients use another port
    /// than the one that the server listens on.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for an empty list, which would refuse every request.
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

    /// Sets the authority of HTTP/1.0 requests without `Host`, as `host` or `host:port`. Without this setting they
    /// get 400.
    ///
    /// The inner service sees the authority in the `Host` field. The layer judges it like any other, so the
    /// connection must be able to serve it.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if the text is not an authority.
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

    /// Sets whether the layer answers 421 if the scheme of a request is not that of the connection
    /// (RFC 9110 §7.4). Off by default.
    ///
    /// By default `http` over TLS passes. `https` over plaintext passes only at [`Coalescing::Unchecked`], and never
    /// under this setting. From a [gateway](Self::gateway) both schemes pass.
    ///
    /// HTTP/2, HTTP/3 and the absolute-form of HTTP/1 name a scheme. An HTTP/2 request with `Host` in place of
    /// `:authority` loses its scheme on the way to the layer. This setting refuses such a request, and a plaintext
    /// connection does not serve it either.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().strict_scheme(true);
    /// ```
    pub fn strict_scheme(self, strict: bool) -> Self {
        self.set(|settings| settings.rules.strict_scheme = strict)
    }

    /// Sets whether the layer answers 421 to every request on a plaintext connection, except from a
    /// [trusted gateway](crate::ConnectionInfo::trusted_gateway). Off by default. [`gateway`](Self::gateway) does the
    /// same, and says who the gateways are.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().require_tls(true);
    /// ```
    pub fn require_tls(self, require: bool) -> Self {
        self.set(|settings| settings.rules.require_tls = require)
    }

    /// Sets whether a refusal closes an HTTP/1 connection, through `Connection: close`. On by default, because the
    /// client has to use another connection anyway. HTTP/2 and HTTP/3 connections stay open.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().close_http1(false);
    /// ```
    pub fn close_http1(self, close: bool) -> Self {
        self.set(|settings| settings.close_http1 = close)
    }

    /// Sets whether the layer judges and reports every request but refuses none, malformed ones included. Off by
    /// default. Use it to see what the layer would do before you enforce it.
    ///
    /// The response to a request that would have been refused carries the [`Rejection`](crate::Rejection) in its
    /// extensions, like a refusal. If an inner layer has put a `Rejection` there, it stays, because it is the reason
    /// of the status.
    ///
    /// The log event of such a request comes before the inner service runs and has no status. To log the status and
    /// the reason together, read both from the response in a layer outside this one.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new()
    ///     .report_only(true)
    ///     .on_verdict(|verdict| println!("{:?}", verdict.outcome()));
    /// ```
    pub fn report_only(self, report_only: bool) -> Self {
        self.set(|settings| settings.report_only = report_only)
    }

    /// Sets a callback that gets the verdict on every request. The last call wins.
    ///
    /// The callback runs before the inner service, or before the responder if the request is refused. So it does not
    /// see the response. The method and the authority in a verdict are the client's choice; for labels of metrics use
    /// [`Verdict::method_name`].
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
