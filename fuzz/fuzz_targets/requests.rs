//! Rules A1 to B9 together: odd heads of requests, on connections that often know their host, under every kind of
//! setting. The grammar's oracle says which authority a head has, and the verdict's table what is refused.
#![no_main]

use std::sync::{Arc, Mutex};

use arbitrary::Arbitrary;
use http::{HeaderValue, Request, Uri, Version, header};
use libfuzzer_sys::fuzz_target;
use oracle::odd_head::OddHead;
use oracle::request::{self, Target};
use oracle::scene::{self, Scene, Scheme};
use oracle::{exchange, grammar, verdict};
use tower_misdirected::{
    AllowedHosts, EffectiveAuthority, Host, MisdirectedLayer, Outcome, Rejection,
};

#[derive(Arbitrary, Debug)]
struct Case {
    scene: Scene,
    head: OddHead,
    /// The server name is the host of the request, whatever that is.
    asks_for_server_name: bool,
    host_is_first_field: bool,
    list: List,
    default_host: Option<DefaultHost>,
}

/// How the allowed hosts are given to the layer.
#[derive(Arbitrary, Debug)]
enum List {
    AtBuildTime,
    AtRunTime,
    Function,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum DefaultHost {
    Name,
    NameAndPort,
    Address,
}

impl DefaultHost {
    fn text(self) -> &'static str {
        match self {
            Self::Name => "a.test",
            Self::NameAndPort => "X.w.test:8443",
            Self::Address => "192.0.2.1",
        }
    }
}

fuzz_target!(|case: Case| {
    let (mut case, outcome) = (case, Arc::new(Mutex::new(None)));
    let Some(layer) = case.layer() else { return };
    let seen = outcome.clone();
    let layer = layer.on_verdict(move |verdict| *seen.lock().unwrap() = Some(verdict.outcome()));
    if let (Some(connection), true) = (&mut case.scene.connection, case.asks_for_server_name) {
        let host = case.head.hosts.first().map_or("", |host| &**host);
        let name = host.split(':').next().unwrap_or_default();
        connection.server_name = Some(scene::Host(name.to_owned()));
    }
    let Some(request) = case.request() else {
        return;
    };

    let served = exchange::send(&layer, request);
    let default_host = case.default_host.map(DefaultHost::text);
    let Some(target) = case.head.as_head().target(default_host) else {
        assert!(
            matches!(served, Err(Rejection::Malformed(_))),
            "{case:#?}: {served:?}"
        );
        return;
    };
    case.scene.request = judged(&case.head, &target);
    let expected = verdict::expected(&case.scene);
    let verdict = served.as_ref().map(|_| ()).map_err(|rejection| *rejection);
    assert_eq!(verdict, expected.map(|_| ()), "{case:#?}");
    let reported = match expected {
        Ok(true) => Outcome::Coalesced,
        Ok(false) => Outcome::Served,
        Err(rejection) => Outcome::Refused(rejection),
    };
    assert_eq!(
        outcome.lock().unwrap().take(),
        Some(reported),
        "C6: {case:#?}"
    );

    let Ok(parts) = served else { return };
    let handed_on = EffectiveAuthority::of_parts(&parts).expect("served");
    assert!(target.authority == handed_on, "{case:#?}: {handed_on}");
    let hosts: Vec<_> = parts.headers.get_all(header::HOST).iter().collect();
    assert!(hosts.len() < 2, "A4: {case:#?}");
    for host in hosts {
        let host = grammar::authority(host.as_bytes()).expect("a host");
        let same = request::same(&host, &target.authority, target.scheme.as_deref());
        assert!(same, "A2: {case:#?}");
    }
});

impl Case {
    fn layer(&self) -> Option<MisdirectedLayer> {
        let mut layer = self.scene.rules.layer()?;
        if let Some(hosts) = &self.scene.rules.allowed_hosts {
            let hosts = AllowedHosts::new(hosts.iter().map(|host| host.0)).expect("patterns");
            layer = match self.list {
                List::AtBuildTime => layer,
                List::AtRunTime => layer.allowed_hosts_in(hosts),
                List::Function => layer.allowed_hosts_by(move |text| {
                    let host: Host = text.parse().expect("a host");
                    assert_eq!(host.to_string(), text, "A8: not in normal form");
                    hosts.contains(&host)
                }),
            };
        }
        match self.default_host {
            Some(host) => Some(layer.default_host(host.text()).expect("a host")),
            None => Some(layer),
        }
    }

    /// The request, if hyper would hand it on.
    fn request(&self) -> Option<Request<()>> {
        let mut request = Request::new(());
        *request.version_mut() = self.head.version;
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = Uri::try_from(&*self.head.target).ok()?;
        if !self.host_is_first_field {
            let value = HeaderValue::from_static("*/*");
            request.headers_mut().append(header::ACCEPT, value);
        }
        for host in &self.head.hosts {
            let value = HeaderValue::from_bytes(host.as_bytes()).ok()?;
            request.headers_mut().append(header::HOST, value);
        }
        if let Some(connection) = &self.scene.connection {
            request.extensions_mut().insert(connection.info());
        }
        Some(request)
    }
}

/// The request as the table of the verdict has it.
fn judged(head: &OddHead, target: &Target) -> scene::Request {
    let scheme = target.scheme.as_deref().map(|scheme| match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => Scheme::Other,
    });
    // CONNECT has no scheme, in any version.
    let authority_form = scheme.is_none() && head.target != "*" && !head.target.starts_with('/');
    scene::Request {
        version: match head.version {
            Version::HTTP_2 if !authority_form => scene::Version::Http2,
            Version::HTTP_3 if !authority_form => scene::Version::Http3,
            _ => scene::Version::Http11,
        },
        host: scene::Host(target.authority.host.to_string()),
        port: target.authority.port.map(scene::Port),
        in_target: scheme,
    }
}
