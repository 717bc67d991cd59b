//! The running proxy, and its clients.

use axum::body::Body;
use http::response::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;

use crate::connector::connector;
use crate::pki;
use crate::program::{Directory, Running};
use crate::site::Site;

pub struct Front {
    pub program: Running,
    _directory: Directory,
}

/// What a client reads of an answer.
pub struct Answer {
    pub head: Parts,
    pub body: String,
    pub trailers: Option<http::HeaderMap>,
}

impl Front {
    /// Starts the proxy for `one.test` in front of a server.
    pub async fn before(site: &Site) -> Self {
        Self::with(&format!("https://{}", site.addr), &[]).await
    }

    /// The same with more arguments.
    pub async fn with(upstream: &str, arguments: &[&str]) -> Self {
        let directory = Directory::new();
        let ca = pem::encode(&pem::Pem::new("CERTIFICATE", &*pki::CA.0));
        directory.write("ca.pem", ca);
        let ca = directory.path("ca.pem");
        let required = ["--upstream", upstream, "--ca", &ca, "--host", "one.test"];
        let arguments = [&required, arguments].concat();
        Self {
            program: Running::start("reverse_proxy", &arguments).await,
            _directory: directory,
        }
    }

    /// A client of the proxy, with a pool.
    pub fn client(&self, alpn: &str) -> Client<impl Connect + Clone + use<>, Body> {
        let connector = connector(self.program.addr, alpn);
        Client::builder(TokioExecutor::new()).build(connector)
    }
}

/// A request of `one.test`.
pub fn get(path: &str) -> Request<Body> {
    request("GET", path, Body::empty())
}

pub fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method);
    let request = request.uri(format!("https://one.test{path}"));
    request.body(body.into()).unwrap()
}

pub async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    let body = String::from_utf8(body.to_bytes().into()).unwrap();
    Answer {
        head,
        body,
        trailers,
    }
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let value = self.head.headers.get(name)?;
        Some(value.to_str().unwrap())
    }

    /// It is the proxy's own, and says nothing about the upstream.
    pub fn assert_is_bare(&self, status: u16) {
        assert_eq!((self.status(), &*self.body), (status, ""));
        assert_eq!(self.field("cache-control"), Some("no-store"));
        for name in self.head.headers.keys() {
            let name = name.as_str();
            assert!(
                ["cache-control", "connection", "content-length", "date"].contains(&name),
                "{name}"
            );
        }
    }
}
