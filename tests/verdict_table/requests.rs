//! Builds requests and layers, and sends requests through layers. Connections are built in `connections`.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::{Request, Response, Version};
use tower::{Layer, Service, service_fn};
use tower_misdirected::{ConnectionInfo, MisdirectedLayer, Outcome, Peers, Rejection};

use crate::axes::{Gateways, HostKind, List, Scheme, Settings};
use crate::connections::ANOTHER;

/// The port of every request that names a port. No scheme has this default.
pub const PORT: &str = ":8443";

/// The network of the gateways.
const NETWORK: &str = "10.0.0.0/8";

/// Builds a request for this host. The port is text that follows the host in the authority.
pub fn request(
    scheme: Scheme,
    host: HostKind,
    port: &str,
    connection: Option<&ConnectionInfo>,
) -> Request<()> {
    let authority = format!("{}{port}", host.text());
    let absolute = |scheme| {
        let uri = format!("{scheme}://{authority}/");
        Request::get(uri).version(Version::HTTP_2)
    };
    let by_host = |version| {
        let request = Request::get("/").version(version);
        request.header("host", &authority)
    };
    let request = match scheme {
        Scheme::Unnamed => by_host(Version::HTTP_11),
        Scheme::Http => absolute("http"),
        Scheme::Https => absolute("https"),
        Scheme::Other => absolute("ftp"),
        Scheme::Unseen => by_host(Version::HTTP_2),
    };
    let mut request = request.body(()).unwrap();
    if let Some(connection) = connection {
        request.extensions_mut().insert(connection.clone());
    }
    request
}

/// Builds a layer with these settings.
pub fn layer(settings: &Settings) -> MisdirectedLayer {
    let layer = MisdirectedLayer::new()
        .coalescing(settings.level)
        .check_certificate(settings.check_certificate)
        .strict_scheme(settings.strict_scheme)
        .require_tls(settings.require_tls);
    let layer = match settings.gateways {
        Gateways::Absent => layer,
        Gateways::Listed => layer.gateway(Peers::new([NETWORK]).unwrap()),
        Gateways::Any => layer.gateway(Peers::any()),
    };
    let layer = match settings.hosts {
        List::Absent => layer,
        List::With => layer
            .allowed_hosts(HostKind::ALL.map(HostKind::text))
            .unwrap(),
        List::Without => layer.allowed_hosts([ANOTHER, "192.0.2.2"]).unwrap(),
    };
    match settings.ports {
        List::Absent => layer,
        List::With => layer.ports([9443, 8443]).unwrap(),
        // The default ports do not matter if the authority names a port.
        List::Without => layer.ports([80, 443]).unwrap(),
    }
}

/// What the test sees of a verdict.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub rejection: Option<Rejection>,
    pub status: u16,
    /// How often the layer called the inner service.
    pub calls: usize,
    /// What the layer passed to `on_verdict`.
    pub reported: Vec<Outcome>,
}

impl Seen {
    /// Returns what the test must see of a refused request.
    pub fn refused(rejection: Rejection) -> Self {
        Self {
            rejection: Some(rejection),
            status: match rejection {
                Rejection::NoConnectionInfo => 500,
                _ => 421,
            },
            calls: 0,
            reported: vec![Outcome::Refused(rejection)],
        }
    }

    /// Returns what the test must see of a request that passes.
    pub fn passed(outcome: Outcome) -> Self {
        Self {
            rejection: None,
            status: 200,
            calls: 1,
            reported: vec![outcome],
        }
    }
}

/// Returns a function that sends a request through the layer and returns what the test sees.
pub fn asking(layer: MisdirectedLayer) -> impl FnMut(Request<()>) -> Seen {
    let calls = Arc::new(Mutex::new(0));
    let reported = Arc::new(Mutex::new(Vec::new()));
    let layer = layer.on_verdict({
        let reported = reported.clone();
        move |verdict| reported.lock().unwrap().push(verdict.outcome())
    });
    let mut service = layer.layer(service_fn({
        let calls = calls.clone();
        move |_: Request<()>| {
            *calls.lock().unwrap() += 1;
            ready(Ok::<_, Infallible>(Response::new(String::new())))
        }
    }));
    move |request| {
        let mut context = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut context).is_ready());
        let answer = pin!(service.call(request)).poll(&mut context);
        let Poll::Ready(Ok(answer)) = answer else {
            panic!("the layer and the inner service answer at once");
        };
        Seen {
            rejection: answer.extensions().get().copied(),
            status: answer.status().as_u16(),
            calls: std::mem::take(&mut calls.lock().unwrap()),
            reported: std::mem::take(&mut reported.lock().unwrap()),
        }
    }
}
