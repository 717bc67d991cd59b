//! The service that handles a request: it reads the authority, judges the request, then calls the inner service or
//! answers. The steps themselves live in `authority`, `verdict` and `answer`.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::future::ResponseFuture;
use super::judging::judge;
use super::settings::Settings;
use crate::answer::{self, Refusal, Responder};
use crate::authority::{self, Stated};
use crate::connection::{ConnectionInfo, Unread, connection_info};
use crate::verdict::{Rejection, Verdict};

/// Middleware service produced by [`MisdirectedLayer`](crate::MisdirectedLayer).
///
/// Its error type is the error type of the inner service, because a refusal is a response. If the service refuses a
/// request, it drops the request with its body unread and does not call the inner service. `poll_ready` has already
/// been forwarded to the inner service, so a permit that it reserved stays reserved until the next call on this clone.
///
/// ```
/// use tower::Layer;
/// use tower_misdirected::{Misdirected, MisdirectedLayer};
///
/// let router = axum::Router::<()>::new();
/// let service: Misdirected<axum::Router> = MisdirectedLayer::new().layer(router);
/// let router = service.into_inner();
/// ```
#[derive(Clone)]
pub struct Misdirected<S, R = answer::EmptyBody> {
    inner: S,
    settings: Arc<Settings>,
    responder: R,
}

impl<S, R> Misdirected<S, R> {
    pub(super) fn new(inner: S, settings: Arc<Settings>, responder: R) -> Self {
        Self {
            inner,
            settings,
            responder,
        }
    }

    /// Returns a reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Consumes the middleware and returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for Misdirected<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Responder<ResBody>,
    ResBody: Body + Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let settings = &*self.settings;
        if let Some(default) = &settings.default_host {
            authority::supply_default(&mut request, default);
        }
        let (host_differs, rejection) = judge(&settings.rules, &request);
        if settings.on_verdict.is_some() {
            report(settings, &request, rejection);
        }
        if let Some(rejection) = rejection {
            if let Some(refused) = self.act_on(rejection, &request) {
                return ResponseFuture::refused(refused);
            }
        }
        if host_differs {
            authority::replace_host(&mut request);
        }
        ResponseFuture::inner(self.inner.call(request), rejection)
    }
}

/// Calls the callback. A separate function, so that requests cost no more without a callback.
#[cold]
#[inline(never)]
fn report<B>(settings: &Settings, request: &Request<B>, rejection: Option<Rejection>) {
    if let Some(on_verdict) = &settings.on_verdict {
        on_verdict(&verdict_on(settings, request, rejection));
    }
}

/// Returns the report on a request. It reads the target again, because keeping the target would slow down requests
/// without a report.
#[inline(never)]
fn verdict_on<'a, B>(
    settings: &Settings,
    request: &'a Request<B>,
    rejection: Option<Rejection>,
) -> Verdict<'a> {
    let connection = connection_info(request.extensions());
    let likely = connection.and_then(ConnectionInfo::server_name_host);
    Verdict {
        method: request.method(),
        version: request.version(),
        target: Stated::of(request).and_then(|stated| stated.read(likely)),
        connection,
        outcome: rejection.map_or(Ok(()), Err),
        report_only: settings.report_only,
    }
}

impl<S, R> Misdirected<S, R> {
    /// Logs the rejection, and writes the response unless the layer is report-only.
    #[cold]
    fn act_on<B, ResBody>(
        &self,
        rejection: Rejection,
        request: &Request<B>,
    ) -> Option<Response<ResBody>>
    where
        R: Responder<ResBody>,
        ResBody: Body + Default,
    {
        let refused = match self.settings.report_only {
            true => None,
            false => Some(self.refuse(request, rejection)),
        };
        if refused.is_some() {
            tell_connection(request);
        }
        // The event comes after the response, because the responder may choose another status. In report-only mode, the
        // status is unknown until the handler is done, which may be much later or never. The event does not wait for
        // it, so that no report gets lost.
        #[cfg(feature = "tracing")]
        if crate::verdict::is_logged(rejection) {
            let verdict = verdict_on(&self.settings, request, Some(rejection));
            verdict.trace(rejection, refused.as_ref().map(Response::status));
        }
        refused
    }

    fn refuse<B, ResBody>(&self, request: &Request<B>, rejection: Rejection) -> Response<ResBody>
    where
        R: Responder<ResBody>,
        ResBody: Body + Default,
    {
        let refusal = Refusal::new(rejection, request);
        let mut response = self.responder.respond(&refusal);
        answer::seal(&mut response, &refusal, self.settings.close_http1);
        response
    }
}

/// Tells the connection if the body of a refused request may still be arriving. The connection then does not close
/// before the client has received the answer.
fn tell_connection<B>(request: &Request<B>) {
    if let Some(unread) = Unread::of(request) {
        if let Some(connection) = connection_info(request.extensions()) {
            connection.put_unread(unread);
        }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Misdirected<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Misdirected")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
