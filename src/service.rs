//! The way of a request: its authority, the verdict, then the inner service or the answer.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Method, Request, Response};
use tower_service::Service;

use crate::answer::{self, Responder};
use crate::authority::{self, Target};
use crate::connection::ConnectionInfo;
use crate::future::ResponseFuture;
use crate::layer::Settings;
use crate::rejection::Rejection;
use crate::report::Verdict;
use crate::verdict;

/// The service that [`MisdirectedLayer`](crate::MisdirectedLayer) makes of another.
///
/// Its error is the inner service's, for a 421 is a response. A refused request is dropped with its
/// body unread, and the inner service is not called. It has been asked whether it is ready, though, as
/// tower's contract has it; what it reserved then, a permit of a concurrency limit say, waits for the next
/// request on the same clone.
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
    pub(crate) fn new(inner: S, settings: Arc<Settings>, responder: R) -> Self {
        Self {
            inner,
            settings,
            responder,
        }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, unwrapped.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for Misdirected<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Responder<ResBody>,
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
        let (host_differs, rejection) = settings.judge(&request);
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
    {
        let mut response = match *request.method() {
            Method::HEAD => self.responder.respond_to_head(rejection),
            _ => self.responder.respond(rejection),
        };
        let (version, close) = (request.version(), self.settings.close_http1);
        answer::seal(&mut response, rejection, version, close);
        response
    }
}

impl Settings {
    /// Judges and reports. Says whether the `Host` field differs from the authority that was judged,
    /// and what the request is to be refused for.
    #[inline(always)]
    fn judge<B>(&self, request: &Request<B>) -> (bool, Option<Rejection>) {
        let connection = connection_info(request.extensions());
        let likely = connection.and_then(ConnectionInfo::server_name_host);
        let target = Target::of(request, likely);
        let outcome = match &target {
            Ok(target) => verdict::judge(target, connection, &self.rules),
            Err(malformed) => Err(Rejection::Malformed(*malformed)),
        };
        if outcome.is_err() || self.on_verdict.is_some() {
            self.report(&Verdict {
                method: request.method(),
                target,
                connection,
                outcome,
                report_only: self.report_only,
            });
        }
        let host_differs = target.is_ok_and(|target| target.host_differs);
        (host_differs, outcome.err())
    }

    #[cold]
    fn report(&self, verdict: &Verdict<'_>) {
        #[cfg(feature = "tracing")]
        verdict.trace();
        if let Some(on_verdict) = &self.on_verdict {
            on_verdict(verdict);
        }
    }
}

/// The connection info of a request: one put there for us, or axum's.
#[inline]
pub(crate) fn connection_info(extensions: &Extensions) -> Option<&ConnectionInfo> {
    let own = extensions.get::<ConnectionInfo>();
    #[cfg(feature = "axum")]
    let own = own.or_else(|| crate::extract::connect_info(extensions));
    own
}

impl<S: fmt::Debug, R> fmt::Debug for Misdirected<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Misdirected")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
