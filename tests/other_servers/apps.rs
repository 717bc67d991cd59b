//! One application in each framework. It answers with its path, the server name of the connection and whether there is
//! a client certificate, and echoes the body of the request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::StatusCode;
use tower_misdirected::{ConnectionInfo, TlsListener};
use warp::Filter;

use crate::{poem_recipe, salvo_recipe, warp_recipe};

/// How often a handler ran.
#[derive(Clone, Default)]
pub struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn describe(&self, path: &str, info: &ConnectionInfo, body: &[u8]) -> String {
        self.0.fetch_add(1, Ordering::SeqCst);
        let name = info.server_name().unwrap_or("-");
        let client = info.client_certificates().count();
        format!("{path} {name} {client} {}", String::from_utf8_lossy(body))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    Poem,
    Salvo,
    Warp,
}

pub const EVERY_FRAMEWORK: [Framework; 3] = [Framework::Poem, Framework::Salvo, Framework::Warp];

impl Framework {
    /// Serves as the recipe does.
    pub async fn serve(self, listener: TlsListener, calls: Calls) -> io::Result<()> {
        match self {
            Self::Poem => poem_recipe::serve(listener, PoemApp(calls)).await,
            Self::Salvo => {
                let router = salvo_core::Router::with_path("{**rest}").goal(SalvoApp(calls));
                salvo_recipe::serve(listener, salvo_core::Service::new(router)).await
            }
            Self::Warp => {
                let filter = warp::path::full()
                    .and(warp::ext::get::<ConnectionInfo>())
                    .and(warp::body::bytes())
                    .map(move |path: warp::path::FullPath, info, body: Bytes| {
                        calls.describe(path.as_str(), &info, &body)
                    });
                warp_recipe::serve(listener, filter).await
            }
        }
    }
}

struct PoemApp(Calls);

impl poem::Endpoint for PoemApp {
    type Output = String;

    async fn call(&self, mut request: poem::Request) -> poem::Result<String> {
        let body = request.take_body().into_bytes().await?;
        let info = request.extensions().get::<ConnectionInfo>();
        let missing = || poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR);
        let info = info.ok_or_else(missing)?;
        Ok(self.0.describe(request.uri().path(), info, &body))
    }
}

struct SalvoApp(Calls);

#[salvo_core::async_trait]
impl salvo_core::Handler for SalvoApp {
    async fn handle(
        &self,
        request: &mut salvo_core::Request,
        _: &mut salvo_core::Depot,
        response: &mut salvo_core::Response,
        _: &mut salvo_core::FlowCtrl,
    ) {
        let body = request.payload().await.cloned().unwrap_or_default();
        let Some(info) = request.extensions().get::<ConnectionInfo>() else {
            response.status_code(StatusCode::INTERNAL_SERVER_ERROR);
            return;
        };
        let text = self.0.describe(request.uri().path(), info, &body);
        response.render(text);
    }
}
