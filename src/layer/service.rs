//! The service that handles a request: it reads the authority, asks for the verdict, then calls the inner service or
//! answers. How each of these steps works lives in `authority`, `verdict` and `answer`.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::future::ResponseFuture;
use super::settings::Settings;
use crate::answer::{self, Refusal, Responder};
use crate::authority::{self, Target};
use crate::connection::{ConnectionInfo, connection_info};
use crate::verdict::{self, Evidence, Rejection, Verdict};

/// Middleware service produced by [`MisdirectedLayer`](crate::MisdirectedLayer).
///
/// Its error type is that of the inner service, because a refusal is a response. The service drops a refused
/// request with its body unread and does not call the inner service. `poll_ready` has already been forwarded to the
/// inner service, so a permit that it reserved stays reserved until the next call on this clone.
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

    /// Returns the inner service, dropping the layer.
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
        let (host_differs, rejection) = judge(settings, &request);
        match rejection {
            Some(rejection) if !settings.report_only => {
                ResponseFuture::refused(self.refuse(&request, rejection))
            }
            _ => {
                if host_differs {
                    authority::replace_host(&mut request);
                }
                ResponseFuture::inner(self.inner.call(request), rejection)
            }
        }
    }
}

impl<S, R> Misdirected<S, R> {
    #[cold]
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

/// Judges a request and reports the verdict. Returns whether `Host` differs from the authority that was judged,
/// and what the request is to be refused for.
#[inline(always)]
fn judge<B>(settings: &Settings, request: &Request<B>) -> (bool, Option<Rejection>) {
    let connection = connection_info(request.extensions());
    let likely = connection.and_then(ConnectionInfo::server_name_host);
    let target = Target::of(request, likely);
    let outcome = match &target {
        Ok(target) => {
            let (host, level) = (&target.authority.host, settings.rules.coalescing);
            let evidence = connection.map(|info| Evidence::gather(info, host, level));
            verdict::judge(target, evidence, &settings.rules)
        }
        Err(malformed) => Err(Rejection::Malformed(*malformed)),
    };
    if outcome.is_err() || settings.on_verdict.is_some() {
        let verdict = Verdict {
            method: request.method(),
            target,
            connection,
            outcome,
            report_only: settings.report_only,
        };
        report(settings, &verdict);
    }
    let host_differs = target.is_ok_and(|target| target.host_differs);
    (host_differs, outcome.err())
}

#[cold]
fn report(settings: &Settings, verdict: &Verdict<'_>) {
    #[cfg(feature = "tracing")]
    verdict.trace();
    if let Some(on_verdict) = &settings.on_verdict {
        on_verdict(verdict);
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
