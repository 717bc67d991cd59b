//! The layer and its builder methods. The methods for hosts live in `allowed_hosts`, the methods for responders in
//! `responders`, and handling a request in `service`.

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
/// [`new`](Self::new) is the safe default for servers that terminate TLS. On a TLS connection, the layer then serves a
/// host only if the certificate covers the host and the TLS configuration is that of the host
/// ([`Coalescing::SameTlsConfig`]). The layer needs a [`ConnectionInfo`](crate::ConnectionInfo) with every request,
/// which this crate's acceptors provide. A request without a `ConnectionInfo` gets 500, and the log event says which
/// acceptor to install.
///
/// Put the layer outside everything that routes, reads `Host` or authenticates. In axum,
/// [`Router::layer`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer) covers only the routes and the
/// fallback that were added *before* it.
///
/// # Not for forward proxies
///
/// Origin servers and gateways may send 421. A forward proxy must not generate a 421 (RFC 9110 §15.5.20).
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
    /// Creates a layer with the safe defaults: [`Coalescing::SameTlsConfig`], any host, any port, answers without a
    /// body, and `Connection: close` on HTTP/1 refusals.
    ///
    /// A plaintext connection has no certificate to compare with the host, so every host passes. For a plaintext
    /// server, use [`loopback`](Self::loopback) or [`behind_gateway`](Self::behind_gateway), or set
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

    /// Sets which hosts one connection may serve. The default is [`Coalescing::SameTlsConfig`].
    ///
    /// ```
    /// use tower_misdirected::{Coalescing, MisdirectedLayer};
    ///
    /// let layer = MisdirectedLayer::new().coalescing(Coalescing::Certificate);
    /// ```
    pub fn coalescing(self, level: Coalescing) -> Self {
        self.set(|settings| settings.rules.coalescing = level)
    }

    /// Serves only these ports, and answers 421 to an authority with any other port. The default is every port.
    ///
    /// An absent port counts as the default port of the scheme, 443 or 80. If the request names no scheme, the
    /// connection decides: 443 for TLS and for a gateway, 80 for plaintext. Without connection info, either default
    /// port may be in the list.
    ///
    /// Without this setting, the layer ignores the port: behind a port mapping, clients use a different port from the
    /// port that the server listens on.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if the list is empty, because it would refuse every request.
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

    /// Sets the authority of HTTP/1.0 requests without `Host`, as `host` or `host:port`. Without this setting, such
    /// requests get 400.
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

    /// Sets whether the layer answers 421 if the scheme of a request does not match the connection (RFC 9110 §7.4). Off
    /// by default.
    ///
    /// By default, `http` over TLS passes, and `https` over plaintext passes only at [`Coalescing::Unchecked`]. With
    /// this setting, neither passes. On a connection from a [gateway](Self::gateway), both schemes pass.
    ///
    /// Requests over HTTP/2 and HTTP/3 name a scheme, and so do HTTP/1 requests in absolute-form. If an HTTP/2 request
    /// has `Host` in place of `:authority`, the layer cannot see its scheme. With this setting, the layer refuses such
    /// a request. Without it, the layer treats the request as `https` on a plaintext connection.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().strict_scheme(true);
    /// ```
    pub fn strict_scheme(self, strict: bool) -> Self {
        self.set(|settings| settings.rules.strict_scheme = strict)
    }

    /// Sets whether the layer answers 421 to every request on a plaintext connection, except from a
    /// [trusted gateway](crate::ConnectionInfo::trusted_gateway). Off by default. [`gateway`](Self::gateway) implies
    /// this setting.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().require_tls(true);
    /// ```
    pub fn require_tls(self, require: bool) -> Self {
        self.set(|settings| settings.rules.require_tls = require)
    }

    /// Sets whether a refusal closes an HTTP/1 connection with `Connection: close`. On by default, because the client
    /// needs another connection anyway. HTTP/2 and HTTP/3 connections stay open.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new().close_http1(false);
    /// ```
    pub fn close_http1(self, close: bool) -> Self {
        self.set(|settings| settings.close_http1 = close)
    }

    /// Sets whether the layer judges and reports every request but refuses none, not even malformed requests. Off by
    /// default. Use it to see what the layer would refuse. [`guide::rolling_out`](crate::guide::rolling_out) has the
    /// steps.
    ///
    /// If a request would have been refused, the extensions of its response contain the
    /// [`Rejection`](crate::Rejection). A `Rejection` that an inner layer inserted stays, because it is the reason for
    /// the status.
    ///
    /// The log event of such a request is emitted before the inner service runs, so it has no status. To log the status
    /// and the reason together, read both from the response in an outer layer.
    ///
    /// ```
    /// let layer = tower_misdirected::MisdirectedLayer::new()
    ///     .report_only(true)
    ///     .on_verdict(|verdict| println!("{:?}", verdict.outcome()));
    /// ```
    pub fn report_only(self, report_only: bool) -> Self {
        self.set(|settings| settings.report_only = report_only)
    }

    /// Sets a callback that receives the verdict on every request. The last call wins. The default is no callback.
    ///
    /// The callback runs before the inner service, or before the responder if the request is refused, so it does not
    /// see the response. The client chooses the method and the authority in a verdict. For metric labels use
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
