//! A page at `one.test` that fetches from the site's hosts one after the other, tells the server what it saw,
//! and shows that beside the server's record. What is to be seen is not here.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Json, Router};
use serde::Serialize;
use tokio::sync::watch;
use tower_misdirected::{MisdirectedLayer, Refusal};

use super::headless::Browser;
use crate::site::{self, ASIDE, Kind, Record, Records, Site};

/// How long the body of an upload is: more than the first flight of a connection, and than a window of HTTP/2.
const UPLOAD: usize = 1_000_000;

/// A page to be opened.
pub struct Page {
    /// What its picture is called, after the name of the browser.
    pub file: &'static str,
    pub title: &'static str,
    pub kind: Kind,
    /// A host that the layer does not know, although it has a TLS configuration.
    pub unknown: Option<&'static str>,
    pub fetches: Vec<Fetch>,
}

/// A call of `fetch()`. One differs from the next in its host or its path.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub struct Fetch {
    pub host: &'static str,
    pub path: &'static str,
    pub credentials: Credentials,
    pub body: Body,
}

impl Fetch {
    /// GET with credentials.
    pub fn from(host: &'static str) -> Self {
        Self {
            host,
            path: "/target",
            credentials: Credentials::Include,
            body: Body::None,
        }
    }
}

/// Browsers keep connections for requests with and without credentials apart.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Credentials {
    Include,
    Omit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// GET.
    None,
    /// POST of a body that can be sent again.
    Whole,
    /// POST of a body that cannot.
    Stream,
}

impl Body {
    pub fn length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Whole | Self::Stream => UPLOAD,
        }
    }
}

/// What became of a page.
#[derive(Debug)]
pub struct Visit {
    pub fetches: Vec<Seen>,
    /// Every request, the page's own included.
    pub records: Vec<Record>,
}

/// What became of a fetch.
#[derive(Debug)]
pub struct Seen {
    pub fetch: Fetch,
    /// A status, or an error.
    pub page_saw: String,
    /// The requests that it took, in the order of the answers.
    pub record: Vec<Record>,
}

/// Opens a page, and returns what became of it when it has loaded.
pub async fn open(browser: &Browser, page: Page) -> Visit {
    let (report, reported) = watch::channel(None);
    let plan = Arc::new(Plan {
        title: page.title,
        fetches: page.fetches.clone(),
        report,
    });
    let known = site::NAMES.iter().chain([&ASIDE]);
    let known = known.filter(|name| Some(**name) != page.unknown);
    let layer = MisdirectedLayer::new()
        .allowed_hosts(known)
        .unwrap()
        .responder(cacheable);
    let site = Site::serve(page.kind, routes(plan).layer(layer).layer(from_fn(cors))).await;

    let picture = format!("{}{}.png", browser.name().to_lowercase(), page.file);
    browser.open(&site, &site.url("one.test"), &picture).await;

    let report = reported.borrow().clone().expect("the page's report");
    let records = site.take();
    assert_eq!(report.len(), page.fetches.len());
    let by_fetch = by_fetch(&page.fetches, &records);
    let fetches = page.fetches.iter().zip(report).zip(by_fetch);
    let fetches = fetches.map(|((&fetch, page_saw), record)| Seen {
        fetch,
        page_saw,
        record,
    });
    Visit {
        fetches: fetches.collect(),
        records,
    }
}

struct Plan {
    title: &'static str,
    fetches: Vec<Fetch>,
    report: watch::Sender<Option<Vec<String>>>,
}

type Planned = State<Arc<Plan>>;

fn routes(plan: Arc<Plan>) -> Router {
    Router::new()
        .route("/", get(Html(include_str!("page.html"))))
        .route("/plan", get(tell_plan))
        .route("/body", get(async || body()))
        .route("/target", any(target))
        .route("/record", get(tell_record))
        .route("/report", post(take_report))
        .route("/reported", get(reported))
        .fallback_service(site::pages())
        .layer(DefaultBodyLimit::disable())
        .with_state(plan)
}

async fn tell_plan(State(plan): Planned) -> impl IntoResponse {
    Json((plan.title, plan.fetches.clone()))
}

/// What the page has to upload.
fn body() -> Vec<u8> {
    (0..UPLOAD).map(|at| (at % 251) as u8).collect()
}

/// An upload is refused if it is not whole.
async fn target(received: Bytes) -> StatusCode {
    match received.is_empty() || received == body() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// For each fetch the requests that it took: connection, the name it was opened for, method, status.
async fn tell_record(
    State(plan): Planned,
    Extension(records): Extension<Records>,
) -> impl IntoResponse {
    let records = by_fetch(&plan.fetches, &records.lock().unwrap());
    let fetches = records.iter().map(|records| {
        let records = records.iter().map(|record| {
            let method = record.method.to_string();
            (
                record.connection,
                record.server_name.clone(),
                method,
                record.status,
            )
        });
        records.collect::<Vec<_>>()
    });
    Json(fetches.collect::<Vec<_>>())
}

async fn take_report(State(plan): Planned, Json(report): Json<Vec<String>>) {
    plan.report.send_replace(Some(report));
}

/// A picture that the page waits for, so that it has not loaded before it is done.
async fn reported(State(plan): Planned) -> impl IntoResponse {
    let mut report = plan.report.subscribe();
    report.wait_for(Option::is_some).await.unwrap();
    let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>"#;
    ([(header::CONTENT_TYPE, "image/svg+xml")], svg)
}

/// The page fetches one after the other, so its requests are in the record in the order of its fetches, and
/// those that are sent again are side by side.
fn by_fetch(fetches: &[Fetch], records: &[Record]) -> Vec<Vec<Record>> {
    let mut by_fetch = vec![Vec::new(); fetches.len()];
    let mut at = 0;
    for record in records {
        let is = |fetch: &Fetch| (fetch.host, fetch.path) == (record.host(), &*record.path);
        if let Some(ahead) = fetches[at..].iter().position(is) {
            at += ahead;
            by_fetch[at].push(record.clone());
        }
    }
    by_fetch
}

/// A responder that means badly: C1 overrides it.
fn cacheable(refusal: &Refusal<'_>) -> Response {
    let for_long = [(header::CACHE_CONTROL, "max-age=3600")];
    (refusal.status(), for_long).into_response()
}

/// Lets the page see every answer, refusals included, which is why this is outside of the layer. No
/// preflight is answered here: that is for the host's own connection as well.
async fn cors(request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = next.run(request).await;
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let yes = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    response
}
