//! Rules B1 to B9: the layer's verdict on a request over a connection made by hand is that of the table in
//! the oracle, where webpki says what certificates cover.
#![no_main]

use std::sync::{Arc, Mutex};

use http::{Request, Uri, Version, header};
use libfuzzer_sys::fuzz_target;
use oracle::scene::{self, Scene, Scheme};
use oracle::{exchange, verdict};
use tower_misdirected::Outcome;

fuzz_target!(|scene: Scene| {
    let Some(layer) = scene.rules.layer() else {
        return;
    };
    let outcome = Arc::new(Mutex::new(None));
    let seen = outcome.clone();
    let layer = layer.on_verdict(move |verdict| *seen.lock().unwrap() = Some(verdict.outcome()));

    let mut request = request(&scene.request);
    if let Some(connection) = &scene.connection {
        request.extensions_mut().insert(connection.info());
    }
    let served = exchange::send(&layer, request);

    let expected = verdict::expected(&scene);
    assert_eq!(served.map(|_| ()), expected.map(|_| ()), "{scene:#?}");
    let outcome = outcome.lock().unwrap().take();
    let reported = match expected {
        Ok(true) => Outcome::Coalesced,
        Ok(false) => Outcome::Served,
        Err(rejection) => Outcome::Refused(rejection),
    };
    assert_eq!(outcome, Some(reported), "C6: {scene:#?}");
});

fn request(request: &scene::Request) -> Request<()> {
    let authority = match request.port {
        Some(port) => format!("{}:{}", request.host.0, port.0),
        None => request.host.0.clone(),
    };
    let mut built = Request::new(());
    *built.version_mut() = match request.version {
        scene::Version::Http11 => Version::HTTP_11,
        scene::Version::Http2 => Version::HTTP_2,
        scene::Version::Http3 => Version::HTTP_3,
    };
    let scheme = match request.in_target {
        Some(Scheme::Http) => "http",
        Some(Scheme::Https) => "https",
        Some(Scheme::Other) => "wss",
        None => "",
    };
    if !scheme.is_empty() {
        *built.uri_mut() = Uri::try_from(format!("{scheme}://{authority}/")).expect("a URI");
    }
    // HTTP/1.1 requires the field whatever the target has.
    if scheme.is_empty() || request.version == scene::Version::Http11 {
        let value = authority.parse().expect("a value");
        built.headers_mut().insert(header::HOST, value);
    }
    built
}
