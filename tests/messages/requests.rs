//! Reasons for which requests are refused, and their events.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_misdirected::{ConnectionInfo, Malformed, MisdirectedLayer, Rejection};

use crate::Messages;

pub const SECTION: &str = "When a request is refused";

pub fn make(messages: &mut Messages) {
    for malformed in [
        Malformed::MissingAuthority,
        Malformed::SeveralHosts,
        Malformed::InvalidHost,
        Malformed::InvalidPort,
        Malformed::ConflictingAuthorities,
        Malformed::InvalidTarget,
    ] {
        messages.error(SECTION, malformed);
        assert_eq!(
            Rejection::from(malformed).to_string(),
            malformed.to_string()
        );
    }
    for rejection in [
        Rejection::UnknownHost,
        Rejection::UnknownPort,
        Rejection::NoConnectionInfo,
        Rejection::InsecureConnection,
        Rejection::SchemeMismatch,
        Rejection::NotInCertificate,
        Rejection::ServerNameNotInCertificate,
        Rejection::DifferentTlsConfig,
        Rejection::OtherVirtualHost,
        Rejection::ServerNameMismatch,
    ] {
        messages.text(SECTION, rejection);
    }
    let plain = Some(ConnectionInfo::plaintext().build());
    for (report_only, connection) in [(false, None), (false, plain.clone()), (true, plain)] {
        serve(report_only, connection);
    }
}

/// A request that is refused, or would be.
fn serve(report_only: bool, connection: Option<ConnectionInfo>) {
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let layer = MisdirectedLayer::new()
        .require_tls(true)
        .report_only(report_only);
    let mut request = Request::get("/").header("host", "a.test").body(()).unwrap();
    if let Some(connection) = connection {
        request.extensions_mut().insert(connection);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let Ok(_) = runtime.block_on(layer.layer(inner).oneshot(request));
}

/// The rejection of the extractor, which is an error of its own with the text of the reason.
pub fn extract(messages: &mut Messages) {
    use axum::extract::FromRequestParts;
    let (mut parts, ()) = Request::new(()).into_parts();
    let extracted = std::pin::pin!(ConnectionInfo::from_request_parts(&mut parts, &()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match extracted.poll(&mut context) {
        std::task::Poll::Ready(Err(missing)) => messages.error(SECTION, missing),
        _ => panic!("no connection info was there to extract"),
    }
}
